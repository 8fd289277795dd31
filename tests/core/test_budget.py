"""Does a budget stop further calls, and is nothing lost that was paid for?"""

import asyncio
import contextlib
import contextvars
import threading

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import BudgetExceeded, OneTwoError, UsageError
from onetwo_like.testing import FakeClock
from tests.core.probe import Probe

DEAR = ot.Usage(10, 5, cost=0.25)


@pytest.fixture(autouse=True)
def asked():
    """The prompts that reached the model."""
    prompts = []

    def answer(prompt):
        prompts.append(prompt)
        return ot.Reply(prompt.upper(), usage=DEAR)

    with ot.RegistryContext():
        llm.generate_text.configure(answer)
        yield prompts


def questions(n):
    return [llm.generate_text(f"q{i}") for i in range(n)]


class TestBounds:
    @pytest.mark.parametrize(("bound", "made"), [({"calls": 3}, 3), ({"tokens": 40}, 3), ({"usd": 0.6}, 3)])
    def test_no_call_is_started_once_it_is_spent(self, asked, bound, made):
        with ot.Budget(**bound) as budget, pytest.raises(BudgetExceeded):
            ot.run(ot.parallel(*questions(9), max_concurrency=1))
        assert asked == [f"q{i}" for i in range(made)]
        assert (budget.calls, budget.tokens, budget.usd) == (made, 15 * made, 0.25 * made)

    def test_what_adds_up_to_it_but_for_rounding_is_all_of_it(self):
        tenth = ot.Reply("", usage=ot.Usage(1, 1, cost=0.1))
        llm.generate_text.configure(lambda prompt: tenth)
        with ot.Budget(usd=1.0) as budget, pytest.raises(BudgetExceeded, match="1 USD of 1 USD are spent"):
            ot.run(ot.parallel(*questions(30), max_concurrency=1))
        assert budget.calls == 10

    def test_what_is_in_flight_is_expected_to_cost_what_the_others_did(self):
        made = []

        async def answer(prompt):
            made.append(prompt)
            await asyncio.sleep(len(made))
            return ot.Reply("", usage=DEAR)

        async def program():
            await ot.parallel(*questions(9), max_concurrency=3)

        llm.generate_text.configure(answer)
        said = "0.5 USD of 1 USD are spent with 2 in flight, after 4 calls"
        with ot.Budget(usd=1.0) as budget, pytest.raises(BudgetExceeded, match=said):
            FakeClock().run(program())
        assert (made, budget.usd) == (["q0", "q1", "q2", "q3"], 1.0)

    def test_calls_are_exact_whatever_is_in_flight(self, asked):
        with ot.Budget(calls=3), pytest.raises(BudgetExceeded):
            ot.run(ot.parallel(*questions(9)))
        assert len(asked) == 3

    def test_one_that_is_never_spent_changes_nothing(self):
        with ot.Budget(calls=3, usd=9, tokens=1_000) as budget:
            assert ot.run(ot.parallel(*questions(3))) == ["Q0", "Q1", "Q2"]
        assert (
            repr(budget) == "<Budget: 0.75 USD of 9 USD, 45 tokens of 1000 tokens, 3 calls of 3 calls spent>"
        )

    def test_it_ends_with_its_block_and_counts_on_in_the_next(self, asked):
        budget = ot.Budget(calls=2)
        for _ in range(2):
            with budget:
                ot.run(questions(1)[0])
        ot.run(questions(1)[0])
        with budget, pytest.raises(BudgetExceeded, match="2 calls of 2 calls are spent"):
            ot.run(questions(1)[0])
        assert len(asked) == 3

    def test_within_another_a_call_must_fit_both(self):
        with ot.Budget(calls=2) as outer, ot.Budget(calls=1) as inner:
            ot.run(questions(1)[0])
            with pytest.raises(BudgetExceeded):
                ot.run(questions(1)[0])
        assert (outer.calls, inner.calls) == (1, 1)

    def test_within_itself_a_call_counts_once(self):
        with ot.Budget(calls=9) as budget, ot.Budget(calls=9) as other, budget:
            ot.run(questions(1)[0])
        assert (budget.calls, other.calls) == (1, 1)

    def test_threads_share_it(self, asked):
        def work():
            with budget, contextlib.suppress(BudgetExceeded):
                ot.run(ot.parallel(*questions(50)))

        budget = ot.Budget(calls=60)
        # Threads inherit nothing, so each is given a copy of this context.
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(asked) == 60

    def test_of_two_tasks_in_it_each_leaves_it_for_itself(self):
        budget = ot.Budget(calls=9)

        async def both():
            first_is_in, second_is_in, first_is_out = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def first():
                with budget:
                    first_is_in.set()
                    await second_is_in.wait()
                await questions(1)[0]
                first_is_out.set()

            async def second():
                await first_is_in.wait()
                with budget:
                    second_is_in.set()
                    await first_is_out.wait()
                    await questions(1)[0]
                await questions(1)[0]

            await asyncio.gather(first(), second())

        asyncio.run(both())
        assert budget.calls == 1  # the one that was made inside

    def test_inside_an_executable_it_bounds_what_is_awaited_there(self, asked):
        @ot.make_executable
        async def frugal():
            with ot.Budget(calls=1):
                await ot.parallel(*questions(2))

        with pytest.raises(BudgetExceeded) as caught:
            ot.run(frugal())
        assert [o.value for o in caught.value.outcomes] == ["Q0", None]
        assert ot.run(questions(1)[0]) == "Q0"

    def test_what_was_derived_is_counted_once(self, asked):
        with ot.Budget(calls=2) as budget:
            ot.run(llm.chat("hello"))
        assert budget.calls == len(asked) == 1

    @pytest.mark.parametrize("bound", ["usd", "tokens"])
    def test_what_does_not_say_its_cost_cannot_be_bounded_by_it(self, bound):
        llm.generate_text.configure(lambda prompt: prompt)
        with ot.Budget(**{bound: 9}):
            assert ot.run(questions(1)[0]) == "q0"  # it has been paid for, whatever it was
            with pytest.raises(UsageError, match=rf"ot.Budget\({bound}=...\) cannot bound"):
                ot.run(questions(1)[0])

    @pytest.mark.parametrize(
        "wrong", [{}, {"calls": -1}, {"calls": 1.5}, {"usd": "1"}, {"usd": float("nan")}, {"tokens": True}]
    )
    def test_a_bound_that_is_none_is_refused(self, wrong):
        with pytest.raises(UsageError, match=r"ot\.Budget takes"):
            ot.Budget(**wrong)


