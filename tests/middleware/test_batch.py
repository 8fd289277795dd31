import asyncio

import pytest

from onetwo_like.builtins import llm  # noqa: F401  (declares the operation below)
from onetwo_like.core.operation import operations
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import OverloadedError, UsageError
from onetwo_like.middleware.batch import batch
from onetwo_like.testing import FakeClock

OP = operations()["generate_text"]


class Model:
    """Shouts; notes what it was asked together, and when."""

    def __init__(self, clock, takes_s=0.0):
        self.clock = clock
        self.takes_s = takes_s
        self.batches = []
        self.cancelled = 0

    async def __call__(self, requests):
        texts = [request.values[0] for request in requests]
        self.batches.append((self.clock.time(), "".join(texts)))
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if "!" in texts:
            raise OverloadedError("cannot take it")
        return [ValueError(text) if text == "?" else Reply(text.upper()) for text in texts]


@pytest.fixture
def clock():
    return FakeClock()


def ask(handler, text):
    return asyncio.ensure_future(handler(Request(OP, (text,))))


def answers(clock, handler, texts):
    async def main():
        return await asyncio.gather(*(ask(handler, text) for text in texts), return_exceptions=True)

    return [a.value if isinstance(a, Reply) else a for a in clock.run(main())]


def test_calls_made_at_once_are_one_call_and_each_has_its_answer(clock):
    model = Model(clock)
    assert answers(clock, batch(model, max_size=9), "abc") == ["A", "B", "C"]
    assert model.batches == [(0.0, "abc")]


def test_a_full_batch_goes_at_once_and_the_rest_when_its_time_is_up(clock):
    model = Model(clock)
    assert answers(clock, batch(model, max_size=2, max_wait_s=5.0), "abcde") == list("ABCDE")
    assert model.batches == [(0.0, "ab"), (0.0, "cd"), (5.0, "e")]


def test_the_wait_is_counted_from_the_first_of_a_batch(clock):
    model = Model(clock)

    async def main():
        handler = batch(model, max_size=9, max_wait_s=5.0)
        first = ask(handler, "a")
        await asyncio.sleep(3)
        await asyncio.gather(first, ask(handler, "b"))

    clock.run(main())
    assert model.batches == [(5.0, "ab")]


def test_without_a_wait_a_call_alone_takes_no_time(clock):
    model = Model(clock)
    assert answers(clock, batch(model, max_size=9), "a") == ["A"]
    assert clock.time() == 0.0


def test_what_differs_is_not_asked_together(clock):
    model = Model(clock)
    handler = batch(model, max_size=9, alike=lambda request: request.values[0].isdigit())
    assert answers(clock, handler, "a1b2") == ["A", "1", "B", "2"]
    assert model.batches == [(0.0, "ab"), (0.0, "12")]


def test_an_exception_among_the_answers_is_only_that_items(clock):
    a, failed, b = answers(clock, batch(Model(clock), max_size=9), "a?b")
    assert (a, b) == ("A", "B")
    assert isinstance(failed, ValueError)


def test_one_item_that_makes_the_whole_call_fail_does_not_lose_the_others(clock):
    model = Model(clock)
    a, failed, b = answers(clock, batch(model, max_size=9), "a!b")
    assert (a, b) == ("A", "B")
    assert isinstance(failed, OverloadedError)
    assert [texts for _, texts in model.batches] == ["a!b", "a", "!", "b"]


def test_another_number_of_answers_than_questions_is_an_error_for_all(clock):
    async def forgetful(requests):
        return [Reply("A")]

    for failed in answers(clock, batch(forgetful, max_size=9), "abc"):
        assert isinstance(failed, UsageError)


def test_who_is_cancelled_while_a_batch_is_collected_is_not_asked_for(clock):
    model = Model(clock)

    async def main():
        handler = batch(model, max_size=9, max_wait_s=5.0)
        first, second = ask(handler, "a"), ask(handler, "b")
        await asyncio.sleep(1)
        first.cancel()
        await second

    clock.run(main())
    assert model.batches == [(5.0, "b")]


def test_a_call_goes_on_while_anybody_waits_for_it_and_stops_when_nobody_does(clock):
    model = Model(clock, takes_s=10.0)

    async def main():
        handler = batch(model, max_size=2)
        first, second = ask(handler, "a"), ask(handler, "b")
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(1)
        assert model.cancelled == 0
        second.cancel()
        await asyncio.sleep(1)

    clock.run(main())
    assert model.cancelled == 1
    assert clock.time() == 3.0


def test_a_batch_belongs_to_the_loop_it_was_collected_on(clock):
    handler = batch(Model(clock), max_size=9)
    assert answers(clock, handler, "a") == ["A"]
    assert answers(clock, handler, "b") == ["B"]


@pytest.mark.parametrize("wrong", [{"max_size": 0}, {"max_size": 1.5}, {"max_size": 1, "max_wait_s": -1}])
def test_a_size_or_wait_that_is_none_is_refused(wrong):
    with pytest.raises(UsageError, match="batch takes"):
        batch(Model(FakeClock()), **wrong)
