"""What does the package offer to your tests?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onetwo_like.backends.scripted import Scripted
    from onetwo_like.testing.backend_suite import BackendSuite
    from onetwo_like.testing.clock import FakeClock
    from onetwo_like.testing.network import only_loopback

_LATE = {
    "BackendSuite": "onetwo_like.testing.backend_suite",
    "FakeClock": "onetwo_like.testing.clock",
    "Scripted": "onetwo_like.backends.scripted",
    "only_loopback": "onetwo_like.testing.network",
}

__all__ = ["BackendSuite", "FakeClock", "Scripted", "only_loopback"]


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(_LATE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
