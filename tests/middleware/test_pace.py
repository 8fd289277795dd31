import asyncio

from onetwo_like.core.operation import operations
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import OverloadedError
from onetwo_like.middleware.pace import at_most
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
