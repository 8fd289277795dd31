"""How is a result kept in a folder, so that somebody else can check every byte of it and run it again?

result.json       what was run, the means and the differences
rows.jsonl        every answer with its calls
bundle.jsonl.gz   the entries of the cache that were used
table.txt         what `str(result)` says
NAME.py           the file that defines it, if there is one, and data/NAME, the file of its examples
SHA256SUMS        the checksum of each of these, as `sha256sum -c` reads them
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onetwo_like
from onetwo_like.backends.secrets import masked_file
from onetwo_like.errors import UsageError
from onetwo_like.experiments.result import Comparison, Evaluation, Result
from onetwo_like.middleware.bundle import export_bundle
from onetwo_like.middleware.store import MemoryStore

SUMS, RESULT, ROWS, BUNDLE, TABLE, DATA = (
    "SHA256SUMS",
    "result.json",
    "rows.jsonl",
    "bundle.jsonl.gz",
    "table.txt",
    "data",
)
_OURS = (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), os.path.dirname(onetwo_like.__file__))

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Saved:
    """A saved result whose bytes are those that were written."""

    folder: Path
    result: Result
    table: str
    program: Path | None
    data: Path | None
    uncached: tuple[str, ...]

    @property
    def bundle(self) -> Path:
        """The entries of the cache that it used."""
        return self.folder / BUNDLE


class DamagedError(UsageError):
    """A saved result is not as it was written."""


def save(result: Result, folder: str | os.PathLike[str]) -> None:
    """See `Result.save`."""
    target = free(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        _write(result, draft)
        os.chmod(draft, 0o777 & ~_umask())  # as `mkdir` would have made it
        if target.exists():
            old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
            os.replace(target, old)
            os.replace(draft, target)
            shutil.rmtree(old)
        else:
            os.replace(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def free(folder: str | os.PathLike[str]) -> Path:
    """The whole path of a folder to save in; UsageError if something else is there."""
    target = Path(os.path.abspath(os.path.expanduser(folder)))
    if target.exists() and not _may_replace(target):
        raise UsageError(f"{target} is there already, and is no saved result; give another folder")
    return target


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _may_replace(target: Path) -> bool:
    return target.is_dir() and (not any(target.iterdir()) or (target / SUMS).exists())


def _write(result: Result, folder: Path) -> None:
    data = result.to_dict()
    rows = data.pop("rows")
    used = result.used
    program = defining_file(result)
    copied = result.data_file if result.data_file is not None and os.path.exists(result.data_file) else None
    data["saved"] = {
        "program": None if program is None else program.name,
        "data": None if copied is None else os.path.basename(copied),
        "uncached": sorted(used.uncached) if used is not None else _operations(result),
    }
    _text(folder / RESULT, json.dumps(data, indent=1, allow_nan=False) + "\n")
    with open(folder / ROWS, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(_dumps(row) + "\n")
    _text(folder / TABLE, f"{result}\n")
    store = used.entries() if used is not None else MemoryStore()
    export_bundle(store, folder / BUNDLE, datasets={data["dataset"]["name"]: data["dataset"]["hash"]})
    if program is not None:
        (folder / program.name).write_bytes(masked_file(program.read_bytes()))
    if copied is not None:
        (folder / DATA).mkdir()
        shutil.copyfile(copied, folder / DATA / os.path.basename(copied))
    sums = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    _text(folder / SUMS, "".join(sums))


def _operations(result: Result) -> list[str]:
    """Of a result without any cache: what was asked, which nobody can replay."""
    return sorted({call.operation for row in result.rows for call in row.calls})


def _text(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        file.write(text)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def defining_file(result: Result) -> Path | None:
    """The script that is running, else the file of a strategy's function; None in a notebook."""
    main: Any = getattr(sys.modules["__main__"], "__file__", None)
    for found in (result.program, main, *map(_file_of, result.strategies)):
        path = None if found is None else Path(os.path.abspath(found))
        if path is not None and path.suffix == ".py" and path.is_file() and not _is_installed(path):
            return path
    return None


def _file_of(strategy: Any) -> str | None:
    try:
        return inspect.getsourcefile(inspect.unwrap(strategy))
    except TypeError:  # neither a function nor a class
        return None


def _is_installed(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _OURS) or "site-packages" in path.parts


# Reading


def saved(folder: str | os.PathLike[str]) -> Saved:
    """What `save` wrote, when all of it was checked.

    Raises UsageError if the folder holds no saved result, and DamagedError, a kind of it, if a byte of it differs.
    """
    path = Path(os.path.abspath(os.path.expanduser(folder)))
    if not (path / SUMS).is_file():
        raise UsageError(
            f"{folder} is no saved result: there is no {SUMS} in it. result.save(folder) writes one"
        )
    checked = _check(path)
    try:
        data = json.loads((path / RESULT).read_text(encoding="utf-8"))
        with open(path / ROWS, encoding="utf-8") as file:
            data["rows"] = [json.loads(line) for line in file]
        of = Comparison if data["kind"] == "comparison" else Evaluation
        about = data["saved"]
        program, copied = about["program"], about["data"] and f"{DATA}/{about['data']}"
        for name in (program, copied):
            if name is not None and name not in checked:
                raise DamagedError(f"{folder}: {name} is not among the checksums, so nothing of it was used")
        return Saved(
            path,
            of.from_dict(data),
            (path / TABLE).read_text(encoding="utf-8", errors="surrogatepass"),
            None if program is None else path / program,
            None if copied is None else path / copied,
            tuple(about["uncached"]),
        )
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DamagedError(f"{folder} cannot be read: {type(error).__name__}: {error}") from error


def _check(folder: Path) -> dict[str, str]:
    """The checksums by name, when each is right."""
    sums: dict[str, str] = {}
    for line in (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        sums[name] = digest
    there = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for name in (RESULT, ROWS, BUNDLE, TABLE, *sums):
        if name not in there or name not in sums:
            raise DamagedError(f"{folder}: {name} is missing, so nothing of it was used")
        if _sha256(there[name]) != sums[name]:
            raise DamagedError(f"{folder}: {name} was changed after it was saved, so nothing of it was used")
    return sums
