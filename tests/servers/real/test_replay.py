"""Does everything that was right come from the cache once the servers are gone?"""

import pytest

from onetwo_like import ot
from tests.servers.addresses import Addresses
from tests.servers.real.cells import expected, see
from tests.servers.real.operations import OPERATIONS, truth_of
from tests.servers.real.ways import WAYS, Way


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_all_right_answers_replay(way: Way, addresses: Addresses) -> None:
    truth = truth_of(way, addresses)
    assert addresses.stopped
    right = [operation for operation in OPERATIONS if expected(way, operation.name).startswith("ok")]

    def outcome() -> str:
        with ot.RegistryContext(), ot.caching(addresses.work / "cache", mode="replay") as cache:
            for operation in right:
                way.open(addresses, operation.name).register()
                value, reply = ot.run(operation.program(truth))
                assert operation.is_right(value, reply, truth)
        assert cache.report().made == 0
        return "ok"

    see(addresses, way, "replay, servers stopped", outcome)


def test_no_key_is_in_the_cache(addresses: Addresses) -> None:
    files = [path for path in (addresses.work / "cache").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if addresses.key.encode() in path.read_bytes()]
