import asyncio
import itertools
import threading
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import Backend
from onetwo_like.builtins import llm
from onetwo_like.core.operation import operations
from onetwo_like.core.request import Reply, Request, Usage
from onetwo_like.errors import OverloadedError, RateLimitedError
from onetwo_like.middleware.pace import Pacer, at_most, shared_pacer
from onetwo_like.middleware.per_loop import PerLoop
from onetwo_like.middleware.retry import retrying
from onetwo_like.testing import FakeClock

REQUEST = Request(operations()["generate_text"], ("Hello",))


def test_no_more_run_at_once_than_allowed_and_in_order():
    running, most, order = 0, 0, []

    async def handler(request):
        nonlocal running, most
        order.append(request.values[0])
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return Reply(None)

    async def main():
        paced = at_most(3)(handler)
        await asyncio.gather(*(paced(Request(REQUEST.op, (i,))) for i in range(7)))

    clock = FakeClock()
    clock.run(main())
    assert (most, order, clock.time()) == (3, list(range(7)), 3.0)


def test_handlers_under_one_limit_share_it():
    async def handler(request):
        await asyncio.sleep(1)
        return Reply(None)

    async def main():
        limit = at_most(1)
        await asyncio.gather(limit(handler)(REQUEST), limit(handler)(REQUEST))

    clock = FakeClock()
    clock.run(main())
    assert clock.time() == 2.0


def test_a_call_that_waits_to_be_made_again_takes_no_place():
    clock = FakeClock()
    asked = []

    async def handler(request):
        asked.append((request.values[0], clock.time()))
        if len(asked) == 1:
            raise OverloadedError("503")
        return Reply(None)

    async def main():
        send = retrying(2, random=lambda: 1.0)(at_most(1)(handler))
        await asyncio.gather(send(Request(REQUEST.op, ("first",))), send(Request(REQUEST.op, ("second",))))

    clock.run(main())
    assert asked == [("first", 0.0), ("second", 0.0), ("first", 0.5)]


def test_a_limit_works_on_one_loop_after_another():
    async def handler(request):
        await asyncio.sleep(0.001)
        return Reply(None)

    paced = at_most(1)(handler)

    async def main():
        await asyncio.gather(paced(REQUEST), paced(REQUEST))

    asyncio.run(main())
    asyncio.run(main())


def test_what_is_kept_for_a_loop_goes_when_another_comes_after_its_end():
    kept = PerLoop(object)

    async def main():
        assert kept.here() is kept.here()
        return kept.here()

    first, second = asyncio.run(main()), asyncio.run(main())
    assert first is not second
    assert len(kept.loops()) == 1


# Rates


class Provider:
    """Answers after a second; notes when it was asked for what, and states its limits if it has any."""

    def __init__(self, clock, pacer=None, headers=None, refuses=0, retry_after_s=None):
        self.clock = clock
        self.asked = []
        self._pacer, self._headers = pacer, headers
        self._refuses, self._retry_after_s = refuses, retry_after_s

    async def __call__(self, request):
        self.asked.append((request.values[0], round(self.clock.time(), 3)))
        if self._refuses:
            self._refuses -= 1
            error = RateLimitedError("429")
            error.retry_after_s = self._retry_after_s
            raise error
        await asyncio.sleep(1)
        if self._headers:
            self._pacer.learn(self._headers)
        return Reply("fine", Usage(50, 50))

    @property
    def times(self):
        return [at for _, at in self.asked]


async def all_at_once(handler, n, text="{}"):
    await asyncio.gather(*(handler(Request(REQUEST.op, (text.format(i),))) for i in range(n)))


def per_minute(requests, remaining=0):
    return {
        "x-ratelimit-limit-requests": str(requests),
        "x-ratelimit-remaining-requests": str(remaining),
    }


def test_calls_go_a_little_slower_than_the_headers_allow():
    clock, pacer = FakeClock(), Pacer()
    provider = Provider(clock, pacer, per_minute(60))
    clock.run(all_at_once(pacer.lane(100)(provider), 14))
    gaps = [later - sooner for sooner, later in itertools.pairwise(provider.times[10:])]
    assert provider.times[:10] == [0.0] * 10  # as many as are sent before anything is known
    assert gaps == pytest.approx([1 / 0.97] * 3, abs=0.002)


