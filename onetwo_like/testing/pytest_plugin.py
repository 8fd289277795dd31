"""Which pytest fixtures does the package offer?

pytest finds them by itself where the package is installed. Nothing is imported before a fixture is used, so
that runs of others pay nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from onetwo_like.middleware.cache import Cache
    from onetwo_like.testing.replaying import Replays

__requires__ = ("pytest",)  # the one module that cannot be imported without an extra

_deselected: pytest.StashKey[list[pytest.Item]] = pytest.StashKey()
_replays: pytest.StashKey[Replays] = pytest.StashKey()
_passed = pytest.StashKey[bool]()


@pytest.fixture
def no_network() -> Iterator[list[str]]:
    """The test may reach loopback only, and fails if it tried more, even when it survived the refusal.

    The value is the list of what was refused; a test that is about refusals clears it.
    """
    from onetwo_like.testing.network import only_loopback

    with only_loopback() as refused:
        yield refused
    if refused:
        pytest.fail(
            f"this test tried to reach {'; '.join(refused)}. Only loopback is allowed.", pytrace=False
        )


@pytest.fixture
def ot_cache(request: pytest.FixtureRequest) -> Iterator[Cache]:
    """The test is answered from the bundle beside its file, `NAME.replay.jsonl`; the value is the Cache.

    With `--ot-replay=strict`, the default, a call that was not recorded fails the test, and so do entries that
    nobody asked for when the whole file ran. `--ot-replay=record` asks for what is missing and writes the
    bundle; `--ot-replay=off` asks every time.
    """
    item = request.node
    replay = request.session.stash[_replays].of(item)
    with replay.answering() as cache:
        yield cache
    replay.ended(item, item.stash.get(_passed, False), cache)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--ot-replay`."""
    parser.getgroup("onetwo-like").addoption(
        "--ot-replay",
        choices=("strict", "record", "off"),
        default="strict",
        help="what tests under the fixture ot_cache do: replay and fail on a miss or on unused entries (strict, the "
        "default), ask for what is missing and write the bundle (record), or ask every time (off)",
    )


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Notes whose file does not run as a whole."""
    for item in items:
        _left_out(item.session).append(item)


def _left_out(session: pytest.Session) -> list[pytest.Item]:
    none: list[pytest.Item] = []
    return session.stash.setdefault(_deselected, none)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Notes which tests of which file are to be answered from its bundle."""
    asking = [item for item in session.items if "ot_cache" in getattr(item, "fixturenames", ())]
    if asking:
        from onetwo_like.testing.replaying import Replays

        session.stash[_replays] = Replays(session.config, asking, _left_out(session))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes who passed, and tells whoever missed a recording how to make it."""
    report = yield
    if call.when == "call" and "ot_cache" in getattr(item, "fixturenames", ()):
        item.stash[_passed] = report.passed
        if call.excinfo is not None:
            from onetwo_like.testing.replaying import HINT, ReplayMiss

            if call.excinfo.errisinstance(ReplayMiss):
                report.sections.append(("ot_cache", HINT))
    return report
