"""Where do the programs that keep what they have done keep it, in one run?"""

from __future__ import annotations

import os
from typing import Protocol

from onetwo_like.errors import UsageError


class Opened(Protocol):
    """What a checkpoint has opened."""

    def close(self) -> None: ...


class Checkpoint:
    """The folder that was given to a run; what is kept there, and how, is for those who open it to say."""

    __slots__ = ("opened", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"checkpoint takes the path of a folder, not {path!r:.60}")
        self.path = path
        self.opened: Opened | None = None

    def close(self) -> None:
        """Gives back what was opened."""
        if self.opened is not None:
            self.opened.close()
            self.opened = None
