"""Is what each backend gets from each server right?

It is held against what the model's weights say, or what the server behind LiteLLM is made to say.
"""

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.events import TextDelta
from tests.servers.addresses import Addresses
from tests.servers.real.cells import answered, see
from tests.servers.real.operations import OPERATIONS, Operation, truth_of
from tests.servers.real.ways import WAYS, Way

pytestmark = [pytest.mark.usefixtures("upstream"), pytest.mark.parametrize("way", WAYS, ids=str)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_answer_is_right(way: Way, operation: Operation, addresses: Addresses) -> None:
    truth = truth_of(way, addresses)

    def outcome() -> str:
        with ot.RegistryContext(), ot.caching(addresses.work / "cache", mode="refresh"):
            backend = way.open(addresses, operation.name).register()
            value, reply = ot.run(operation.program(truth))
        is_right = operation.is_right(value, reply, truth)
        return answered(backend, operation.builtin) if is_right else "wrong"

    see(addresses, way, operation.name, outcome)


def test_a_watched_answer_comes_in_pieces(way: Way, addresses: Addresses) -> None:
    truth = truth_of(way, addresses)

    def outcome() -> str:
        with ot.RegistryContext():
            way.open(addresses, "stream").register()
            e = llm.generate_text(truth.prompt, temperature=0, max_tokens=truth.length)
            with ot.stream(e, only=TextDelta) as events:
                pieces = [event.text for event in events]
        assert "".join(pieces) == events.result
        if events.result != truth.said:
            return "wrong"
        return "ok" if len(pieces) > 1 else "ok, in one piece"

    see(addresses, way, "stream", outcome)
