import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.operation import operations
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
    OverloadedError,
    RateLimitedError,
)
from onetwo_like.middleware.retry import retrying
from onetwo_like.testing import FakeClock

REQUEST = Request(operations()["generate_text"], ("Hello",))


class Provider:
    """Fails with these errors in turn, then answers; notes when it was asked."""

    def __init__(self, clock, *errors):
        self.clock = clock
        self.errors = list(errors)
        self.asked_at = []

    async def __call__(self, request):
        self.asked_at.append(self.clock.time())
        if self.errors:
            raise self.errors.pop(0)
        return Reply("fine")


def limited(retry_after_s):
    error = RateLimitedError("slow down")
    error.retry_after_s = retry_after_s
    return error


@pytest.fixture
def clock():
    return FakeClock()


@pytest.mark.parametrize(
    "error",
    [
        RateLimitedError("429"),
        OverloadedError("503"),
        ConnectionFailedError("reset"),
        BackendTimeoutError("60 s"),
        MalformedReplyError("half a JSON"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_again(clock, error):
    provider = Provider(clock, error)
    assert clock.run(retrying(2)(provider)(REQUEST)) == Reply("fine")
    assert len(provider.asked_at) == 2


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("401"),
        InvalidRequestError("400"),
        ContentRefusedError("no"),
        BackendError("?"),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_fail_again_is_not_tried_again(clock, error):
    provider = Provider(clock, error)
    with pytest.raises(type(error)) as caught:
        clock.run(retrying(5)(provider)(REQUEST))
    assert caught.value is error
    assert provider.asked_at == [0.0]


def test_waits_double_and_are_drawn_from_zero_up(clock):
    provider = Provider(clock, *[OverloadedError("503") for _ in range(4)])
    draws = iter([0.5, 0.5, 0.0, 0.25])
    clock.run(retrying(5, random=lambda: next(draws))(provider)(REQUEST))
    assert provider.asked_at == [0.0, 0.25, 0.75, 0.75, 1.75]


def test_no_wait_of_our_own_is_longer_than_half_a_minute(clock):
    provider = Provider(clock, *[OverloadedError("503") for _ in range(9)])
    clock.run(retrying(10, random=lambda: 1.0, give_up_after_s=1e9)(provider)(REQUEST))
    waits = [later - sooner for sooner, later in zip(provider.asked_at, provider.asked_at[1:], strict=False)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_the_provider_is_left_alone_for_as_long_as_it_asks(clock):
    provider = Provider(clock, limited(7.0))
    clock.run(retrying(2, random=lambda: 1.0)(provider)(REQUEST))
    assert provider.asked_at == [0.0, 7.0]


def test_the_error_that_remains_has_the_number_of_attempts(clock):
    errors = [OverloadedError(f"503, time {i}") for i in range(3)]
    with pytest.raises(OverloadedError) as caught:
        clock.run(retrying(3)(Provider(clock, *errors))(REQUEST))
    assert caught.value is errors[2]
    assert caught.value.attempts == 3


def test_an_error_that_ends_the_attempts_early_has_their_number_too(clock):
    with pytest.raises(AuthenticationError) as caught:
        clock.run(retrying(5)(Provider(clock, OverloadedError("503"), AuthenticationError("401")))(REQUEST))
    assert caught.value.attempts == 2


def test_a_wait_that_would_end_too_late_is_not_begun(clock):
    provider = Provider(clock, limited(100.0), limited(201.0))
    with pytest.raises(RateLimitedError) as caught:
        clock.run(retrying(5)(provider)(REQUEST))
    assert clock.time() == 100.0  # not 300: whoever asked learns it at once
    assert caught.value.attempts == 2
    assert caught.value.retry_after_s == 201.0


def test_each_further_attempt_is_announced_and_voids_what_came_before(clock):
    error = OverloadedError("503")
    provider = Provider(clock, error)
    handler = retrying(2, random=lambda: 0.5)(provider)
    seen = []

    async def collect():
        with ot.RegistryContext():
            llm.generate_text.configure(lambda request: handler(request))
            async with ot.stream(llm.generate_text("Hello"), only=ot.Retrying) as events:
                seen.extend([event async for event in events])

    clock.run(collect())
    assert [(event.attempt, event.error, event.wait_s) for event in seen] == [(2, error, 0.25)]
    assert seen[0].span == "generate_text"
