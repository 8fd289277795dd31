"""Does a report work in a browser: at the width of a phone and of a desk, by day and night, by mouse and keyboard?"""

import json
import re
from typing import Any

import pytest

from onetwo_like.experiments import figures
from onetwo_like.experiments.report import page, write
from tests.experiments.made import EVIL, made
from tests.pictures.browser import browser
from tests.pictures.chromium import needs_chromium

pytestmark = needs_chromium

PHONE, DESK = 390, 1280
LONG = "Donaudampfschifffahrtsgesellschaft" * 12
KINDS: dict[str, dict[str, Any]] = {
    "two arms": {},
    "one arm": {"arms": ("one",), "samples": 1},
    "three arms, not complete": {
        "arms": ("gpt-4o-mini", "claude-haiku", "ngram order=5"),
        "metrics": {"exact": True, "f1": False, "judge: is it helpful?": False},
        "complete": False,
    },
    "planted": {"planted": EVIL, "examples": 12, "failing": 0.2},
    "words without end": {"planted": LONG, "examples": 12, "failing": 0.2},
    "another script": {
        "planted": " 東京の南にある最も大きな都市の名前は何ですか مرحبا 👩‍👩‍👧",
        "examples": 12,
        "failing": 0.2,
    },
    "many words": {"words": 400, "answer_words": 300, "examples": 6},
}
READY = "performance.getEntriesByName('rows shown').length === 1"
# Elements that hide a part of what is in them, and elements and letters that are outside of the window
# without being in something that scrolls.
CUT = """(() => {
  const wrong = [], seen = (e) => e.checkVisibility() && !e.matches("caption, option");
  const root = document.querySelector("dialog[open]") || document.body;
  for (const e of root.querySelectorAll("*")) {
    if (!seen(e) || e.closest("svg") && e.tagName !== "text") continue;
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    const hides = (how) => how === "hidden" || how === "clip";
    if (hides(style.overflowX) && e.scrollWidth > e.clientWidth + 1 && e.tagName !== "svg") wrong.push("cut: " + e.outerHTML);
    if (hides(style.overflowY) && e.scrollHeight > e.clientHeight + 1 && e.tagName !== "svg") wrong.push("cut below: " + e.outerHTML);
    if (style.textOverflow === "ellipsis") wrong.push("ellipsis: " + e.outerHTML);
    if (!e.closest(".scroll") && (box.right > innerWidth + 1 || box.left < -1)) wrong.push("outside: " + e.outerHTML);
    if (e.tagName === "text") {
      const sheet = e.closest("svg").getBoundingClientRect();
      if (box.left < sheet.left - 1 || box.right > sheet.right + 1 || box.bottom > sheet.bottom + 1) wrong.push("off the sheet: " + e.textContent);
    }
  }
  return wrong.map((text) => text.slice(0, 200));
})()"""


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


@pytest.fixture
def opened(chrome, tmp_path):
    """Opens the report of a comparison."""

    def show(comparison, at="", **window):
        write(comparison, tmp_path / "report.html")
        chrome.open((tmp_path / "report.html").as_uri() + at, **window)
        chrome.until(READY)
        return chrome

    return show


def click(chrome, selector, place=0):
    chrome.js(f"document.querySelectorAll({json.dumps(selector)})[{place}].click()")


def fill(chrome, selector, value, event="input"):
    chrome.js(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
        f" e.dispatchEvent(new Event({json.dumps(event)})); }})()"
    )


