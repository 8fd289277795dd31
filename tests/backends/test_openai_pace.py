"""Do the limits that a server states reach the pacer, whichever way it answers?"""

import itertools

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import BudgetExceeded
from onetwo_like.testing import FakeClock

LIMITS = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}
EVENT = 'data: {"choices": [{"index": 0, "delta": {"content": "fine"}, "finish_reason": "stop"}]}\n\n'


def plain(request):
    return httpx2.Response(200, json={"choices": [CHOICE], "model": "tiny-1"}, headers=LIMITS)


def streamed(request):
    if b'"stream"' not in request.content:
        return httpx2.Response(200, json={"choices": [CHOICE]})  # the first, which nobody watches
    return httpx2.Response(
        200, text=EVENT + "data: [DONE]\n\n", headers={**LIMITS, "content-type": "text/event-stream"}
    )


class Refusing:
    """Refuses once, then answers without a word of limits."""

    def __init__(self):
        self.refused = False

    def __call__(self, request):
        if self.refused:
            return httpx2.Response(200, json={"choices": [CHOICE]})
        self.refused = True
        return httpx2.Response(
            429, json={"error": {"message": "slow"}}, headers={**LIMITS, "retry-after": "0"}
        )


def backend(respond, model, clock, times, **options):
    """A backend on the SDK's mock transport, at an account and a model of its own."""

    def noted(request):
        times.append(clock.time())
        return respond(request)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(noted))
    return OpenAI(
        model, base_url="http://127.0.0.1:9/v1", api_key="none", timeout_s=None, http_client=client, **options
    )


def gaps(times):
    """Between calls, without those before each backend had its client, which is made in a thread."""
    return [later - sooner for sooner, later in itertools.pairwise(times)]


@pytest.mark.parametrize("way", ["plain", "streamed", "refused"])
def test_what_the_headers_state_paces_the_next_calls(way):
    clock = FakeClock()
    times: list[float] = []
    respond = {"plain": plain, "streamed": streamed, "refused": Refusing()}[way]

    async def main():
        await llm.generate_text("first")
        for text in "abc":
            if way == "streamed":
                async with ot.stream(llm.generate_text(text)) as events:
                    async for _ in events:
                        pass
            else:
                await llm.generate_text(text)

    with ot.RegistryContext():
        backend(respond, f"paced-{way}", clock, times).register()
        clock.run(main())
    assert gaps(times)[1:] == pytest.approx([1 / 0.97] * (len(times) - 2), abs=0.01)


def test_two_backends_of_one_account_at_one_model_share_their_pace():
    clock = FakeClock()
    times: list[float] = []
    registries = []
    for model in ("shared", "shared", "not shared"):
        with ot.RegistryContext():
            backend(plain, model, clock, times).register()
            registries.append(ot.copy_registry())

    async def main():
        for text in "abc":  # of which the first has the clients made
            for registry in registries:
                await ot.with_registry(llm.generate_text(text), registry)

    clock.run(main())
    first, second, other = times[3:6]
    assert second - first == pytest.approx(1 / 0.97, abs=0.01)
    assert other == second


def test_limits_by_hand_bound_the_calls():
    clock = FakeClock()
    times: list[float] = []

    async def main():
        for text in "abcd":
            await llm.generate_text(text)

    with ot.RegistryContext():
        respond = Refusing()
        respond.refused = True
        backend(respond, "by hand", clock, times, rpm=30).register()
        clock.run(main())
    assert gaps(times)[1:] == pytest.approx([2.0, 2.0])


def test_calls_that_wait_for_a_place_are_not_sent_once_a_budget_is_spent():
    clock = FakeClock()
    times: list[float] = []
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}

    def respond(request):
        return httpx2.Response(200, json={"choices": [CHOICE], "usage": usage})

    async def main():
        with ot.Budget(tokens=200) as budget, pytest.raises(BudgetExceeded) as caught:
            await ot.parallel((llm.generate_text(f"q{i}") for i in range(100)), on_error="keep")
        return budget, [outcome.status for outcome in caught.value.outcomes]

    with ot.RegistryContext():
        backend(respond, "waiting", clock, times).register()
        budget, statuses = clock.run(main())
    assert (len(times), budget.calls, budget.tokens) == (20, 20, 200)
    assert statuses.count("ok") == 20
