"""How does a cache travel: as one file that a person can read, equal for equal entries?

A bundle is lines of JSON, gzipped if its name ends in .gz. The first line is the manifest: the versions of the
package and of the keys, who answered, the hashes of the data sets, and the SHA-256 of all that follows. Each
further line is an entry: key, key document, value, what was said of the reply, earlier replies, and the line's
own SHA-256, which tells which line was changed. Lines are sorted by key; there is no date and no machine in it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from onetwo_like import __version__
from onetwo_like.errors import CacheError
from onetwo_like.middleware.key import VERSION, key_of
from onetwo_like.middleware.leads import Lead
from onetwo_like.middleware.recorded import Recorded
from onetwo_like.middleware.store import Entries, Store, Written, write_now

FORMAT = 1
SUFFIXES = (".jsonl", ".jsonl.gz")

_AT_ONCE = 500  # entries per durable write of an import
# gzip as every version of Python would write it: no time, no name, no system.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Imported(NamedTuple):
    """What an import did: entries `added`, entries that were there with the same value, and the keys in `conflict`.

    A conflict is an entry with another value: one's own stays.
    """

    added: int
    same: int
    conflicts: tuple[str, ...]


def export_bundle(
    store: Store,
    path: str | os.PathLike[str],
    *,
    keys: Iterable[str] | None = None,
    datasets: Mapping[str, str] | None = None,
) -> int:
    """Writes the entries of these keys, or all, to a bundle; returns their number.

    `datasets` are the hashes of the data sets that the run was about, by name. The file appears when it is
    whole, in the place of one that was there. Raises CacheError, and writes nothing, if an entry is damaged.

    >>> import tempfile
    >>> from onetwo_like.middleware.store import MemoryStore
    >>> export_bundle(MemoryStore(), tempfile.mkdtemp() + "/empty.jsonl")
    0
    """
    target = _bundle_path(path)
    checksum, models, versions, count = hashlib.sha256(), set(), set(), 0
    prices = set()
    try:
        with tempfile.TemporaryFile() as body:
            for key in sorted(store.keys() if keys is None else set(keys)):
                raw = store.get(key)
                if raw is None:
                    continue
                recorded = Recorded.unpacked(key, raw)
                line = _line_of(key, recorded)
                body.write(line)
                checksum.update(line)
                models.add(_dumps(json.loads(recorded.document)["fingerprint"]))
                versions.add(recorded.about.get("model"))
                if (price := recorded.about.get("price")) is not None:
                    prices.add(f"{recorded.about.get('model')}: {price}")
                count += 1
            manifest = {
                "bundle": FORMAT,
                "onetwo_like": __version__,
                "key_version": VERSION,
                "entries": count,
                "models": [json.loads(model) for model in sorted(models)],
                "model_versions": sorted(version for version in versions if version is not None),
                "prices": sorted(prices),
                "datasets": dict(sorted((datasets or {}).items())),
                "sha256": checksum.hexdigest(),
            }
            body.seek(0)
            _write(target, _encoded(_dumps(manifest)), body)
    except OSError as error:
        raise CacheError(f"The bundle {target} cannot be written: {error}") from error
    return count


def import_bundle(path: str | os.PathLike[str], store: Store) -> Imported:
    """Adds the entries of a bundle to a store, after all of it was checked; one's own entries stay.

    Raises CacheError, and adds nothing, if the bundle is damaged.
    """
    bundle = BundleStore(path)
    added, same, conflicts = 0, 0, []
    waiting: list[tuple[str, bytes | None]] = []
    for key in bundle.keys():  # noqa: SIM118  (a store is no mapping)
        raw, own = bundle.get(key), store.get(key)
        assert raw is not None
        if own is None:
            added += 1
            waiting.append((key, raw))
            if len(waiting) == _AT_ONCE:
                write_now(store, waiting)
                waiting = []
        elif _value(key, own) == _value(key, raw):
            same += 1
        else:
            conflicts.append(key)
    write_now(store, waiting)
    return Imported(added, same, tuple(conflicts))


def _value(key: str, raw: bytes) -> tuple[bytes, object] | None:
    try:
        recorded = Recorded.unpacked(key, raw)
    except CacheError:
        return None  # of one's own: damaged, which equals nothing
    return recorded.value, recorded.mark


class BundleStore:
    """A bundle as a store to read from; all of it is checked when it is opened, and held in memory.

    Raises CacheError if a byte differs from what was exported, with the line.
    """

    read_only = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _bundle_path(path)
        self.manifest, self._lines = _checked(self.path)
        self._closed = False

    def __repr__(self) -> str:
        return f"BundleStore({str(self.path)!r})"

    def get(self, key: str) -> bytes | None:
        self._check_open()
        line = self._lines.get(key)
        return None if line is None else _recorded_of(json.loads(line)).packed(key)

    def write(self, entries: Entries) -> Written:
        self._refuse()

    def keys(self) -> Iterator[str]:
        self._check_open()
        return iter(list(self._lines))

    def __len__(self) -> int:
        self._check_open()
        return len(self._lines)

    def lead(self, key: str) -> Lead | None:
        self._refuse()

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise CacheError(f"The bundle {self.path} is closed; open it again to use it.")

    def _refuse(self) -> NoReturn:
        self._check_open()
        raise CacheError(
            f"The bundle {self.path} is for reading. Import it into a cache of your own, or read from it beside "
            f"one: ot.Cache(path, read_from=[{str(self.path)!r}])."
        )


# Lines


def _line_of(key: str, recorded: Recorded) -> bytes:
    """The line of an entry."""
    form: dict[str, Any] = {
        "key": key,
        "document": json.loads(recorded.document),
        **_value_form(recorded.value),
    }
    form["about"] = recorded.about
    if recorded.history:
        form["history"] = [json.loads(line) for line in recorded.history]
    text = _dumps(form)
    if _recorded_of(json.loads(_encoded(text))) != recorded:
        # Spelt as we would not spell it: it travels as the bytes it is.
        text = _dumps({"key": key, "packed": base64.b64encode(recorded.packed(key)).decode()})
    line = _encoded(text)
    return line[:-1] + b',"sha256":"' + hashlib.sha256(line).hexdigest().encode() + b'"}\n'


def _value_form(value: bytes) -> dict[str, Any]:
    return {"text": value[1:].decode()} if value[:1] == b"t" else {"json": json.loads(value[1:])}


def _recorded_of(form: dict[str, Any]) -> Recorded:
    if "packed" in form:
        return Recorded.unpacked(form["key"], base64.b64decode(form["packed"]))
    value = "t" + form["text"] if "text" in form else "j" + _dumps(form["json"])
    history = tuple(_dumps(each) for each in form.get("history", ()))
    return Recorded(value.encode("utf-8", "surrogatepass"), form["about"], _dumps(form["document"]), history)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON's own escapes can write it
        return json.dumps(json.loads(text), separators=(",", ":")).encode()


# Files


def _bundle_path(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path).endswith(SUFFIXES):
        raise CacheError(f"A bundle is called *.jsonl or *.jsonl.gz, not {os.fspath(path)!r}")
    return Path(os.path.abspath(os.path.expanduser(path)))


def _write(target: Path, manifest: bytes, body: IO[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(descriptor, "wb") as file:
            pieces = _pieces(manifest, body)
            for piece in _zipped(pieces) if target.suffix == ".gz" else pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o666 & ~_umask())  # as `open` would have made it
        os.replace(draft, target)
    except BaseException:
        os.unlink(draft)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _pieces(manifest: bytes, body: IO[bytes]) -> Iterator[bytes]:
    yield manifest + b"\n"
    while piece := body.read(1 << 20):
        yield piece


def _zipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    # Not the module gzip, whose header depends on the version of Python.
    yield _GZIP_HEAD
    press = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum, length = 0, 0
    for piece in pieces:
        checksum, length = zlib.crc32(piece, checksum), length + len(piece)
        yield press.compress(piece)
    yield press.flush() + struct.pack("<II", checksum, length & 0xFFFFFFFF)


def _checked(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest, and the lines by key."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            head, *lines = file.read().splitlines(keepends=True) or [b""]
    except (OSError, EOFError, zlib.error) as error:
        raise CacheError(f"The bundle {path} cannot be read: {error}") from error
    try:
        manifest = json.loads(head)
        found = manifest["bundle"], manifest["entries"], manifest["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise CacheError(f"{path} is no bundle, or its first line is damaged: {head!r:.80}") from error
    if found[0] != FORMAT:
        raise CacheError(
            f"The bundle {path} has format {found[0]}; this version of onetwo-like reads format {FORMAT}. "
            "Upgrade with: pip install --upgrade onetwo-like"
        )
    if found[1:] != (len(lines), hashlib.sha256(b"".join(lines)).hexdigest()):
        raise CacheError(
            f"The bundle {path} is damaged, and nothing of it was used: {_what_is_wrong(found[1], lines)}. "
            "Get another copy, or export it again."
        )
    return manifest, dict(_by_key(path, lines))


def _by_key(path: Path, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(lines, 2):
        try:
            form = json.loads(line)
            key = form["key"]
            belongs = key == key_of(_recorded_of(form).document)
        except (ValueError, KeyError, TypeError, AttributeError, CacheError) as error:
            raise CacheError(f"The bundle {path} has no entry on line {number}: {line!r:.80}") from error
        if not belongs:
            # Whoever writes a line by hand could otherwise answer one request with the reply to another.
            raise CacheError(
                f"The bundle {path} has on line {number} the key of another request: {key!r:.80}"
            )
        yield key, line


def _what_is_wrong(entries: object, lines: list[bytes]) -> str:
    for number, line in enumerate(lines, 2):
        text, mark, rest = line.rpartition(b',"sha256":"')
        if not mark or hashlib.sha256(text + b"}").hexdigest().encode() != rest[:64]:
            return f"line {number} does not fit its checksum"
    if len(lines) != entries:
        return f"it should have {entries} entries and has {len(lines)}"
    return "its checksum does not fit its entries"
