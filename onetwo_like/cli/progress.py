"""How does somebody at a terminal see how far it is?"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def counting(total: int, unit: str) -> Iterator[Callable[[], None]]:
    """A block that shows progress on stderr; yields what is to be called for each of `total`.

    It is tqdm's bar if tqdm is installed, else a line that counts. Where stderr is no terminal, nothing is shown.

    >>> with counting(2, "cities") as advance:
    ...     advance()
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield from _plain(total, unit)
        return
    with tqdm(total=total, unit=f" {unit}", leave=False, file=sys.stderr) as bar:
        yield bar.update


def _plain(total: int, unit: str) -> Iterator[Callable[[], None]]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        sys.stderr.write(f"\r{done} of {total} {unit}")
        sys.stderr.flush()

    try:
        yield advance
    finally:
        sys.stderr.write("\r\x1b[K")  # back to the start of an empty line
        sys.stderr.flush()
