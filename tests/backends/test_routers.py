from contextlib import nullcontext

import pytest

from onetwo_like import ot
from onetwo_like.backends import Fallback, RoundRobin, Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    BackendTimeoutError,
    InvalidRequestError,
    MalformedReplyError,
    NotBoundError,
    OverloadedError,
    RateLimitedError,
    ReplayMiss,
    UnsupportedOptionError,
    UsageError,
)


@pytest.fixture(autouse=True)
def scope():
    with ot.RegistryContext():
        yield


@pytest.mark.parametrize(
    "kind", [RateLimitedError, OverloadedError, BackendTimeoutError, MalformedReplyError]
)
def test_the_next_answers_where_one_fails_in_a_way_that_may_pass(kind):
    Fallback(Scripted(kind("no")), Scripted(kind("no")), Scripted(["fine"])).register()
    assert ot.run(llm.generate_text("a")) == "fine"


@pytest.mark.parametrize("error", [InvalidRequestError("400"), UsageError("mine"), KeyError("bug")])
def test_what_would_fail_there_too_is_raised_at_once(error):
    second = Scripted(["fine"])
    Fallback(Scripted(error), second).register()
    with pytest.raises(type(error)) as caught:
        ot.run(llm.generate_text("a"))
    assert caught.value is error
    assert second.requests == []


def test_if_all_fail_the_last_error_is_raised():
    Fallback(Scripted(OverloadedError("first")), Scripted(OverloadedError("second"))).register()
    with pytest.raises(OverloadedError, match="second"):
        ot.run(llm.generate_text("a"))


def test_the_step_to_the_next_is_told():
    Fallback(Scripted(OverloadedError("busy")), Scripted(["fine"])).register()
    with ot.stream(llm.generate_text("a"), only=ot.Retrying) as events:
        assert [(event.attempt, str(event.error)) for event in events] == [(2, "busy")]
        assert events.result == "fine"


def test_backends_take_turns():
    members = [Scripted(lambda prompt: prompt, name=str(i)) for i in range(3)]
    RoundRobin(*members).register()
    ot.run(ot.parallel(*[llm.generate_text(f"q{i}") for i in range(9)]))
    assert [len(member.requests) for member in members] == [3, 3, 3]


@pytest.mark.parametrize("way", ["own", "block"])
def test_members_are_cached_each_under_its_own_key_and_the_router_is_not(tmp_path, way):
    with ot.Cache(tmp_path / "cache") as cache, ot.caching(cache) if way == "block" else nullcontext():
        own = cache if way == "own" else None
        first, second = (Scripted(lambda prompt: prompt, name=n, cache=own) for n in ("one", "two"))
        RoundRobin(first, second).register()
        for _ in range(4):
            ot.run(llm.generate_text("a"))
    assert (len(first.requests), len(second.requests)) == (1, 1)


def test_what_a_later_member_answered_is_replayed(tmp_path):
    Fallback(Scripted(OverloadedError("busy"), name="one"), Scripted(["fine"], name="two")).register()
    with ot.caching(tmp_path / "cache"):
        assert ot.run(llm.generate_text("a")) == "fine"
    with ot.caching(tmp_path / "cache", mode="replay"):
        assert ot.run(llm.generate_text("a")) == "fine"
        with pytest.raises(ReplayMiss):
            ot.run(llm.generate_text("b"))


def test_a_call_is_counted_once_and_within_the_budget():
    Fallback(Scripted(["a"]), Scripted(["b"])).register()
    with ot.usage() as u, ot.Budget(calls=1) as budget:
        ot.run(llm.generate_text("q"))
    assert (u.paid.calls, budget.calls) == (1, 1)


def test_each_member_has_its_own_default_options():
    members = [Scripted(lambda prompt, max_tokens: str(max_tokens), max_tokens=n) for n in (1, 2)]
    RoundRobin(*members).register()
    assert [ot.run(llm.generate_text("q")) for _ in range(2)] == ["1", "2"]


def test_an_option_that_one_member_refuses_is_refused():
    RoundRobin(Scripted(lambda prompt: prompt), Scripted(lambda prompt, seed: prompt)).register()
    with pytest.raises(UnsupportedOptionError, match="seed"):
        ot.run(llm.generate_text("q", seed=1))


def test_what_one_member_does_not_serve_is_not_served():
    Fallback(Scripted(["a"], operations=["chat", "embed"]), Scripted(["b"], operations="chat")).register()
    with pytest.raises(NotBoundError):
        ot.run(llm.embed(["q"]))


@pytest.mark.parametrize("members", [(), (Scripted([]),), (Scripted([]), "gpt")])
def test_fewer_than_two_backends_are_refused(members):
    with pytest.raises(UsageError, match="takes"):
        Fallback(*members)
