"""Does a step run once for each element of a list, all at once, and say which one failed?"""

import asyncio

import pytest

from onetwo_like import ot
from onetwo_like.errors import FlowError, UsageError
from onetwo_like.testing import FakeClock


class TestEach:
    def test_a_step_maps_over_a_list_at_once_and_in_order(self):
        async def summary(chunk: str = ot.each("chunks")) -> int:
            await asyncio.sleep(10 - len(chunk))
            return len(chunk)

        flow = ot.Flow(chunks=lambda text: text.split(), summary=summary, total=lambda summary: sum(summary))
        clock = FakeClock()
        assert clock.run(flow(text="a bbb cc"))["summary"] == [1, 3, 2]
        assert clock.time() == 9.0
        assert ot.run(ot.Flow(summary=summary)(chunks=[])) == {"summary": []}
        assert flow.steps["summary"].maps

    def test_what_is_not_mapped_is_given_to_each(self):
        def add(x, y=ot.each("ys"), z=ot.each("zs")):
            return x + y + z

        assert ot.run(ot.Flow(add=add)(x=100, ys=(10, 20), zs=[1, 2])) == {"add": [111, 122]}

    def test_lists_of_different_lengths_are_refused(self):
        flow = ot.Flow(add=lambda y=ot.each("ys"), z=ot.each("zs"): y + z)
        with pytest.raises(FlowError, match="y has 1 and z has 2 elements"):
            ot.run(flow(ys=[1], zs=[1, 2]))

    @pytest.mark.parametrize("value", ["text", 3, {"a": 1}])
    def test_what_is_no_list_is_refused(self, value):
        with pytest.raises(FlowError, match="takes the elements of xs, which is no list"):
            ot.run(ot.Flow(add=lambda x=ot.each("xs"): x)(xs=value))

    def test_a_failure_names_the_element(self):
        flow = ot.Flow(inverse=lambda x=ot.each("xs"): 1 / x)
        with pytest.raises(ZeroDivisionError) as caught:
            ot.run(ot.Flow(outer=flow)(xs=[1, 0]))
        assert caught.value.__notes__ == ["in step outer/inverse[1] of a flow"]

    @pytest.mark.parametrize("name", ["two words", 3, ""])
    def test_each_takes_a_name(self, name):
        with pytest.raises(UsageError, match=r"ot\.each takes the name"):
            ot.each(name)