def test_what_one_backend_learns_holds_for_all_of_the_account():
    clock, pacer = FakeClock(), shared_pacer("toy", "here", "account", "model")
    knows, other = Provider(clock, pacer, per_minute(60)), Provider(clock)

    async def main():
        await pacer.lane(9)(knows)(REQUEST)
        await all_at_once(shared_pacer("toy", "here", "account", "model").lane(9)(other), 3)

    clock.run(main())
    assert other.times == pytest.approx([1 + i / 0.97 for i in (1, 2, 3)], abs=0.002)
    assert shared_pacer("toy", "here", "another", "model") is not pacer


def test_with_limits_by_hand_no_more_than_one_seconds_worth_goes_at_once():
    clock = FakeClock()
    provider = Provider(clock)
    clock.run(all_at_once(Pacer().lane(100, rpm=600)(provider), 25))
    assert provider.times == pytest.approx([0.0] * 10 + [(i + 1) / 10 for i in range(15)])


def test_of_bounds_by_hand_and_by_headers_the_lower_holds():
    for rpm, headers, gap in ((60, per_minute(6000, 100), 1.0), (6000, per_minute(60), 1 / 0.97)):
        clock, pacer = FakeClock(), Pacer()
        provider = Provider(clock, pacer, headers)
        lane = pacer.lane(1, rpm=rpm)
        pacer.lane(1, rpm=60_000)
        clock.run(all_at_once(lane(provider), 5))
        gaps = [later - sooner for sooner, later in itertools.pairwise(provider.times)]
        assert min(gaps[2:]) == pytest.approx(max(1.0, gap), abs=0.002)


def test_tokens_are_paced_by_what_calls_really_took():
    clock = FakeClock()
    provider = Provider(clock)  # each takes 100 tokens, whatever its text looks like
    clock.run(all_at_once(Pacer().lane(1, tpm=3_000)(provider), 40, "four"))
    assert provider.times[-1] == pytest.approx(39 * 2.0, rel=0.05)


def test_a_call_of_more_tokens_than_fit_in_a_second_goes_when_all_are_there():
    clock = FakeClock()
    provider = Provider(clock)
    clock.run(all_at_once(Pacer().lane(9, tpm=600)(provider), 2, "x" * 400))
    assert provider.times[0] == 0.0
    assert 9.0 < provider.times[1] <= 10.1


def test_nobody_asks_before_the_time_that_one_was_told():
    clock, pacer = FakeClock(), Pacer()
    provider = Provider(clock, refuses=1, retry_after_s=7.0)

    async def main():
        lane = pacer.lane(1)(provider)
        await asyncio.gather(retrying(2, random=lambda: 0.0)(lane)(REQUEST), all_at_once(lane, 2))

    clock.run(main())
    assert provider.times == [0.0, 7.0, 8.0, 9.0]


def test_while_nobody_may_ask_for_a_day_calls_fail_at_once():
    clock, pacer = FakeClock(), Pacer()
    provider = Provider(clock, refuses=1, retry_after_s=86_400.0)

    async def main():
        lane = retrying(3)(pacer.lane(1)(provider))
        found: list[Any] = await asyncio.gather(*[lane(REQUEST) for _ in range(3)], return_exceptions=True)
        assert [type(error) for error in found] == [RateLimitedError] * 3
        assert [error.retry_after_s for error in found] == [86_400.0] * 3
        assert "not asked: the provider wants no calls for another 86400 s" in str(found[1])
        assert clock.time() == 0.0
        await asyncio.sleep(86_200)
        assert (await lane(REQUEST)).value == "fine"

    clock.run(main())
    assert provider.times == [0.0, 86_400.0]


def test_a_call_that_is_made_again_goes_before_those_that_wait():
    clock = FakeClock()
    provider = Provider(clock, refuses=1, retry_after_s=2.0)

    async def main():
        await all_at_once(retrying(2, random=lambda: 0.0)(Pacer().lane(1)(provider)), 4)

    clock.run(main())
    assert [text for text, _ in provider.asked] == ["0", "0", "1", "2", "3"]


def test_a_single_refusal_is_no_reason_to_be_slow():
    clock, pacer = FakeClock(), Pacer()
    provider = Provider(clock, refuses=1, retry_after_s=2.0)

    async def main():
        lane = pacer.lane(20)(provider)
        await retrying(2, random=lambda: 0.0)(lane)(REQUEST)
        await all_at_once(lane, 10)

    clock.run(main())
    assert provider.times == [0.0, 2.0] + [3.0] * 10


