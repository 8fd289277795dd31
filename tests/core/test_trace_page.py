"""Is a trace one page that opens offline, shows everything as text, and runs nothing but its own script?"""

import html
import json
import re
import shutil
import subprocess

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.trace import Span
from onetwo_like.core.trace_html import page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for found in map(shutil.which, BROWSERS) if found), "")
needs_a_browser = pytest.mark.skipif(not BROWSER, reason="no Chromium here")

# Whatever breaks out of where it stands changes the page's title.
EVIL = """</script></title></pre>--><script>document.title="pwned"</script>\
<img src=x onerror='document.title="pwned"'>"'`${document.title="pwned"}\u2028]]>"""


def dom(path):
    """The page after its script has run."""
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=3000",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.fixture
def trace():
    """A run in which whatever a user or a model may choose is hostile."""

    @ot.make_executable(name=EVIL)
    async def evil(text, **options):
        return await llm.generate_text(text)

    @ot.make_executable
    async def failing():
        raise type(EVIL, (ValueError,), {})(EVIL)

    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: ot.Reply(EVIL, usage=ot.Usage(1_200, 3, cost=0.25)))
        program: ot.Executable = ot.parallel(
            evil(EVIL, **{EVIL: {EVIL: [EVIL, object()]}}).named(EVIL), failing(), on_error="keep"
        )
        return ot.run(program, enable_tracing=True)[1]


def within(start, end, text):
    """What stands between two marks."""
    return text.split(start, 1)[1].split(end, 1)[0]


def opened(trace):
    """A click on every row, from a script that the page's policy would not let run."""
    click = "<script>document.querySelectorAll('.row').forEach((_, i) => document.querySelectorAll('.row')[i].click())"
    text = re.sub(r"<meta http-equiv=[^>]*>", "", page(trace))
    assert "Content-Security-Policy" not in text
    return text.replace("</body>", f"{click}</script></body>")


class TestPage:
    def test_it_loads_nothing_from_elsewhere(self, trace, tmp_path):
        trace.to_html(tmp_path / "trace.html")
        text = (tmp_path / "trace.html").read_text(encoding="utf-8")
        assert not re.search(r"<link|<script src|@import|url\(|(src|href)=[\"']?(https?:)?//", text)
        assert "default-src 'none'" in text

    def test_what_stands_in_the_source_is_escaped(self, trace):
        text = page(trace)
        assert "<img" not in text
        assert text.count("<script") == text.count("</script>") == 2
        assert html.escape("<script>") in text  # for who has no scripts at all

    @needs_a_browser
    def test_nothing_hostile_runs_even_without_the_policy(self, trace, tmp_path):
        path = tmp_path / "trace.html"
        path.write_text(opened(trace), encoding="utf-8")
        shown = dom(path)
        assert within("<title>", "</title>", shown).startswith("run: 1 call")
        assert "pwned&lt;" not in shown
        assert shown.count("<img") == 0
        assert shown.count("<pre") >= 6  # the rows were opened, with the hostile texts in them
        assert html.escape('<script>document.title="pwned"</script>', quote=False) in shown

    @needs_a_browser
    def test_it_shows_the_tree_the_times_and_the_totals(self, trace, tmp_path):
        trace.to_html(tmp_path / "trace.html")
        shown = re.sub(
            r"<script.*?</script>|<noscript.*?</noscript>", "", dom(tmp_path / "trace.html"), flags=re.S
        )
        assert shown.count('role="treeitem"') == len(trace.walk())
        for text in ("generate_text", "parallel[0]", "1,200", "$0.25", "Unfold all", 'type="search"'):
            assert text in shown
        assert len(re.findall(r'class="span"[^>]* style="left: [\d.]+%; width: [\d.]+%;"', shown)) == len(
            trace.walk()
        )

    @needs_a_browser
    def test_a_search_leaves_what_it_finds_and_all_above(self, tmp_path):
        ask = ot.make_executable(name="ask")(lambda q: q)
        trace: Span = ot.run(ot.parallel(*[ask(f"question {i}") for i in range(400)]), enable_tracing=True)[1]
        search = """<script>const s = document.querySelector("input");
            s.value = "QUESTION 37"; s.dispatchEvent(new Event("input"))</script></body>"""
        text = re.sub(r"<meta http-equiv=[^>]*>", "", page(trace)).replace("</body>", search)
        (tmp_path / "trace.html").write_text(text, encoding="utf-8")
        shown = dom(tmp_path / "trace.html")
        assert shown.count('role="treeitem"') == 1 + 2 * 11  # 37 and 370 to 379, and the run
        assert "ask" in shown

    @needs_a_browser
    def test_a_long_one_is_folded_and_shows_its_children_by_the_hundred(self, tmp_path):
        _, trace = ot.run(
            ot.parallel(*[ot.make_executable(lambda: 1)() for _ in range(1_000)]), enable_tracing=True
        )
        trace.to_html(tmp_path / "trace.html")
        shown = dom(tmp_path / "trace.html")
        assert shown.count('role="treeitem"') == 201
        assert "800 more, show them" in shown

    def test_in_a_notebook_it_stands_in_a_frame_of_its_own(self, trace):
        frame = trace._repr_html_()
        assert re.fullmatch(r'<iframe sandbox="allow-scripts" [^<>]*></iframe>', frame, re.S)
        assert html.unescape(within('srcdoc="', '"', frame)) == page(trace)

    def test_one_that_was_read_from_a_file_makes_the_same_page(self, trace):
        again = Span.from_dict(json.loads(json.dumps(trace.to_dict())))
        data = [within('id="trace">', "</script>", page(t)) for t in (trace, again)]
        assert json.loads(data[0]) == json.loads(data[1])

    def test_half_a_character_can_be_written(self, tmp_path):
        _, trace = ot.run(ot.make_executable(lambda: "\ud800")(), enable_tracing=True)
        trace.to_html(tmp_path / "trace.html")
        assert (
            b"&#55296;" in (tmp_path / "trace.html").read_bytes()
            or b"ud800" in (tmp_path / "trace.html").read_bytes()
        )
