"""Can every box be read in every format, whatever it is called and however the arrows go?"""

import random
import re
import time
from html.parser import HTMLParser

import pytest

from onetwo_like.core.drawing import Arrow, Box, Drawing
from onetwo_like.core.drawing_text import text_width, wrapped
from onetwo_like.errors import UsageError
from tests.pictures.chromium import chromium, needs_chromium
from tests.pictures.svg import assert_nothing_overlaps, boxes, drawing, image, walk

NASTY = [
    "<script>alert(1)</script>",
    '"] --> x["',
    "a & b",
    "`code`",
    "end",
    "]]>",
    "--></style><!--",
    "歌詞を書く",
    "#quot;",
    "a_name_that_is_much_too_long_for_one_line_and_even_for_three_of_them_so_it_is_cut_at_the_end",
]
INNER = drawing("inner", "x>y x>z y>w z>w")
PICTURES = {
    "diamond": drawing("diamond", "a>b a>c b>d c>d a>d"),
    "loop": drawing("loop", "s>a a>b b>c b>d c>a d>a a>stop"),
    "two arrows both ways": drawing("both", "a>b b>a"),
    "to itself": drawing("itself", "a>a a>b b>b"),
    "a ring without a beginning": drawing("ring", "a>b b>c c>a"),
    "apart": drawing("apart", "a>b c>d", "e", "f"),
    "alone": drawing("alone", "", *[f"step_{i}" for i in range(40)]),
    "nested": drawing("nested", "a>song a>b song>c b>c a>c song>d", song=INNER),
    "nested twice": drawing("twice", "a>f f>b a>b", f=drawing("f", "p>g p>q g>q", g=INNER)),
    "fan": drawing("fan", " ".join(f"a>b{i} b{i}>c" for i in range(12))),
    "labels": Drawing(
        "labels",
        tuple(Box(n, n) for n in "abc"),
        (Arrow("a", "b", "each"), Arrow("b", "c"), Arrow("c", "a", "again"), Arrow("a", "c", "a long label")),
    ),
}


def test_a_text_is_as_wide_in_every_python():
    """`sum` of floats differs between Python 3.11 and 3.12, and a drawing would move by a pixel's tenth."""
    assert text_width("sixsix", 1.0) == 3.66


def tangle(count: int, seed: int) -> Drawing:
    """A picture with about 1.7 arrows per box, some of them upwards."""
    chance = random.Random(seed)
    names = [f"step_{i}" * chance.randint(1, 3) for i in range(count)]
    pairs = {(chance.randrange(max(0, i - 12), i), i) for i in range(1, count) for _ in range(2)}
    pairs |= {(i, chance.randrange(i)) for i in range(20, count, 20)}
    arrows = tuple(Arrow(names[a], names[b], "again" if a > b else "") for a, b in sorted(pairs))
    return Drawing("tangle", tuple(Box(name, name) for name in names), arrows)


