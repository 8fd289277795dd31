"""What does the package offer to your tests?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onetwo_like.core.late import late

if TYPE_CHECKING:
    from onetwo_like.backends.scripted import Scripted
    from onetwo_like.testing.backend_suite import BackendSuite
    from onetwo_like.testing.clock import FakeClock
    from onetwo_like.testing.network import only_loopback
else:
    __getattr__, __dir__ = late(
        __name__,
        {
            "BackendSuite": "onetwo_like.testing.backend_suite",
            "FakeClock": "onetwo_like.testing.clock",
            "Scripted": "onetwo_like.backends.scripted",
            "only_loopback": "onetwo_like.testing.network",
        },
    )

__all__ = ["BackendSuite", "FakeClock", "Scripted", "only_loopback"]
