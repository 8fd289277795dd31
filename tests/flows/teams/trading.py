"""How is a decision carried out?"""

from onetwo_like import ot
from tests.flows.teams.events import Trade


class Station:
    """Trades, and keeps the book."""

    def __init__(self) -> None:
        self.book: list[str] = []

    async def trade(self, event: Trade) -> ot.Stop[str]:
        self.book.append(f"{event.action} {event.sku}")
        return ot.Stop(self.book[-1])
