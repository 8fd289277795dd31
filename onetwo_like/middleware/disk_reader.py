"""How is an entry read from a folder, whoever else writes it, and also where nobody may write?

Where the folder can be written, an ordinary connection sees what any process commits. Elsewhere SQLite cannot
take its locks: then the database is read as one that does not change (`immutable`), or, beside a write-ahead
log, from a private copy of both files, as of the moment of opening.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from onetwo_like.errors import CacheError
from onetwo_like.middleware.disk_folder import DATABASE, check_settings, database_uri, explained, is_writable

Row: TypeAlias = "tuple[int, str | None, object]"  # mode, filename, value

RAW, FILE = 1, 2  # the modes of diskcache that hold bytes: in the row, in a file
VALUE_FILE = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")

_ROW = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1"
_PAGE = "SELECT rowid, key FROM Cache WHERE rowid > ? AND raw = 1 AND typeof(key) = 'text' ORDER BY rowid LIMIT 1000"
_ODD = (
    "SELECT rowid, key, raw, mode, filename, size, typeof(value) FROM Cache"
    " WHERE NOT (raw = 1 AND typeof(key) = 'text' AND mode = 1 AND typeof(value) = 'blob')"
)


class Reader:
    """One connection to the entries of a folder; whoever uses it sees to it that only one thread does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connection: sqlite3.Connection | None = None
        self._copy: Path | None = None
        self._process = os.getpid()
        self._as_of: tuple[int, int] | None = (
            None  # of an immutable database: when it was written, and its size
        )

    def row(self, key: str) -> Row | None:
        try:
            return self._connected().execute(_ROW, (key,)).fetchone()  # type: ignore[no-any-return]
        except sqlite3.Error as error:
            raise explained(self.folder, error) from error

    def page(self, after: int) -> list[tuple[int, str]]:
        """The next thousand rows: their places and keys."""
        try:
            return self._connected().execute(_PAGE, (after,)).fetchall()
        except sqlite3.Error as error:
            raise explained(self.folder, error) from error

    def count(self) -> int:
        try:
            [count] = self._connected().execute("SELECT value FROM Settings WHERE key = 'count'").fetchone()
        except sqlite3.Error as error:
            raise explained(self.folder, error) from error
        return int(count)

    def damage(self) -> Iterator[str]:
        """Findings, in words: what is wrong with the database and its files, in words; nothing about what is inside the values."""
        try:
            connection = self._connected()
            for (finding,) in connection.execute("PRAGMA integrity_check"):
                if finding != "ok":
                    yield f"{self.folder / DATABASE}: {finding}"
            for rowid, key, raw, mode, filename, size, kind in connection.execute(_ODD):
                if not raw or type(key) is not str:
                    yield f"row {rowid}: a pickled or damaged key, never read: {key!r:.80}"
                elif mode != FILE or not VALUE_FILE.fullmatch(str(filename)):
                    yield f"entry {key}: a pickled or damaged value, never read (mode {mode}, {kind}, {filename!r:.80})"
                else:
                    file = self.folder / filename
                    found = file.stat().st_size if file.exists() else None
                    if found != size:
                        yield f"entry {key}: its file {file} has {found} bytes and should have {size}"
        except sqlite3.Error as error:
            yield str(explained(self.folder, error))

    def suspend(self) -> None:
        """Close the connection; the next read makes another."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        self.suspend()
        # In the child of a fork the copy is the parent's.
        if self._copy is not None and self._process == os.getpid():
            shutil.rmtree(self._copy, ignore_errors=True)
            self._copy = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        elif self._as_of is not None and self._as_of != _written(self.folder / DATABASE):
            # Somebody who may write it has; pages known from before do not fit those read from now on.
            self.suspend()
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._uri(), uri=True, isolation_level=None, check_same_thread=False, timeout=60
            )
            try:
                connection.execute("PRAGMA query_only = 1")
                connection.execute("PRAGMA trusted_schema = 0")
                connection.execute("PRAGMA cache_size = -16384")  # KiB
                check_settings(self.folder, connection)
                connection.execute(_ROW, ("",)).fetchone()
            except BaseException:
                connection.close()
                raise
            return connection
        except (sqlite3.Error, OSError) as error:
            raise explained(self.folder, error) from error

    def _uri(self) -> str:
        if self._copy is None and is_writable(self.folder):
            return database_uri(self.folder, "mode=rw")
        for _ in range(5):
            if self._copy is not None:
                return database_uri(self._copy, "mode=rw")
            self._as_of = None if _has_log(self.folder) else _written(self.folder / DATABASE)
            if self._as_of is not None:
                return database_uri(self.folder, "mode=ro&immutable=1")
            self._copy = _copied(self.folder)
        raise CacheError(
            f"The cache at {self.folder} is being written by somebody else, and cannot be written from here, so that "
            "SQLite cannot share it: open it when that has ended, or copy it."
        )


def large_value(folder: Path, key: str, row: Row) -> bytes:
    """The value of a row, from its file if it has one.

    Raises FileNotFoundError where the file is missing, and CacheError for anything but bytes: neither a
    pickle nor a file elsewhere is read.
    """
    mode, filename, value = row
    if mode == RAW and type(value) is bytes:
        return value
    if mode == FILE and type(filename) is str and VALUE_FILE.fullmatch(filename):
        return (folder / filename).read_bytes()
    raise CacheError(
        f"Cache entry {key} in {folder} was not written by onetwo-like (mode {mode}, {type(value).__name__}, file "
        f"{filename!r:.80}) and is refused, unread: a pickle could run anything."
    )


def _has_log(folder: Path) -> bool:
    log = folder / f"{DATABASE}-wal"
    return log.exists() and log.stat().st_size > 0


def _written(file: Path) -> tuple[int, int]:
    found = os.stat(file)
    return found.st_mtime_ns, found.st_size


def _copied(folder: Path) -> Path | None:
    """A private copy of the database and its log; None if pages were moved from one to the other meanwhile."""
    database, log = folder / DATABASE, folder / f"{DATABASE}-wal"
    copy = Path(tempfile.mkdtemp(prefix="onetwo-cache-"))
    with contextlib.suppress(FileNotFoundError):  # the log goes when the last writer closes
        before = _written(database), _log_head(log)
        shutil.copyfile(database, copy / database.name)
        shutil.copyfile(log, copy / log.name)
        if before == (_written(database), _log_head(log)):
            return copy
    shutil.rmtree(copy)
    return None


def _log_head(log: Path) -> bytes:
    """Changes when the log starts over; what is only appended after it harms no copy."""
    with open(log, "rb") as file:
        return file.read(32)
