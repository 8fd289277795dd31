"""Case 9: steps from three modules in one application, called from a plain asyncio web handler."""

import asyncio

from onetwo_like import ot
from tests.flows.teams.deciding import decide
from tests.flows.teams.events import Start, Trade
from tests.flows.teams.listening import listen
from tests.flows.teams.trading import Station


def test_three_modules_are_one_application_behind_a_web_handler():
    station = Station()
    app = ot.Workflow(listen, decide, station.trade)

    async def handler(request):
        """What a web framework would call, on its own loop."""
        return {"status": 200, "text": await app(Start(request["sku"]))}

    async def serve():
        return await asyncio.gather(handler({"sku": "Apple"}), handler({"sku": "Pear"}))

    assert asyncio.run(serve()) == [
        {"status": 200, "text": "order Apple"},
        {"status": 200, "text": "clear out Pear"},
    ]


def test_any_step_can_be_called_from_outside():
    station = Station()
    assert asyncio.run(station.trade(Trade("Apple", "order"))) == ot.Stop("order Apple")
    assert ot.run(ot.Workflow(station.trade)(Trade("Pear", "order"))) == "order Pear"
    assert station.book == ["order Apple", "order Pear"]
