"""What follows from what customers say?"""

from tests.flows.teams.events import Feedback, Trade


async def decide(event: Feedback) -> Trade:
    return Trade(event.sku, "order" if event.mood == "Good" else "clear out")
