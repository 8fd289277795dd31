"""Does the picture of an execution say what ran, in which order, and what took what?"""

import asyncio

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.drawing_trace import DEPTH, MANY, drawing_of
from onetwo_like.testing import Scripted
from tests.pictures.svg import assert_nothing_overlaps


def arrows(picture):
    return {(arrow.source, arrow.target) for arrow in picture.arrows}


def traced(program):
    with ot.RegistryContext():
        Scripted(["one", "two", "three"]).register()
        return ot.run(program, enable_tracing=True)[1]


@ot.make_executable
async def mayor(country):
    city = await llm.generate_text(f"largest city of {country}")
    return await llm.generate_text(f"mayor of {city}")


def test_calls_are_numbered_in_order_with_their_times_and_cache_state():
    picture = drawing_of(traced(mayor("France")))
    assert picture.title.startswith("mayor (")
    assert [box.label for box in picture.boxes] == ["1 generate_text", "2 generate_text"]
    assert all(box.detail.endswith(" ms, made") and box.mark == "made" for box in picture.boxes)
    assert "largest city of France" in picture.boxes[0].tooltip
    assert arrows(picture) == {("1", "2")}


def test_a_replayed_call_is_marked(tmp_path):
    with ot.RegistryContext(), ot.caching(tmp_path):
        llm.generate_text.configure(lambda prompt: "Paris", fingerprint="1")
        ot.run(mayor("France"))
        trace = ot.run(mayor("France"), enable_tracing=True)[1]
    assert [box.mark for box in drawing_of(trace).boxes] == ["hit", "hit"]
    assert "hit" in trace.mermaid()


def test_calls_at_once_are_side_by_side():
    both = asyncio.Barrier(2)

    @ot.make_executable
    async def met(name):
        await asyncio.wait_for(both.wait(), 5)
        return name

    picture = drawing_of(ot.run(ot.parallel(met("a"), met("b")), enable_tracing=True)[1])
    assert [box.label for box in picture.boxes] == ["1 parallel[0] met", "2 parallel[1] met"]
    assert not picture.arrows


def test_a_failure_says_what_it_was():
    @ot.make_executable
    async def broken():
        raise ValueError("no <b>such</b> thing")

    @ot.make_executable
    async def around():
        await mayor("Spain")
        return await broken().fallback("x")

    picture = drawing_of(traced(around()))
    inner, failed = picture.boxes[0], next(box for box in picture.boxes if "broken" in box.label + box.detail)
    assert inner.inside is not None
    assert [box.label for box in inner.inside.boxes] == ["1.1 generate_text", "1.2 generate_text"]
    assert "ValueError: no <b>such</b> thing" in failed.detail + failed.tooltip
    assert "<b>" not in picture.svg()


def test_many_calls_of_one_name_are_one_box():
    program = ot.parallel(*(mayor(f"country {i}") for i in range(MANY + 1)))
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: "x")
        trace = ot.run(program, enable_tracing=True)[1]
    [box] = drawing_of(trace).boxes
    assert box.label == f"1 mayor × {MANY + 1}"
    assert f"{2 * (MANY + 1)} made" in box.detail


def test_calls_within_calls_are_frames_down_to_a_depth():
    @ot.make_executable
    async def down(n):
        if n:
            await down(n - 1)
            await down(0)
        return n

    picture = drawing_of(ot.run(down(100), enable_tracing=True)[1])
    depth, frame = 1, picture.boxes[0].inside
    while frame is not None:
        depth, frame = depth + 1, frame.boxes[0].inside
    assert depth == DEPTH + 1
    assert_nothing_overlaps(picture.svg())


def test_a_trace_that_was_read_from_data_is_drawn_as_well():
    trace = traced(mayor("France"))
    again = type(trace).from_dict(trace.to_dict())
    assert [box.label for box in drawing_of(again).boxes] == ["1 generate_text", "2 generate_text"]


@pytest.mark.parametrize("suffix", ["html", "svg", "mmd", "md"])
def test_a_trace_is_drawn_in_every_format(tmp_path, suffix):
    trace = traced(mayor("France"))
    trace.draw(tmp_path / f"run.{suffix}")
    assert "2 generate_text" in (tmp_path / f"run.{suffix}").read_text(encoding="utf-8")
