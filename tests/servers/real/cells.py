"""What is a cell of the table: a right answer, or which error, and is it the one in docs/servers.md?"""

import traceback
from collections.abc import Callable

from onetwo_like.backends import Backend
from onetwo_like.backends.table import how
from onetwo_like.core.operation import operations
from onetwo_like.core.registry import Registry
from onetwo_like.errors import OneTwoError
from tests.servers.addresses import Addresses
from tests.servers.real.outcomes import DOCS, read, record
from tests.servers.real.ways import WRONG_KEY, Way


def see(at: Addresses, way: Way, row: str, outcome: Callable[[], str]) -> None:
    """Records what is seen, and fails if it is not what is expected."""
    seen = outcome_of(at, outcome)
    record(at.work / "outcomes.json", way.server, way.backend, row, seen)
    assert seen in expected(way, row).split(" or ")


def outcome_of(at: Addresses, outcome: Callable[[], str]) -> str:
    """What it says, or the name of the error, in which no key may show."""
    try:
        return outcome()
    except OneTwoError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error.__dict__)
        assert at.key not in shown
        assert WRONG_KEY not in shown
        return type(error).__name__


def expected(way: Way, row: str) -> str:
    """What the docs say."""
    said = read(DOCS.read_text("utf-8"))
    return said.get(way.server, {}).get(row, {}).get(way.backend, "nothing")


def answered(backend: Backend, builtin: str) -> str:
    """ "ok", and what it was derived from."""
    way = how(operations()[builtin], Registry(backend.bindings()))
    return "ok" if way == "native" else f"ok, {way}"
