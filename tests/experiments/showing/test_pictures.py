"""Do the pictures show the figures they are given, to everybody, and nothing as markup?"""

import re
from xml.etree import ElementTree

import pytest

from onetwo_like.core.drawing_text import text_width
from onetwo_like.experiments.showing.picture_parts import WIDTH, Axis, marker
from onetwo_like.experiments.showing.pictures import cost_against_quality, forest, latency, scores
from tests.experiments.made import EVIL, made

SVG = "{http://www.w3.org/2000/svg}"
MEAN = {"mean": 0.5, "ci_low": 0.4, "ci_high": 0.6}


def difference(**given):
    """One difference as a dict."""
    plain = {"metric": "exact", "a": "old", "b": "new", "difference": 0.1, "ci_low": -0.1, "ci_high": 0.3}
    return {**plain, "p_adjusted": 0.4, "said": "", **given}


def circles(svg):
    return ElementTree.fromstring(svg).findall(f".//{SVG}circle")


def first(svg, path):
    """The attributes of the first such element."""
    element = ElementTree.fromstring(svg).find(path)
    assert element is not None
    return element.attrib


def titles(svg):
    return [title.text for title in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def test_a_difference_stands_where_its_value_is_on_the_axis_and_its_interval_around_it():
    svg = forest([difference(difference=-0.05), difference(a="older", difference=0.2)])
    left, right = (float(c.attrib["cx"]) for c in circles(svg))
    (zero,) = {float(x) for x in re.findall(r'class="zero" d="M([\d.]+)', svg)}
    assert left < zero < right
    # On one axis, so that what is four times as far from nothing is drawn so.
    assert (right - zero) / (zero - left) == pytest.approx(4, rel=0.02)
    low, high = map(float, re.findall(r'class="ink" d="M([\d.]+),[^H]*H([\d.]+)', svg)[0])
    assert (zero - low) / (high - zero) == pytest.approx(0.1 / 0.3, rel=0.02)


def test_only_a_difference_below_the_adjusted_level_is_filled():
    svg = forest([difference(p_adjusted=p) for p in (0.049, 0.05, None)])
    assert ["open" in c.attrib["class"] for c in circles(svg)] == [False, True, True]


def test_a_difference_without_an_interval_has_a_mark_and_says_why():
    svg = forest([difference(ci_low=None, ci_high=None, p_adjusted=None, said="Only 5 pairs.")])
    assert len(circles(svg)) == 1
    assert 'class="ink" d' not in svg
    assert titles(svg)[1] == "exact: new − old +0.100. Only 5 pairs."


def test_a_difference_that_is_not_known_has_no_mark():
    svg = forest([difference(difference=None, ci_low=None, ci_high=None, said="No pair.")])
    assert circles(svg) == []
    assert "No pair." in titles(svg)[1]


def test_metrics_of_another_size_have_an_axis_of_their_own_and_alike_ones_share_it():
    def axes(*sizes):
        ds = [difference(metric=f"m{i}", difference=s, ci_low=s, ci_high=s) for i, s in enumerate(sizes)]
        return len(re.findall(r'class="rule" d="M12,[\d.]+H', forest(ds)))

    assert axes(0.1, 0.2) == 1
    assert axes(0.1, 120.0) == 2
    assert axes(0.1, 120.0, 0.2, 90.0) == 2
    assert axes(0.0, 0.1) == axes(0.1, 0.0) == axes(0.0, 0.0) == 1  # all tied: fits any


def test_bars_of_yes_and_no_are_as_long_as_the_share():
    svg = scores("exact", True, {"a": [1.0] * 3 + [0.0], "b": [0.0] * 5}, {"a": MEAN})
    bars = [float(r.attrib["width"]) for r in ElementTree.fromstring(svg).iter(f"{SVG}rect")]
    whole, share, _, nothing = bars
    assert share / whole == pytest.approx(0.75, abs=0.01)
    assert nothing == 0
    assert "0.500" in svg
    assert "no score" in svg  # b has no mean


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-5.0, 1e9], [float(i) for i in range(1000)]])
def test_a_histogram_is_drawn_of_any_numbers(values):
    svg = scores("length", False, {"a": values, "b": []}, {"a": {**MEAN, "mean": values[0]}})
    assert "nan" not in svg
    assert not re.search(r'[">,]-\d{3,}', svg)  # nothing far outside


