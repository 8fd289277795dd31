"""Does a picture of a flow or a workflow show each step and what it takes, before and after a run?"""

from dataclasses import dataclass
from typing import Annotated

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.drawing_trace import drawing_of
from onetwo_like.errors import UsageError
from onetwo_like.flows.draw import drawing_of_flow, drawing_of_workflow
from tests.pictures.chromium import chromium, needs_chromium
from tests.pictures.svg import assert_nothing_overlaps, boxes, image

CRITIC = "You are a music critic who writes short reviews of song lyrics"
soundtrack = ot.Flow(
    movie_title=ot.prompt("What is a good title of a movie about {{ topic }}?"),
    song_title=ot.prompt("What is a good song title for a movie called {{ movie_title }}?"),
    main_characters=ot.prompt("What are two main characters for a movie called {{ movie_title }}?"),
    song_lyrics=ot.prompt("Write lyrics of {{ song_title }}. The characters are {{ main_characters }}"),
    **{f"song_review_{i}": ot.prompt("Your opinion on {{ song_lyrics }}?", system=CRITIC) for i in range(5)},
)
nested = ot.Flow(
    seed="rain",
    topic=lambda seed, mood: f"{mood} {seed}",
    song=soundtrack,
    words=lambda song: list(song),
    loud=lambda word=ot.each("words"): word.upper(),
)


@dataclass(frozen=True)
class Begin:
    sku: str


@dataclass(frozen=True)
class Again: ...


@dataclass(frozen=True)
class Online: ...


@dataclass(frozen=True)
class Offline: ...


@dataclass(frozen=True)
class Trend: ...


@dataclass(frozen=True)
class OnlineFeedback: ...


@dataclass(frozen=True)
class OfflineFeedback: ...


@dataclass(frozen=True)
class TrendFeedback: ...


@dataclass(frozen=True)
class Trade: ...


@dataclass(frozen=True)
class Approval: ...


async def start(event: Begin | Again) -> list[Online | Offline | Trend]:
    return [Online(), Offline(), Trend()]


async def online(event: Online) -> OnlineFeedback:
    return OnlineFeedback()


async def offline(event: Offline) -> OfflineFeedback:
    return OfflineFeedback()


async def trend(event: Trend) -> TrendFeedback:
    return TrendFeedback()


async def decide(a: OnlineFeedback, b: OfflineFeedback, c: TrendFeedback) -> Trade:
    return Trade()


@ot.step(receives=Approval, retry=3)
async def trade(event: Trade) -> ot.Stop[str] | Again:
    return ot.Stop("done")


async def quickest(events: Annotated[list[OnlineFeedback], ot.First(2)]) -> None: ...


async def all_of_them(events: list[OnlineFeedback]) -> None: ...


monitor = ot.Workflow(start, online, offline, trend, decide, trade)
STEPS = [step.name for step in monitor.steps]


def arrows(picture):
    names = {box.id: box.label for box in picture.boxes}
    return {(names[arrow.source], names[arrow.target], arrow.label) for arrow in picture.arrows}


def test_a_flow_shows_its_inputs_its_steps_and_its_edges():
    picture = drawing_of_flow(soundtrack)
    assert [(box.label, box.kind) for box in picture.boxes[:2]] == [
        ("topic", "input"),
        ("movie_title", "step"),
    ]
    assert {(a, b) for a, b, _ in arrows(picture)} == set(soundtrack.edges)
    assert [box.detail for box in picture.boxes[1:]] == ["prompt"] * 4 + ["chat"] * 5
    assert "about {{ topic }}" in picture.boxes[1].tooltip


def test_a_nested_flow_is_a_frame_a_constant_shows_its_value_and_each_is_said():
    by_name = {box.label: box for box in drawing_of_flow(nested).boxes}
    assert by_name["song"].inside is not None
    assert [box.label for box in by_name["song"].inside.boxes] == ["topic", *soundtrack.steps]
    assert (by_name["seed"].kind, by_name["seed"].detail) == ("constant", "'rain'")
    assert ("words", "loud", "each") in arrows(drawing_of_flow(nested))


def test_an_input_and_a_step_may_share_a_name_with_an_inner_one():
    flow = ot.Flow(topic=lambda topic_of_all: topic_of_all, inner=ot.Flow(x=lambda topic: topic))
    assert_nothing_overlaps(drawing_of_flow(flow).svg())


def test_a_workflow_shows_steps_and_the_events_between_them():
    found = arrows(drawing_of_workflow(monitor))
    assert {("Begin", "start", ""), ("Again", "start", ""), ("start", "Online", "each")} <= found
    assert {
        ("OnlineFeedback", "decide", ""),
        ("OfflineFeedback", "decide", ""),
        ("decide", "Trade", ""),
    } <= found
    assert {("trade", "Stop", ""), ("trade", "Again", ""), ("Approval", "trade", "receive")} <= found
    kinds = {box.label: (box.kind, box.detail) for box in drawing_of_workflow(monitor).boxes}
    assert kinds["Begin"] == ("start", "")
    assert kinds["Approval"] == ("event", "from outside")
    assert kinds["trade"] == ("step", "3 attempts")


