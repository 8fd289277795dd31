"""Is what calls use added up once, and apart from what was paid now?"""

import contextvars
import threading

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.testing import Scripted

USED = ot.Usage(10, 5, 2, cost=0.25)


@pytest.fixture(autouse=True)
def scope():
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: ot.Reply(prompt, usage=USED), fingerprint="f")
        yield


def questions(n):
    return ot.parallel(*[llm.generate_text(f"q{i}") for i in range(n)])


def numbers(ledger):
    return ledger.calls, ledger.input_tokens, ledger.output_tokens, ledger.cached_tokens, ledger.cost


def test_the_calls_of_a_block_are_added_up():
    with ot.usage() as u:
        assert numbers(u.paid) == (0, 0, 0, 0, 0.0)
        ot.run(questions(3))
    ot.run(questions(3))
    assert numbers(u.recorded) == numbers(u.paid) == (3, 30, 15, 6, 0.75)


def test_what_is_replayed_is_recorded_but_not_paid(tmp_path):
    with ot.caching(tmp_path / "cache"):
        ot.run(questions(2))
        with ot.usage() as u:
            ot.run(questions(3))
    assert numbers(u.recorded) == (3, 30, 15, 6, 0.75)
    assert numbers(u.paid) == (1, 10, 5, 2, 0.25)


def test_identical_calls_at_once_are_paid_once(tmp_path):
    with ot.caching(tmp_path / "cache"), ot.usage() as u:
        ot.run(ot.parallel(*[llm.generate_text("q") for _ in range(4)]))
    assert (u.recorded.calls, u.paid.calls) == (4, 1)


def test_blocks_within_blocks_count_for_both():
    with ot.usage() as outer:
        ot.run(questions(1))
        with ot.usage() as inner:
            ot.run(questions(2))
    assert (outer.paid.calls, inner.paid.calls) == (3, 2)


def test_each_backend_has_its_own_sums(tmp_path):
    slow = ot.Reply("b", usage=ot.Usage(1, 2, cost=1.0), duration_s=2.0)
    with ot.RegistryContext():
        Scripted([slow, slow], name="b").register()
        other = ot.copy_registry()
    with ot.caching(tmp_path / "cache"):
        ot.run(questions(1))
        with ot.usage() as outer, ot.usage() as u:
            ot.run(ot.parallel(questions(2), ot.with_registry(questions(1), other)))
    assert set(u.by_backend) == {"scope.<locals>.<lambda>", "Scripted(b)"}
    ours, theirs = u.by_backend["scope.<locals>.<lambda>"], u.by_backend["Scripted(b)"]
    assert (numbers(ours.recorded)[0], numbers(ours.paid)[0]) == (2, 1)
    assert numbers(theirs.paid) == (1, 1, 2, 0, 1.0)
    assert theirs.recorded.latency_s == 2.0
    assert u.recorded.latency_s >= 2.0
    assert numbers(outer.by_backend["Scripted(b)"].paid) == (1, 1, 2, 0, 1.0)


def test_what_is_derived_is_counted_once():
    with ot.usage() as u:
        ot.run(llm.chat("hello"))
        ot.run(llm.generate_texts("hello", 2))
    assert u.paid.calls == 3


def test_a_watched_call_is_counted_once():
    with ot.usage() as u:
        ot.run(questions(2), enable_tracing=True)
    assert u.paid.calls == 2


def test_one_unknown_cost_makes_the_sum_unknown():
    with ot.usage() as u:
        ot.run(questions(1))
        llm.generate_text.configure(lambda prompt: ot.Reply(prompt, usage=ot.Usage(10, 5)))
        ot.run(questions(1))
        llm.generate_text.configure(lambda prompt: prompt)
        ot.run(questions(1))
    assert numbers(u.paid) == (3, 20, 10, 2, None)


def test_calls_that_fail_and_dry_runs_are_not_counted():
    with ot.usage() as u:
        ot.run(questions(2), dry_run=True)
        llm.generate_text.configure(lambda prompt: 1 / 0)
        ot.run(questions(2).fallback("x"))
    assert u.recorded.calls == 0


def test_inside_an_executable_it_counts_what_is_awaited_there():
    @ot.make_executable
    async def counted():
        with ot.usage() as u:
            await questions(2)
        await questions(1)
        return u.paid.calls

    assert ot.run(counted()) == 2


def test_threads_share_it():
    with ot.usage() as u:
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(ot.run, questions(50)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert u.paid.calls == 200


def test_within_itself_a_call_is_added_once():
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: ot.Reply(prompt, usage=ot.Usage(3, 2, cost=0.5)))
        with ot.usage() as u, ot.usage() as other, u:
            ot.run(llm.generate_text("q"))
    assert (u.paid.calls, other.paid.calls) == (1, 1)
