"""Is this folder a cache that we may open, and what does an error of its files mean?

A cache is a folder of diskcache's with a marker beside the database, which says the format. The marker is
written last, so a folder without one was never acknowledged anything: a kill during creation loses nothing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

from onetwo_like.errors import CacheError, CacheFailedError

FORMAT = 1
DATABASE = "cache.db"
MARKER = "onetwo-cache.json"
LOCK = "onetwo-cache.lock"

_OURS = re.compile(r"cache\.db(-wal|-shm|-journal)?|onetwo-cache\.(lock|json.*)")

# What diskcache keeps in its Settings table. It sets each row it finds as an attribute of the cache object or
# runs it as a PRAGMA, so a row of another name or type is not let near it.
_SETTING_TYPES: dict[str, type] = {
    **dict.fromkeys(
        ("statistics", "tag_index", "size_limit", "cull_limit", "sqlite_auto_vacuum", "sqlite_cache_size",
         "sqlite_mmap_size", "sqlite_synchronous", "disk_min_file_size", "disk_pickle_protocol",
         "count", "size", "hits", "misses"),
        int,
    ),
    "eviction_policy": str,
    "sqlite_journal_mode": str,
}  # fmt: skip


def cache_folder(path: str | os.PathLike[str]) -> Path:
    """The folder that is meant, with ~ and variables expanded as diskcache would expand them."""
    # Absolute, since files are opened later, when the working directory may be another.
    return Path(os.path.abspath(os.path.expandvars(os.path.expanduser(os.fspath(path)))))


def prepare(folder: Path, *, read_only: bool) -> None:
    """Check that the folder is a cache that can be opened so, and make it if it is missing or empty."""
    try:
        if folder.exists() and not folder.is_dir():
            raise CacheError(f"{folder} is a file; a cache is a folder.")
        if not (folder / MARKER).exists():
            _prepare_unmarked(folder, read_only=read_only)
        _check_format(folder / MARKER)
        if not read_only and not is_writable(folder):
            raise CacheError(
                f'The cache at {folder} is read-only here. To replay it, open it with mode="replay"; to add to it, '
                f"write to a folder of your own and read from this one: read_from=[{str(folder)!r}]."
            )
    except OSError as error:
        raise CacheError(f"The cache at {folder} cannot be opened: {error}") from error


def is_writable(folder: Path) -> bool:
    """Whether this process may write the folder and its database."""
    return os.access(folder, os.W_OK | os.X_OK) and os.access(folder / DATABASE, os.W_OK)


def _prepare_unmarked(folder: Path, *, read_only: bool) -> None:
    names = sorted(os.listdir(folder)) if folder.exists() else []
    foreign = [name for name in names if not _OURS.fullmatch(name)]
    if foreign and DATABASE not in names:
        raise CacheError(
            f"{folder} holds other things ({', '.join(foreign[:3])}{', ...' * (len(foreign) > 3)}) and no cache: "
            "name another folder. Nothing was written."
        )
    if DATABASE in names and (foreign or read_only or _has_entries(folder)):
        # Looked at again: another process may have made the cache, and filled it, since the first look.
        if not (folder / MARKER).exists():
            raise CacheError(
                f"{folder} holds a {DATABASE} without {MARKER}: it belongs to another program, or the marker was "
                f'lost. If it is a cache of onetwo-like, put {{"format": {FORMAT}}} into {folder / MARKER}.'
            )
    elif read_only:
        raise CacheError(f"There is no cache at {folder}.")
    else:
        from onetwo_like.middleware.disk_writer import make_database

        folder.mkdir(parents=True, exist_ok=True)
        make_database(folder)
        _write_marker(folder / MARKER)


def _has_entries(folder: Path) -> bool:
    try:
        # Not mode=ro, which would leave an empty log behind.
        with contextlib.closing(sqlite3.connect(database_uri(folder, "mode=rw"), uri=True)) as connection:
            return connection.execute("SELECT 1 FROM Cache LIMIT 1").fetchone() is not None
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False  # a kill during creation came before the tables
        raise explained(folder, error) from error
    except sqlite3.DatabaseError as error:
        raise explained(folder, error) from error


def _write_marker(marker: Path) -> None:
    draft = marker.with_name(f"{marker.name}.{os.getpid()}")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "made_by": "onetwo-like"}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, marker)


def _check_format(marker: Path) -> None:
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise CacheError(
            f'{marker} is damaged ({error}): put {{"format": {FORMAT}}} into it, or restore it from a copy.'
        ) from error
    if found != FORMAT:
        raise CacheError(
            f"The cache at {marker.parent} has format {found}; this version of onetwo-like reads format {FORMAT}. "
            "Upgrade with: pip install --upgrade onetwo-like"
        )


def database_uri(folder: Path, options: str) -> str:
    """The database as a URI of SQLite's, with options such as mode=ro."""
    return f"file:{quote(os.path.abspath(folder / DATABASE))}?{options}"


def check_settings(folder: Path, connection: sqlite3.Connection) -> None:
    """Refuse a Settings table with rows that diskcache would not have written."""
    for name, value in connection.execute("SELECT key, value FROM Settings"):
        expected = _SETTING_TYPES.get(name)
        if type(value) is not expected:
            raise CacheError(
                f"The settings in {folder / DATABASE} have a row that was planted or damaged, and nothing of it was "
                f"used: {name!r:.60} = {value!r:.60}. Restore the file from a copy."
            )


def explained(folder: Path, error: BaseException) -> CacheFailedError:
    """The error of SQLite or the system as a CacheFailedError that names the file and says what to do."""
    database = folder / DATABASE
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "no such table" in str(error):
        advice = (
            f"is damaged ({error}): restore it from a copy, or rescue what is readable with "
            f"`sqlite3 {DATABASE} .recover`."
        )
    elif code.startswith("SQLITE_FULL") or getattr(error, "errno", None) in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
    ):
        advice = f"has no room left ({error}): free some space. What was acknowledged before is kept."
    elif code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        advice = f"is locked by another process for too long ({error})."
    else:
        advice = f"cannot be read or written ({error})."
    return CacheFailedError(f"{database} {advice}")