class TestOutcomes:
    @pytest.mark.parametrize("on_error", ["raise", "keep"])
    @pytest.mark.parametrize("lazy", [False, True])
    def test_there_is_one_per_item_in_order(self, on_error, lazy):
        items = questions(6)
        program = (
            ot.parallel((q for q in items), on_error=on_error, max_concurrency=2)
            if lazy
            else ot.parallel(*items, on_error=on_error, max_concurrency=2)
        )
        with ot.Budget(calls=4), pytest.raises(BudgetExceeded) as caught:
            ot.run(program)
        outcomes = caught.value.outcomes
        assert [o.value for o in outcomes] == ["Q0", "Q1", "Q2", "Q3", None, None]
        assert [o.status for o in outcomes] == ["ok"] * 4 + ["error"] * 2
        assert all(isinstance(o.error, BudgetExceeded) for o in outcomes[4:])

    @pytest.mark.parametrize("on_error", ["raise", "keep"])
    def test_what_was_in_flight_ends_well_or_badly_and_is_kept(self, on_error):
        async def main():
            good, bad = Probe("late"), Probe(error=ValueError("late"))
            spent = Probe(go=True)
            program = ot.parallel(
                good(), bad(), spent().map(lambda _: llm.generate_text("x")), on_error=on_error
            )
            with ot.Budget(calls=0):
                running = asyncio.ensure_future(awaited(program))
                await spent.begun.wait()
                for _ in range(20):
                    await asyncio.sleep(0)
                bad.go.set()
                for _ in range(20):
                    await asyncio.sleep(0)
                good.go.set()
                with pytest.raises(BudgetExceeded) as caught:
                    await running
            assert [o.status for o in caught.value.outcomes] == ["ok", "error", "error"]
            assert isinstance(caught.value.outcomes[1].error, ValueError)
            assert good.cancelled == bad.cancelled == 0

        asyncio.run(main())

    def test_those_of_the_outermost_batch_are_raised(self):
        def inner(i):
            return ot.parallel(llm.generate_text(f"{i}a"), llm.generate_text(f"{i}b"))

        with ot.Budget(calls=3), pytest.raises(BudgetExceeded) as caught:
            ot.run(ot.parallel(*[inner(i) for i in range(3)], max_concurrency=1))
        assert [o.value for o in caught.value.outcomes] == [["0A", "0B"], None, None]

    def test_a_deadline_still_stops_what_is_in_flight(self):
        async def main():
            slow = Probe()
            with ot.Budget(calls=0), pytest.raises(BudgetExceeded) as caught:
                await ot.parallel(slow(), llm.generate_text("x"), timeout=0.05)
            assert [o.status for o in caught.value.outcomes] == ["timeout", "error"]
            assert slow.cancelled == 1

        asyncio.run(main())

    def test_without_a_batch_there_are_none(self):
        with ot.Budget(calls=0), pytest.raises(BudgetExceeded) as caught:
            ot.run(questions(1)[0])
        assert caught.value.outcomes == []

    def test_samples_without_end_end(self):
        with ot.Budget(calls=5), pytest.raises(BudgetExceeded) as caught:
            ot.run(ot.parallel(ot.repeat(llm.generate_text("q")), max_concurrency=1))
        assert [o.ok for o in caught.value.outcomes] == [True] * 5 + [False]

    def test_neither_another_attempt_nor_a_fallback_hides_it(self):
        e = questions(1)[0]
        with ot.Budget(calls=0):
            for program in (e.retry(3), e.fallback("x"), e.retry(2, on=OneTwoError)):
                with pytest.raises(BudgetExceeded):
                    ot.run(program)


class TestWithACache:
    def test_replays_do_not_count_and_the_rest_continues(self, asked, tmp_path):
        llm.generate_text.configure(
            lambda prompt: asked.append(prompt) or ot.Reply(prompt, usage=DEAR), fingerprint="f"
        )
        program = ot.parallel(*questions(7), max_concurrency=1)
        with ot.caching(tmp_path / "cache"):
            for done in (3, 6):
                with ot.Budget(calls=3) as budget, pytest.raises(BudgetExceeded) as caught:
                    ot.run(program)
                assert sum(o.ok for o in caught.value.outcomes) == done
                assert budget.calls == 3
            with ot.Budget(usd=1) as budget:
                ot.run(program)
        assert (len(asked), budget.calls, budget.usd) == (7, 1, 0.25)


async def awaited(e):
    return await e