def cells(chrome):
    """What the table shows, by row."""
    return chrome.js(
        "[...document.querySelectorAll('.rows tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    )


def status(chrome):
    return chrome.js("document.querySelector('.status').textContent")


def lines_of(comparison):
    """(example, sample) and the row of each arm, as the table has them."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for row in comparison["rows"]:
        found.setdefault((row["example"], row["sample"]), {})[row["arm"]] = row
    return found


class TestLook:
    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    @pytest.mark.parametrize("width", [PHONE, DESK], ids=["phone", "desk"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_is_cut_off_and_nothing_goes_wrong(self, opened, kind, width, dark):
        chrome = opened(made(**KINDS[kind]), width=width, dark=dark)
        click(chrome, ".tick input")  # all columns
        chrome.js("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert chrome.js("innerWidth") == width
        assert chrome.js("document.documentElement.scrollWidth") <= width
        assert chrome.js(CUT) == []
        click(chrome, ".rows tbody a")
        chrome.until("document.querySelector('dialog').open")
        assert chrome.js(
            "document.querySelector('dialog').scrollWidth <= document.querySelector('dialog').clientWidth"
        )
        assert chrome.js(CUT) == []
        assert chrome.console == []
        assert [url for url in chrome.asked_for if not url.startswith(("file:", "about:"))] == []
        assert len([url for url in chrome.asked_for if url.startswith("file:")]) == 1

    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_all_text_can_be_told_from_what_is_behind_it(self, opened, dark):
        # https://www.w3.org/TR/WCAG21/#contrast-minimum
        chrome = opened(made(**KINDS["three arms, not complete"]), dark=dark)
        click(chrome, ".rows tbody a")
        weak = chrome.js("""(() => {
          const light = (rgb) => { const [r, g, b] = rgb.map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
            return .2126 * r + .7152 * g + .0722 * b; };
          const parsed = (c) => c.match(/[\\d.]+/g).map(Number);
          const behind = (e) => { for (; e; e = e.parentElement) { const c = parsed(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3]) return c; } return [255, 255, 255]; };
          const weak = [];
          for (const e of document.querySelectorAll("body *")) {
            if (!e.checkVisibility() || e.matches(":disabled, option") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
            if (e.closest("style, script, title")) continue;
            const style = getComputedStyle(e), ink = parsed(e.closest("svg") ? style.fill : style.color);
            const [a, b] = [light(ink.slice(0, 3)), light(behind(e).slice(0, 3))].sort();
            if ((b + .05) / (a + .05) < 4.5) weak.push(e.outerHTML.slice(0, 100) + " " + ink + " on " + behind(e));
          }
          return weak;
        })()""")
        assert weak == []

    def test_figures_are_written_as_on_the_other_half_of_the_page(self, opened):
        chrome = opened(made(examples=2))
        values = [0.1234, -0.5, 12.345, 99.994, 512.26, 1234567.2, 0.00042, 0.0000421, 7.3e-9]
        for name in ("number", "signed", "dollars", "seconds"):
            given = values if name in ("number", "signed") else [abs(v) for v in values] + [0.0]
            written = chrome.js(f"{json.dumps(given)}.map({name})")
            assert written == [getattr(figures, name)(v) for v in given], name
            assert chrome.js(f"{name}(null)") == figures.UNKNOWN


class TestPlanted:
    @pytest.mark.parametrize("policy", [True, False], ids=["with the policy", "without"])
    def test_what_a_model_planted_is_shown_and_never_runs(self, chrome, tmp_path, policy):
        comparison = made(planted=EVIL, examples=8, failing=0.3)
        comparison["rows"][0]["scores"] = {EVIL: 1.0, **comparison["rows"][0]["scores"]}
        for row in comparison["rows"]:
            row["details"] = {metric: {EVIL: [EVIL]} for metric in comparison["metrics"]}
            row["calls"].append({**row["calls"][0], "operation": EVIL, "model_version": EVIL, "cache": EVIL})
        text = page(comparison)
        if not policy:
            text = re.sub(r"<meta http-equiv=[^>]*>", "", text)
            assert "Content-Security-Policy" not in text
        (tmp_path / "report.html").write_text(text, encoding="utf-8")
        chrome.open((tmp_path / "report.html").as_uri())
        chrome.until(READY)
        for i in range(len(comparison["rows"]) // 2):
            click(chrome, ".rows tbody a", i)
            chrome.until(f"location.hash.includes('sample={i % 3}')")
            click(chrome, "dialog .top .button", 2)
            chrome.until("!document.querySelector('dialog').open")
        fill(chrome, "input[type=search]", EVIL)
        click(chrome, ".rows tbody a")
        chrome.until("document.querySelector('dialog').open")
        assert chrome.js("document.title").startswith("bigram</script>")
        assert chrome.js("document.querySelectorAll('img, script:not(#rows)').length") == 1
        assert chrome.js("document.querySelector('dialog').textContent").count(EVIL) >= 12
        assert EVIL[:40] in cells(chrome)[0][2]  # the table shows the beginning
        assert chrome.console == []


class TestTable:
    def test_every_column_sorts_both_ways(self, opened):
        comparison = made(failing=0.2)
        chrome = opened(comparison)
        click(chrome, ".tick input")
        heads = chrome.js(
            "[...document.querySelectorAll('.rows thead tr:last-child th')].map((h) => h.textContent)"
        )
        lines = lines_of(comparison)
        per_arm = {
            "Answer": "prediction", "Status": "status", "Tokens in": "input_tokens", "Tokens out": "output_tokens",
            "Cost": "cost", "Latency": "latency_s", "Cache": "cache",
        }  # fmt: skip

        def key(column, line):
            """What the column holds of a line; None where it has nothing."""
            rows = line.values()
            label = heads[column]
            if label == "Difference":
                a, b = (row["scores"]["exact"] for row in rows)
                return None if a is None or b is None else b - a
            if label == "exact":
                return [row["scores"]["exact"] for row in rows][column > 11]
            if label in per_arm:
                value = [row[per_arm[label]] for row in rows][column > 11]
                return float(f"{value:.4g}") if isinstance(value, float) else value  # as the page has it
            return next(iter(rows))[label.lower()]

        assert len(heads) == 4 + 2 * 8 + 1
        for column, label in enumerate(heads):
            for way in ("ascending", "descending"):
                click(chrome, ".rows thead tr:last-child button", column)
                sorts = chrome.js(
                    "[...document.querySelectorAll('.rows thead tr:last-child th')].map((h) => h.ariaSort)"
                )
                assert [sorts.pop(column), set(sorts)] == [way, {"none"}]
                shown = [key(column, lines[c[0], int(c[1])]) for c in cells(chrome)]
                there = [value for value in shown if value is not None]
                if label == "Example":  # numbers in names count as such
                    there = [int(value[1:]) for value in there]
                everything = [key(column, line) for line in lines.values()]
                assert len(there) == min(50, sum(value is not None for value in everything)), label
                assert shown[len(there) :] == [None] * (50 - len(there)), label
                if isinstance(there[0], str):
                    there = [value.lower() for value in there]  # and a space is before all letters
                assert there == sorted(there, reverse=way == "descending"), label
        assert chrome.console == []

    def test_a_search_leaves_what_says_that(self, opened):
        comparison = made(failing=0.2)
        chrome = opened(comparison)
        for wanted in ("MARSEILLE", "q17", "request-id", "nobody says this"):
            fill(chrome, "input[type=search]", wanted)
            expected = sum(
                any(
                    wanted.lower() in str(row[name]).lower()
                    for row in rows.values()
                    for name in ("example", "input", "target", "prediction", "error")
                )
                for rows in lines_of(comparison).values()
            )
            assert re.search(rf"\b{expected} rows?, out of 120$", status(chrome)), wanted
            assert (len(cells(chrome)) == min(50, expected)) or expected == 0
        assert cells(chrome) == [["No row fits."]]
        fill(chrome, "input[type=search]", "")
        assert status(chrome) == "1 to 50 of 120 rows"

    def test_only_rows_that_differ_that_failed_or_that_are_excluded(self, opened):
        comparison = made(failing=0.3, samples=1, examples=200)
        comparison["rows"][7]["scores"]["f1"] = None  # answered, but the metric failed
        chrome = opened(comparison)
        lines = [list(rows.values()) for rows in lines_of(comparison).values()]

        def apart(metric):
            scores = [[row["scores"][metric] for row in rows] for rows in lines]
            return sum(None not in pair and pair[0] != pair[1] for pair in scores)

        def shown(name):
            fill(chrome, ".tools select", name, "change")
            return int(re.findall(r"([\d,]+) rows", status(chrome))[0].replace(",", ""))

        assert shown("apart") == apart("exact")
        assert shown("answers") == sum(a["prediction"] != b["prediction"] for a, b in lines)
        assert shown("failed") == sum(any(row["status"] != "ok" for row in rows) for rows in lines)
        assert shown("excluded") == len({each["example"] for each in comparison["excluded"]})
        without = shown("unscored")
        chrome.js(
            "(() => { const m = document.querySelectorAll('.tools select')[1]; m.value = 1; m.dispatchEvent(new Event('change')) })()"
        )
        assert shown("unscored") == without + (lines[7][1]["status"] == "ok")
        assert shown("apart") == apart("f1")
        assert "f1" in chrome.js("document.querySelector('.rows thead').textContent")

    def test_pages_are_turned(self, opened):
        chrome = opened(made(examples=41))
        assert status(chrome) == "1 to 50 of 123 rows"
        assert chrome.js("document.querySelector('.pages button').disabled")
        click(chrome, ".pages button", 1)
        click(chrome, ".pages button", 1)
        assert status(chrome) == "101 to 123 of 123 rows"
        assert len(cells(chrome)) == 23
        assert chrome.js("document.querySelectorAll('.pages button')[1].disabled")
        for asked, first in (("2", "51"), ("99", "101"), ("-3", "1"), ("x", "1")):
            fill(chrome, ".pages input", asked, "change")
            assert status(chrome).startswith(f"{first} to ")

    def test_a_row_that_failed_says_why(self, opened):
        comparison = made(samples=1, failing=1.0, examples=3)
        text = " ".join(cells(opened(comparison))[0])
        row = comparison["rows"][0]
        assert f"{row['status']}: {row['error']}" in text


class TestExample:
    def test_an_address_opens_one_with_the_answers_of_all_arms_side_by_side(self, opened):
        comparison = made(failing=0)
        chrome = opened(comparison, at="#example=q3&sample=1")
        assert chrome.js("document.querySelector('dialog').open")
        assert chrome.js("document.querySelector('dialog h2').textContent") == "q3, sample 1"
        text = chrome.js("document.querySelector('dialog').innerText")
        for row in lines_of(comparison)["q3", 1].values():
            assert row["prediction"] in text
            assert row["calls"][0]["prompt"] in text
            assert row["calls"][0]["model_version"] in text
            assert figures.seconds(row["latency_s"]) in text
            assert figures.dollars(float(f"{row['cost']:.4g}")) in text
            assert f"{row['input_tokens']} + {row['output_tokens']} tokens" in text
            assert figures.number(row["scores"]["f1"]) in text
        assert row["target"] in text
        a, b = chrome.js(
            "[...document.querySelectorAll('dialog h3')].map((h) => [h.getBoundingClientRect().x, h.getBoundingClientRect().y])"
        )
        assert (a[0] < b[0], a[1]) == (True, b[1])

    def test_the_back_button_closes_it_and_forward_opens_it_again(self, opened):
        chrome = opened(made())
        chrome.js("scrollTo(0, document.querySelector('.rows').getBoundingClientRect().top)")
        before = chrome.js("scrollY")
        click(chrome, ".rows tbody a", 4)
        chrome.until(
            "document.querySelector('dialog').open && document.querySelector('dialog h2').textContent === 'q1, sample 1'"
        )
        chrome.js("history.back()")
        chrome.until("!document.querySelector('dialog').open")
        assert chrome.js("[location.hash, scrollY]") == ["", before]
        chrome.js("history.forward()")
        chrome.until("document.querySelector('dialog').open")

    def test_closing_one_that_an_address_opened_stays_on_the_page(self, opened):
        chrome = opened(made(), at="#example=q3&sample=1")
        click(chrome, "dialog .top .button", 2)
        chrome.until("!location.hash.startsWith('#example=')")
        assert not chrome.js("document.querySelector('dialog').open")
        assert chrome.js("document.querySelectorAll('.rows tbody tr').length") == 50

    def test_the_next_one_is_the_next_of_the_table(self, opened):
        chrome = opened(made())
        click(chrome, ".rows thead button")
        click(chrome, ".rows thead button")  # from the last example to the first
        click(chrome, ".rows tbody a")
        chrome.until("document.querySelector('dialog').open")
        assert chrome.js("document.querySelector('dialog .button').disabled")
        for title in ("q39, sample 1", "q39, sample 2", "q38, sample 0"):
            click(chrome, "dialog .button", 1)
            chrome.until(f"document.querySelector('dialog h2').textContent === {json.dumps(title)}")
        assert (
            chrome.js("document.activeElement.tagName") == "H2"
        )  # clicked by a script, so nothing was focused
        chrome.js("history.back()")  # one step, however many were looked at
        chrome.until("!document.querySelector('dialog').open")

    def test_a_link_of_the_lists_above_opens_it_too(self, opened):
        comparison = made(failing=0.5)
        chrome = opened(comparison)
        click(chrome, "#left-out a")
        chrome.until("document.querySelector('dialog').open")
        name, sample = chrome.js("document.querySelector('#left-out a').textContent").split("/")
        assert chrome.js("document.querySelector('dialog h2').textContent") == f"{name}, sample {sample}"
        assert any(
            text in chrome.js("document.querySelector('dialog').innerText") for text in ("timeout", "error")
        )

    def test_any_id_can_be_linked(self, opened):
        comparison = made(examples=1, failing=1.0, arms=("one",), samples=1)
        comparison["rows"][0]["example"] = odd = "a&b=ü #1/\"<' +%20"
        chrome = opened(comparison)
        for link in ("#left-out a", ".rows tbody a"):
            click(chrome, link)
            chrome.until("document.querySelector('dialog').open")
            assert chrome.js("document.querySelector('dialog h2').textContent") == odd
            chrome.js("history.back()")
            chrome.until("!document.querySelector('dialog').open")

    def test_one_that_is_not_there_is_said(self, opened):
        chrome = opened(made(examples=2), at="#example=gone&sample=0")
        assert chrome.js("document.querySelector('dialog').innerText").startswith("There is no example gone")
        assert chrome.console == []

    def test_a_value_that_is_no_text_says_what_it_is(self, opened):
        comparison = made(arms=("one",), samples=1, failing=0)
        for row, value in zip(comparison["rows"], (1, "1", ["1"]), strict=False):
            row["prediction"] = value
        chrome = opened(comparison)
        said = []
        for i in range(3):
            chrome.js(f"location.hash = '#example=q{i}&sample=0'")
            chrome.until(f"document.querySelector('dialog h2')?.textContent === 'q{i}'")
            said.append(
                chrome.js("document.querySelector('dialog .sides section div').innerText").split("\n")[0]
            )
        assert said == ["Answer (number)", "Answer", "Answer (list)"]

    def test_why_it_is_excluded_stands_with_the_arm(self, opened):
        comparison = made(failing=0, examples=9)
        comparison["excluded"] = [
            {"arm": "five-gram", "example": "q3", "metric": "f1", "reason": "the judge failed"}
        ]
        chrome = opened(comparison, at="#example=q3&sample=0")
        said = chrome.js("[...document.querySelectorAll('dialog section')].map((s) => s.innerText)")
        assert ["Excluded from f1: the judge failed" in text for text in said] == [False, True]


class TestAccess:
    def test_a_keyboard_reaches_opens_and_closes_and_comes_back(self, opened):
        chrome = opened(made())
        chrome.js("document.querySelectorAll('.rows thead button')[8].focus()")
        chrome.key("Tab")
        assert chrome.js("document.activeElement.textContent") == "q0"
        chrome.key("Enter")
        chrome.until("document.querySelector('dialog').open")
        assert chrome.js("document.activeElement.textContent") == "q0, sample 0"
        chrome.key("Tab")  # Previous is disabled: this is the first
        assert chrome.js("document.activeElement.textContent") == "Next"
        chrome.key("Enter")
        chrome.until("document.querySelector('dialog h2').textContent === 'q0, sample 1'")
        assert chrome.js("document.activeElement.textContent") == "Next"
        chrome.key("Escape")
        chrome.until("!document.querySelector('dialog').open")
        assert chrome.js("document.activeElement.textContent") == "q0"

    def test_a_heading_is_pressed_by_the_keyboard_and_keeps_the_focus(self, opened):
        chrome = opened(made())
        chrome.js("document.querySelectorAll('.rows thead button')[2].focus()")
        chrome.key("Enter")
        assert chrome.js("document.activeElement.closest('th').ariaSort") == "ascending"
        chrome.key("Enter")
        assert chrome.js("document.activeElement.closest('th').ariaSort") == "descending"

    def test_a_screen_reader_is_told_what_everything_is(self, opened):
        chrome = opened(made(failing=0.3))
        click(chrome, ".rows tbody a")
        unnamed = chrome.js("""[...document.querySelectorAll("button, input, select, a, svg, [role=region], dialog, section, nav")].filter((e) => !(
          e.labels?.length || e.ariaLabel || e.textContent.trim() && e.matches("button, a")
          || document.getElementById(e.getAttribute("aria-labelledby"))?.textContent
          || e.querySelector(":scope > title")?.textContent || e.matches("dialog section"))).map((e) => e.outerHTML.slice(0, 200))""")
        assert unnamed == []
        assert chrome.js("document.documentElement.lang") == "en"
        assert chrome.js("document.querySelectorAll('main h1').length") == 1
        assert chrome.js("[...document.querySelectorAll('th')].every((h) => h.scope)")
        assert chrome.js(
            "[...document.querySelectorAll('tbody tr')].every((r) => r.cells[0].matches('th[scope=row]'))"
        )
        assert chrome.js("[...document.querySelectorAll('table')].every((t) => t.caption.textContent)")
        assert chrome.js("[...document.querySelectorAll('button')].every((b) => b.type === 'button')")
        assert chrome.js("[...document.querySelectorAll('.scroll')].every((s) => s.tabIndex === 0)")
        assert chrome.js("document.querySelector('.status').role") == "status"
        tree = [
            node for node in chrome.send("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")
        ]
        roles = {node["role"]["value"] for node in tree}
        assert {"dialog", "heading"} <= roles

    def test_a_browser_that_cannot_unpack_says_so_below_the_results(self, chrome, tmp_path):
        text = re.sub(r"<meta http-equiv=[^>]*>", "", page(made()))
        old = "<script>delete window.DecompressionStream</script>"
        (tmp_path / "report.html").write_text(text.replace("<main>", f"{old}<main>"), encoding="utf-8")
        chrome.open((tmp_path / "report.html").as_uri())
        chrome.until("document.querySelector('#table .warning')")
        said = chrome.js("document.querySelector('#table .warning').textContent")
        assert said.startswith(
            "The rows cannot be shown: this browser has no DecompressionStream; Chromium 80"
        )
        assert "0." in chrome.js("document.querySelector('#results tbody').textContent")

    def test_without_scripts_the_results_are_there_and_the_table_says_what_it_needs(self, chrome, tmp_path):
        write(made(), tmp_path / "report.html")
        chrome.send("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            chrome.open((tmp_path / "report.html").as_uri())
            assert chrome.js("document.querySelector('#examples').innerText.trim()").endswith(
                "This table needs JavaScript."
            )
            assert (
                chrome.js("document.querySelectorAll('#results tbody tr, #differences tbody tr').length") == 4
            )
        finally:
            chrome.send("Emulation.setScriptExecutionDisabled", {"value": False})
