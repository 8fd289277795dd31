"""Does each sample have its own place, whatever the order in which it is asked for?"""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.executable import Executable
from onetwo_like.errors import UsageError
from onetwo_like.testing import FakeClock

ASK = llm.generate_text("?")


class Recorded:
    """A backend that answers each sample path once, and notes how long that took in fake seconds."""

    def __init__(self, delays=None):
        self.asked = []
        self.delays = iter(delays or itertools.repeat(0.0))

    async def __call__(self, request):
        self.asked.append(request.sample_path)
        await asyncio.sleep(next(self.delays))
        return str(request.sample_path)


def answered(e, backend=None):
    with ot.RegistryContext():
        llm.generate_text.configure(backend or Recorded())
        return FakeClock().run(e)


class TestRepeat:
    def test_it_gives_executables_that_differ_in_their_sample_path(self):
        samples = ot.repeat(ASK, 3)
        assert [type(s) for s in samples] == [Executable] * 3
        assert answered(ot.parallel(*samples)) == ["(0,)", "(1,)", "(2,)"]
        assert ot.repeat(ASK, 0) == []

    def test_without_a_number_it_is_endless_and_the_same_samples(self):
        @ot.make_executable
        async def until(limit):
            got: list[str] = []
            for attempt in ot.repeat(ASK):
                if len(got) == limit:
                    break
                got.append(await attempt)
            return got

        assert answered(until(4)) == ["(0,)", "(1,)", "(2,)", "(3,)"]
        first = [answered(e) for e in itertools.islice(ot.repeat(ASK), 3)]
        assert first == [answered(e) for e in ot.repeat(ASK, 3)]

    def test_an_endless_one_can_be_iterated_again_from_the_start(self):
        samples = ot.repeat(ASK)
        assert answered(next(iter(samples))) == answered(next(iter(samples))) == "(0,)"

    def test_nesting_composes_and_the_outermost_comes_first(self):
        nested = [ot.repeat(sample, 2) for sample in ot.repeat(ASK, 2)]
        values = answered(ot.parallel(*[ot.parallel(*samples) for samples in nested]))
        assert values == [["(0, 0)", "(1, 0)"], ["(0, 1)", "(1, 1)"]]

    def test_more_samples_keep_the_fewer(self):
        three, five = Recorded(), Recorded()
        answered(ot.parallel(*ot.repeat(ASK, 3)), three)
        answered(ot.parallel(*ot.repeat(ASK, 5)), five)
        assert set(five.asked) - set(three.asked) == {(3,), (4,)}

    @settings(derandomize=True, deadline=None, max_examples=50)
    @given(
        st.lists(st.floats(0, 9), min_size=12, max_size=12), st.integers(1, 12), st.permutations(range(12))
    )
    def test_no_order_and_no_concurrency_mixes_them_up(self, delays, limit, order):
        samples = ot.repeat(ASK, 12)
        e = ot.parallel(*[samples[i] for i in order], max_concurrency=limit)
        assert answered(e, Recorded(delays)) == [f"({i},)" for i in order]

    def test_all_that_a_sample_runs_belongs_to_it(self):
        @ot.make_executable
        async def twice():
            return [await ASK, *await ot.parallel(ASK, ASK.map(str))]

        assert answered(ot.parallel(*ot.repeat(twice(), 2))) == [["(0,)"] * 3, ["(1,)"] * 3]

    def test_it_does_not_reach_what_comes_after_it(self):
        @ot.make_executable
        async def body():
            return [await ot.repeat(ASK, 2)[1], await ASK]

        assert answered(body()) == ["(1,)", "()"]

    @pytest.mark.parametrize("wrong", [-1, 1.5, "3", True])
    def test_a_wrong_number_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match=r"ot\.repeat takes the number of samples"):
            ot.repeat(ASK, wrong)

    @pytest.mark.parametrize("wrong", ["text", None, llm.generate_text, [ASK]])
    def test_what_is_no_executable_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(TypeError, match=r"ot\.repeat takes an Executable"):
            ot.repeat(wrong, 3)
