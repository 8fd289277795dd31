"""Which pytest fixtures does the package offer?

Needs pytest. Write `pytest_plugins = ["onetwo_like.testing.pytest_plugin"]` in your top conftest.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onetwo_like.testing.network import only_loopback

__requires__ = ("pytest",)  # the one module that cannot be imported without an extra


@pytest.fixture
def no_network() -> Iterator[list[str]]:
    """The test may reach loopback only, and fails if it tried more, even when it survived the refusal.

    The value is the list of what was refused; a test that is about refusals clears it.
    """
    with only_loopback() as refused:
        yield refused
    if refused:
        pytest.fail(
            f"this test tried to reach {'; '.join(refused)}. Only loopback is allowed.", pytrace=False
        )