class Elements(HTMLParser):
    """The elements and the text of a page, as a browser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts = 0
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def unescaped(mermaid: str) -> str:
    named = {"quot": '"', "lt": "<", "gt": ">", "amp": "&", "35": "#", "96": "`"}
    return re.sub(r"#(quot|lt|gt|amp|35|96);", lambda match: named[match[1]], mermaid)


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_whole_in_every_format_and_is_nothing_but_text(name):
    picture = Drawing(name, (Box(name, name, tooltip=name), Box("b", "b")), (Arrow(name, "b", name),))
    assert name in [box.title for box in boxes(image(picture.svg()))]
    page = Elements(picture.html())
    assert page.scripts == 1
    assert name in page.text
    assert not [a for a, _ in page.attributes if a.startswith("on")]
    assert f'["{name}"]' in unescaped(picture.mermaid())
    labels = [line for line in picture.mermaid().splitlines() if ":::" in line]
    assert len(labels) == 2
    assert all(re.fullmatch(r' {4}n\d\["[^"<>`]*"\]:::step', line) for line in labels), labels


def test_control_characters_and_half_surrogates_do_not_spoil_the_file(tmp_path):
    picture = Drawing("bad", (Box("a", "bell\x07 null\0 half\ud800 \ufffe"),))
    for suffix in ("html", "svg", "mmd", "md"):
        picture.save(tmp_path / f"bad.{suffix}")
        assert "half\ufffd" in (tmp_path / f"bad.{suffix}").read_text(encoding="utf-8")
    image(picture.svg())


@pytest.mark.parametrize("name", PICTURES)
def test_boxes_do_not_overlap_and_arrows_pass_through_none(name):
    assert_nothing_overlaps(PICTURES[name].svg())


@pytest.mark.parametrize("seed", range(4))
def test_a_tangle_of_long_and_upward_arrows_keeps_clear_of_boxes(seed):
    assert_nothing_overlaps(tangle(60, seed).svg())


def test_two_hundred_boxes_are_drawn_in_less_than_a_second_of_work():
    picture = tangle(200, 0)
    began = time.process_time()
    picture.svg()
    assert time.process_time() - began < 1  # it takes about 0.1


def test_a_chain_of_thousands_needs_no_deep_recursion():
    chain = drawing("chain", " ".join(f"s{i}>s{i + 1}" for i in range(3000)))
    placed = boxes(image(chain.svg()))
    assert len(placed) == 3001
    assert len({round(box.left + box.right) for box in placed}) == 1, "a chain is one straight line"


def test_arrows_point_down_except_those_that_close_a_cycle():
    at = {box.title: box.top for box in boxes(image(PICTURES["loop"].svg()))}
    assert at["s"] < at["a"] < at["b"] < at["c"] == at["d"]
    assert at["a"] < at["stop"]


def test_what_is_symmetric_is_drawn_so():
    at = {
        box.title: (box.left + box.right) / 2 for box in boxes(image(drawing("v", "a>b a>c b>d c>d").svg()))
    }
    assert at["a"] == pytest.approx(at["d"], abs=0.3)
    assert at["a"] == pytest.approx((at["b"] + at["c"]) / 2, abs=0.3)


def test_an_input_stands_near_its_first_user():
    at = {box.title: box.top for box in boxes(image(drawing("late", "a>b b>c c>d late>d").svg()))}
    assert at["late"] == at["c"]


def test_the_same_drawing_gives_the_same_bytes():
    first = [tangle(40, 1).html(), tangle(40, 1).mermaid()]
    assert first == [tangle(40, 1).html(), tangle(40, 1).mermaid()]


def test_the_suffix_decides_on_the_format(tmp_path):
    picture = PICTURES["diamond"]
    for suffix, start in {
        "html": "<!DOCTYPE html>",
        "svg": "<svg",
        "mmd": "flowchart TD",
        "md": "```mermaid\n",
    }.items():
        picture.save(tmp_path / f"d.{suffix}")
        assert (tmp_path / f"d.{suffix}").read_text(encoding="utf-8").startswith(start)
    for wrong in ("d.png", "d"):
        with pytest.raises(UsageError, match=r"\.html, \.svg, \.mmd or \.md"):
            picture.save(tmp_path / wrong)
        assert not (tmp_path / wrong).exists()


def test_boxes_with_one_id_and_arrows_to_nowhere_are_refused():
    with pytest.raises(UsageError, match="have the id 'a'"):
        Drawing("d", (Box("a", "a"), Box("a", "b")))
    with pytest.raises(UsageError, match="no box 'b'"):
        Drawing("d", (Box("a", "a"),), (Arrow("a", "b"),))


def test_nothing_to_draw_is_a_picture_all_the_same():
    image(Drawing("empty").svg())
    assert Drawing("empty").mermaid().startswith("flowchart TD")


def test_frames_are_subgraphs_in_mermaid():
    text = PICTURES["nested"].mermaid()
    assert 'subgraph n1["song"]' in text
    assert text.count("    end\n") == 1


def test_a_page_loads_nothing():
    page = PICTURES["nested"].html()
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import""", page)
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}


def test_long_text_is_broken_after_words_and_cut_with_an_ellipsis():
    assert wrapped("movie_title", 20, 3) == ["movie_title"]
    assert wrapped("TrendingPredictionEvent", 12, 3) == ["Trending", "Prediction", "Event"]
    assert wrapped("x" * 100, 10, 2) == ["x" * 10, "x" * 9 + "…"]
    assert wrapped("", 10, 2) == [" "]


@needs_chromium
@pytest.mark.slow
def test_a_browser_folds_a_frame_and_keeps_the_picture_in_order(tmp_path):
    page = tmp_path / "nested.html"
    text = PICTURES["nested twice"].html()
    page.write_text(text.replace("</script>", 'toggle(document.querySelector(".frame .frame"));\n</script>'))
    dom = chromium(page, "--dump-dom")
    svg = dom[dom.index("<svg") : dom.index("</svg>") + 6]
    assert 'aria-expanded="false"' in svg
    open_, folded = (boxes(image(s)) for s in (PICTURES["nested twice"].svg(), svg))
    assert {box.title for box in open_} - {box.title for box in folded} == set("xyzw")
    assert_nothing_overlaps(svg)
    assert max(box.bottom for box in folded) < max(box.bottom for box in open_) - 100


@needs_chromium
@pytest.mark.slow
def test_a_browser_opens_again_what_it_folded(tmp_path):
    page = tmp_path / "nested.html"
    text = PICTURES["nested twice"].html()
    page.write_text(text.replace("</script>", "fold_all(true); fold_all(false);\n</script>"))
    dom = chromium(page, "--dump-dom")
    svg = dom[dom.index("<svg") : dom.index("</svg>") + 6]
    places = [
        [(b.title, b.left, b.top, b.bottom) for b in boxes(image(s))]
        for s in (svg, PICTURES["nested twice"].svg())
    ]
    for one, other in zip(*places, strict=True):
        assert one == (other[0], *(pytest.approx(v, abs=0.5) for v in other[1:]))


def test_the_label_of_an_arrow_that_points_up_is_beside_the_boxes_that_it_passes():
    svg = image(PICTURES["labels"].svg())
    at = {box.title: box for box in boxes(svg)}
    [label] = [
        y
        for element, _, y, _ in walk(svg)
        if element.get("class") == "box label" and "again" in element.itertext()
    ]
    assert at["a"].bottom < label < at["c"].top
