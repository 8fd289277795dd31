"""Cases 6, 7 and 8: three sources and one decision; an order station that is nested, and one that is united."""

import asyncio
import collections
import dataclasses

import pytest

from onetwo_like import ot
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    sku: str
    waits: tuple = (1, 3, 2)


@dataclasses.dataclass(frozen=True)
class Source:
    sku: str
    wait: float


class Online(Source):
    pass


class Offline(Source):
    pass


class Trend(Source):
    pass


@dataclasses.dataclass(frozen=True)
class Feedback:
    sku: str
    mood: str


class OnlineFeedback(Feedback):
    pass


class OfflineFeedback(Feedback):
    pass


class TrendFeedback(Feedback):
    pass


@dataclasses.dataclass(frozen=True)
class Trade:
    sku: str
    mood: str


@dataclasses.dataclass(frozen=True)
class Booked:
    what: str


class Monitor:
    """The steps, and what was seen of them."""

    def __init__(self):
        self.started = []
        self.decided = []

    async def start(self, event: Start) -> list[Online | Offline | Trend]:
        online, offline, trend = event.waits
        return [Online(event.sku, online), Offline(event.sku, offline), Trend(event.sku, trend)]

    async def ask(self, source, mood):
        self.started.append(asyncio.get_running_loop().time())
        await asyncio.sleep(source.wait)
        return source.sku, mood

    async def online(self, event: Online) -> OnlineFeedback:
        return OnlineFeedback(*await self.ask(event, "Good"))

    async def offline(self, event: Offline) -> OfflineFeedback:
        return OfflineFeedback(*await self.ask(event, "Bad"))

    async def trend(self, event: Trend) -> TrendFeedback:
        return TrendFeedback(*await self.ask(event, "Good"))

    async def decide(self, a: OnlineFeedback, b: OfflineFeedback, t: TrendFeedback) -> Trade:
        self.decided.append((a, b, t))
        moods = collections.Counter([a.mood, b.mood, t.mood])
        return Trade(a.sku, moods.most_common(1)[0][0])

    def workflow(self):
        return ot.Workflow(self.start, self.online, self.offline, self.trend, self.decide)


class Station:
    """Carries trades out, and keeps the book."""

    def __init__(self):
        self.book = []

    async def trade(self, event: Trade) -> Booked:
        ot.emit(f"trading {event.sku}")
        await asyncio.sleep(0.5)
        return Booked(f"{'order' if event.mood == 'Good' else 'clear out'} {event.sku}")

    async def book_it(self, event: Booked) -> ot.Stop[str]:
        self.book.append(event.what)
        return ot.Stop(event.what)

    def workflow(self):
        return ot.Workflow(self.trade, self.book_it)


def united(monitor, station):
    return monitor.workflow() | station.workflow()


class TestThreeSources:
    def test_start_together_and_the_decision_acts_once_with_all_in_declared_order(self):
        monitor, station = Monitor(), Station()
        clock = FakeClock()
        assert clock.run(united(monitor, station)(Start("Apple"))) == "order Apple"
        assert max(monitor.started) - min(monitor.started) < 0.01
        assert [[type(f) for f in feedback] for feedback in monitor.decided] == [
            [OnlineFeedback, OfflineFeedback, TrendFeedback]
        ]
        assert station.book == ["order Apple"]
        assert clock.time() == 3.5

    def test_start_within_10_ms_by_the_wall_clock(self):
        monitor = Monitor()
        ot.run(united(monitor, Station())(Start("Apple", (0.02, 0.01, 0))))
        assert max(monitor.started) - min(monitor.started) < 0.01

    def test_of_two_runs_at_once_do_not_mix(self):
        monitor, station = Monitor(), Station()
        app = united(monitor, station)
        calls = ot.parallel(app(Start("Apple", (1, 5, 9))), app(Start("Pear", (9, 5, 1))))
        assert FakeClock().run(calls) == ["order Apple", "order Pear"]
        decided = [{f.sku for f in feedback} for feedback in monitor.decided]
        assert sorted(decided, key=str) == [{"Apple"}, {"Pear"}]

    def test_may_be_sent_instead_of_returned(self):
        monitor, station = Monitor(), Station()

        async def start(event: Start) -> Online | Offline | Trend | None:  # type: ignore[return]  # it sends
            for kind, wait in zip((Trend, Online, Offline), event.waits, strict=True):
                ot.send(kind(event.sku, wait))

        app = ot.Workflow(start, monitor.online, monitor.offline, monitor.trend, monitor.decide)
        assert FakeClock().run((app | station.workflow())(Start("Apple"))) == "order Apple"
        assert len(monitor.decided) == 1


class TestANestedStation:
    def nested(self, station):
        inside = station.workflow()

        async def hand_over(event: Trade) -> ot.Stop[tuple]:
            return ot.Stop(("outer", await inside(event)))

        return Monitor().workflow() | ot.Workflow(hand_over)

    def test_gives_its_result_to_the_outer_workflow(self):
        assert FakeClock().run(self.nested(Station())(Start("Apple"))) == ("outer", "order Apple")

    def test_is_seen_on_the_outer_stream(self):
        with ot.stream(self.nested(Station())(Start("Apple", (0, 0, 0))), only=str) as events:
            assert list(events) == ["trading Apple"]

    def test_is_stopped_by_the_time_out_of_the_outer_one(self):
        stopped = []

        class Slow(Station):
            async def trade(self, event: Trade) -> Booked:
                try:
                    await asyncio.sleep(100)
                finally:
                    stopped.append("trade")
                return Booked("")

        clock = FakeClock()
        with pytest.raises(TimeoutError):
            clock.run(self.nested(Slow())(Start("Apple")).timeout(10))
        assert (clock.time(), stopped) == (10, ["trade"])

    def test_may_be_called_from_outside_as_well(self):
        station = Station()
        assert FakeClock().run(station.workflow()(Trade("Fig", "Bad"))) == "clear out Fig"


class TestAUnitedStation:
    def test_gets_its_events_from_a_team_that_does_not_know_it(self):
        station = Station()
        assert FakeClock().run(united(Monitor(), station)(Start("Apple"))) == "order Apple"
        assert FakeClock().run((station.workflow() | Monitor().workflow())(Start("Pear"))) == "order Pear"

    def test_leaves_both_workflows_as_they_were(self):
        monitor, station = Monitor().workflow(), Station().workflow()
        app = monitor | station
        assert (len(monitor.steps), len(station.steps), len(app.steps)) == (5, 2, 7)
        assert FakeClock().run(station(Trade("Fig", "Good"))) == "order Fig"