def test_while_nothing_is_known_the_number_under_way_grows_with_the_answers():
    clock, pacer = FakeClock(), Pacer()
    provider = Provider(clock)
    clock.run(all_at_once(pacer.lane(1_000)(provider), 500))
    sent = [provider.times.count(second) for second in range(5)]
    assert sent == [10, 30, 90, 270, 100]


def test_a_wait_is_told_to_whoever_watches():
    clock = FakeClock()
    handler = Pacer().lane(1)(Provider(clock))

    async def main():
        with ot.RegistryContext():
            llm.generate_text.configure(lambda request: handler(request))
            e = ot.parallel(llm.generate_text("a"), llm.generate_text("b"))
            async with ot.stream(e, only=ot.Paced) as events:
                return [event async for event in events]

    assert [event.wait_s for event in clock.run(main())] == [1.0]


def test_a_replayed_reply_waits_for_nothing(tmp_path):
    class Slow(Backend):
        def wrap(self, handler):
            return Pacer().lane(1, rpm=1)(handler)

        async def generate_text(self, prompt):
            return prompt

    clock = FakeClock()
    with ot.RegistryContext(), ot.Cache(tmp_path / "cache") as cache:
        Slow(cache=cache).register()
        clock.run(ot.parallel(*map(llm.generate_text, "ab")))
        assert clock.time() == pytest.approx(60.0)
        clock.run(ot.parallel(*map(llm.generate_text, "ba")))
    assert clock.time() == pytest.approx(60.0)


# The queue


def test_a_call_that_is_cancelled_while_it_waits_leaves_its_place_to_the_next():
    clock = FakeClock()
    provider = Provider(clock)

    async def main():
        lane = at_most(1)(provider)
        tasks = [asyncio.ensure_future(lane(Request(REQUEST.op, (i,)))) for i in range(3)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    clock.run(main())
    assert provider.asked == [(0, 0.0), (2, 1.0)]


def test_a_call_that_is_cancelled_while_it_runs_gives_its_place_back():
    clock = FakeClock()
    provider = Provider(clock)

    async def main():
        lane = at_most(1)(provider)
        first = asyncio.ensure_future(lane(REQUEST))
        second = asyncio.ensure_future(lane(REQUEST))
        await asyncio.sleep(0.5)
        first.cancel()
        await second

    clock.run(main())
    assert provider.times == [0.0, 0.5]


def test_a_full_backend_does_not_hold_up_another_of_the_same_account():
    clock, pacer = FakeClock(), Pacer()
    provider = Provider(clock)

    async def main():
        await asyncio.gather(
            all_at_once(pacer.lane(1)(provider), 3, "full"), all_at_once(pacer.lane(1)(provider), 1, "free")
        )

    clock.run(main())
    assert provider.asked[:2] == [("full", 0.0), ("free", 0.0)]


def test_the_places_are_those_of_the_process_whatever_the_thread():
    lane = at_most(1)
    inside, others_wait, left = threading.Event(), threading.Event(), []

    async def first(request):
        inside.set()
        await asyncio.to_thread(others_wait.wait)
        left.append("first")
        return Reply(None)

    async def second(request):
        left.append("second")
        return Reply(None)

    async def waits():
        call = asyncio.ensure_future(lane(second)(REQUEST))
        await asyncio.sleep(0)
        assert not call.done()
        others_wait.set()
        await call

    holder = threading.Thread(target=lambda: asyncio.run(all_at_once(lane(first), 1)))
    holder.start()
    inside.wait()
    asyncio.run(waits())
    holder.join()
    assert left == ["first", "second"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_was_closed_in_the_middle_holds_no_place_and_no_turn():
    lane, clock = at_most(1), FakeClock()
    dead = asyncio.new_event_loop()
    left: list[Any] = [dead.create_task(all_at_once(lane(Provider(clock)), 1)) for _ in range(2)]
    for _ in range(3):
        dead.run_until_complete(asyncio.sleep(0))
    dead.close()
    provider = Provider(clock)
    clock.run(all_at_once(lane(provider), 2))
    assert provider.times == [0.0, 1.0]
    for task in left:
        task._log_destroy_pending = False