def test_a_workflow_says_how_many_of_a_fan_out_a_step_takes():
    found = arrows(drawing_of_workflow(ot.Workflow(online, quickest, all_of_them)))
    assert ("OnlineFeedback", "quickest", "first 2") in found
    assert ("OnlineFeedback", "all_of_them", "all") in found


def test_a_step_that_accepts_a_base_class_is_reached_by_the_classes_below():
    class Base: ...

    class Sub(Base): ...

    async def makes(event: Begin) -> Sub:
        return Sub()

    async def takes(event: Base) -> ot.Stop[None]:
        return ot.Stop()

    # The classes are local, so the annotations are given as what they mean.
    makes.__annotations__.update({"event": Begin, "return": Sub})
    takes.__annotations__.update({"event": Base, "return": ot.Stop[None]})
    picture = drawing_of_workflow(ot.Workflow(makes, takes))
    assert ("Sub", "takes", "") in arrows(picture)
    assert "Base" not in [box.label for box in picture.boxes]


def test_a_workflow_that_check_refuses_can_be_drawn_to_see_why():
    picture = drawing_of_workflow(ot.Workflow(online, trade))
    assert ("online", "OnlineFeedback", "") in arrows(picture)


@pytest.mark.parametrize("shown", [soundtrack, nested, monitor], ids=["soundtrack", "nested", "monitor"])
def test_nothing_overlaps(shown):
    assert_nothing_overlaps(shown._repr_html_())


@pytest.mark.parametrize("suffix", ["html", "svg", "mmd", "md"])
def test_every_step_is_named_in_every_format(tmp_path, suffix):
    for shown, names in (
        (soundtrack, [*soundtrack.steps]),
        (nested, [*nested.steps, *soundtrack.steps]),
        (monitor, STEPS),
    ):
        shown.draw(tmp_path / f"picture.{suffix}")
        text = (tmp_path / f"picture.{suffix}").read_text(encoding="utf-8")
        assert not [name for name in names if name not in text]


def test_drawing_as_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.png"):
        soundtrack.draw(tmp_path / "soundtrack.png")


def test_the_trace_of_a_flow_has_the_edges_of_the_flow_though_instant_steps_ran_one_after_the_other():
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: "text")
        llm.chat.configure(lambda messages: "good")
        trace = ot.run(soundtrack(topic="friendship"), enable_tracing=True)[1]
    picture = drawing_of(trace)
    found = {tuple(end.split(" ")[-1] for end in arrow[:2]) for arrow in arrows(picture)}
    assert found == set(soundtrack.edges)
    assert [box.label for box in picture.boxes[:2]] == ["topic", "1 movie_title"]
    assert picture.boxes[0].detail == "'friendship'"


def test_the_trace_of_a_workflow_joins_the_steps_that_passed_an_event_on():
    picture = drawing_of(ot.run(monitor(Begin("Apple")), enable_tracing=True)[1])
    assert {arrow[:2] for arrow in arrows(picture)} == {
        ("1 start", "2 online"),
        ("1 start", "3 offline"),
        ("1 start", "4 trend"),
        ("2 online", "5 decide"),
        ("3 offline", "5 decide"),
        ("4 trend", "5 decide"),
        ("5 decide", "6 trade"),
    }


def test_the_trace_of_a_flow_that_keeps_what_failed_shows_the_failure_of_its_only_step():
    def broken(topic):
        raise ValueError("no such topic")

    flow = ot.Flow(broken=broken, after=lambda broken: broken).on_error("keep")
    [box] = drawing_of(ot.run(flow(topic="war"), enable_tracing=True)[1]).boxes
    assert (box.label, box.mark) == ("1 broken", "failed")
    assert "no such topic" in box.detail


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("shown", "names"),
    [(nested, [*nested.steps, *soundtrack.steps]), (monitor, STEPS)],
    ids=["nested flows", "a workflow with a loop"],
)
def test_a_browser_shows_every_step_without_the_network(tmp_path, shown, names):
    page, shot = tmp_path / "picture.html", tmp_path / "picture.png"
    shown.draw(page)
    dom = chromium(page, "--dump-dom", "--virtual-time-budget=1000")
    svg = dom[dom.index("<svg") : dom.index("</svg>") + 6]
    texts = {element.text for element in image(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert set(names) <= texts
    assert boxes(image(svg))
    assert_nothing_overlaps(svg)
    chromium(page, f"--screenshot={shot}")
    assert shot.stat().st_size > 10_000  # an empty page of this size has 4,000
