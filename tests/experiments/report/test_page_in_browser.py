"""Does a report work in a browser: at the width of a phone and of a desk, by day and night, by mouse and keyboard?"""

import json
import re
from typing import Any

import pytest

from onetwo_like.experiments.report.page import page, write
from onetwo_like.experiments.showing import figures
from tests.experiments.driving import READY, cells, click, fill
from tests.experiments.made import EVIL, made
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

    def test_an_arm_has_one_mark_everywhere(self, opened):
        chrome = opened(made(arms=tuple("abcdefgh"), examples=10, samples=1), at="#example=q1&sample=0")
        marks = [
            chrome.js(f"[...document.querySelectorAll('{where} .arm')].map((e) => e.className)")
            for where in ("#results", "#run", ".rows", "dialog")
        ]
        assert marks == [marks[0]] * 4
        assert len(set(marks[0])) == 8


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
