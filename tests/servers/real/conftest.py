"""When are these tests run? Only by `python -m tests.servers`, which starts the servers and says where they are."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.addresses import VARIABLE, Addresses
from tests.servers.real.upstream import Upstream

collect_ignore_glob = [] if VARIABLE in os.environ else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("servers")
            # The machine that runs all this is slow; that is no fault of a backend's.
            item.add_marker(pytest.mark.filterwarnings("default:.*holds the event loop:RuntimeWarning"))


@pytest.fixture(scope="session")
def addresses() -> Addresses:
    """Where the servers are."""
    return Addresses.read(Path(os.environ[VARIABLE]))


@pytest.fixture(scope="session")
def upstream(addresses: Addresses) -> Iterator[Upstream | None]:
    """The server that LiteLLM asks, and whose faults it passes on; None once the servers have been stopped."""
    if addresses.stopped:
        yield None
        return
    with Upstream(port=addresses.upstream_port) as server:
        yield server