def test_a_single_score_in_a_histogram_of_thousands_can_be_seen():
    svg = scores("length", False, {"a": [0.0] * 10_000 + [1.0]}, {})
    path = first(svg, f".//{SVG}g/{SVG}path")["d"]
    floor, *heights = (float(y) for y in re.findall(r"(?:M[\d.]+,|V)([\d.]+)", path))
    assert floor - heights[-2] == pytest.approx(1.0)


def test_cost_is_drawn_only_where_there_is_something_to_weigh():
    means = {"a": MEAN, "b": {**MEAN, "mean": 0.6}, "c": {**MEAN, "mean": None}}
    assert cost_against_quality("exact", {}, means) == ""
    assert cost_against_quality("exact", {"a": 1.0, "b": None, "c": 2.0}, means) == ""
    svg = cost_against_quality("exact", {"a": 1.0, "b": 3.0}, means)
    assert (
        len(circles(svg)) == 2
    )  # the arm's mark in the picture and in the legend; the other arm's is a square
    assert "$3.00 · 0.600" in svg


def test_an_arm_keeps_its_mark_where_another_is_not_drawn():
    svg = cost_against_quality("exact", {"a": None, "b": 1.0, "c": 2.0}, dict.fromkeys("abc", MEAN))
    assert set(re.findall(r'class="(arm\d)"', svg)) == {"arm1", "arm2"}


def test_the_box_of_a_latency_holds_its_middle_half():
    svg = latency({"a": [0.1 * i for i in range(101)], "unknown": []})
    box = first(svg, f".//{SVG}rect")
    axis = Axis(0.0, 9.5 * 1.04)
    assert float(box["x"]) == pytest.approx(axis(2.5), abs=0.1)
    assert float(box["width"]) == pytest.approx(axis(7.5) - axis(2.5), abs=0.2)
    assert "median 5.00 s" in svg
    assert "unknown" not in svg
    assert latency({"unknown": []}) == ""


def test_two_dozen_arms_have_marks_of_their_own():
    marks = {marker(0, 0, arm) for arm in range(24)}
    assert len(marks) == 24


def test_ticks_are_round_and_few():
    for low, high in ((0, 1), (-0.3, 0.1), (0, 37), (1e-7, 4e-7), (-1e6, 1e6)):
        ticks = Axis(low, high).ticks()
        assert 2 <= len(ticks) <= 7
        assert all(low <= tick <= high for tick in ticks)


def test_a_long_tick_at_the_end_of_an_axis_stays_on_the_sheet():
    drawn, _ = Axis(0.0, 1.0).drawn(0.0, "{:.9f}".format)
    left, *_, right = (float(x) for x in re.findall(r'<text x="([\d.]+)"', drawn))
    half = text_width("0.000000000", 12) / 2
    assert [left, right] == pytest.approx([half, WIDTH - half], abs=0.1)


@pytest.mark.parametrize("planted", [EVIL, "\0\ud800\x1b]]>", "名前" * 40, "W" * 300, "a b " * 200, "مرحبا"])
def test_any_name_is_text_and_stays_on_the_sheet(planted):
    comparison = made(planted=planted, examples=10)
    (metric, *_), arms = comparison["metrics"], [arm["name"] for arm in comparison["arms"]]
    means, values = dict.fromkeys(arms, MEAN), {arm: [0.0, 1.0] for arm in arms}
    pictures = [
        forest(comparison["differences"]),
        scores(metric, True, values, means),
        scores(metric, False, values, means),
        cost_against_quality(metric, dict.fromkeys(arms, 1.0), means),
        latency(values),
    ]
    for svg in pictures:
        image = ElementTree.fromstring(svg)  # it is XML, whatever the names are
        assert {e.tag.removeprefix(SVG) for e in image.iter()} <= {
            "svg", "title", "style", "g", "text", "path", "circle", "rect",
        }  # fmt: skip
        assert not any(name.startswith("on") for e in image.iter() for name in e.attrib)
        assert image.get("role") == "img"
        for element in image.iter(f"{SVG}text"):
            assert 0 <= float(element.attrib["x"]) <= WIDTH
            assert float(element.attrib["y"]) <= float(image.attrib["height"])
