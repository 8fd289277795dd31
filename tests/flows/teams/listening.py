"""What do customers say?"""

from tests.flows.teams.events import Feedback, Start


async def listen(event: Start) -> Feedback:
    return Feedback(event.sku, "Good" if event.sku == "Apple" else "Bad")
