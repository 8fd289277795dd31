"""Is the site built without a warning, with every public name in its reference, and readable on a phone?"""

import importlib
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.pictures.chromium import chromium, needs_chromium
from tests.test_public_names import MODULES, names_of

ROOT = Path(__file__).parents[1]
PAGES = [
    p.relative_to(ROOT / "docs").with_suffix("")
    for p in sorted((ROOT / "docs").rglob("*.md"))
    if "_build" not in p.parts
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html", "docs", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    return folder


def documented(site):
    """The names in the reference: the inventory is four lines, then compressed ones such as `ot.run py:function ...`."""
    listed = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    return {name for name, kind, *_ in map(str.split, listed.splitlines()) if kind.startswith("py:")}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module, site):
    there = documented(site)
    # A name that two modules offer, such as Scripted, stands where it belongs.
    objects = {
        id(getattr(importlib.import_module(m), n))
        for m in MODULES
        for n in names_of(m)
        if f"{m}.{n}" in there
    }
    missing = [n for n in names_of(module) if id(getattr(importlib.import_module(module), n)) not in objects]
    assert missing == [], f"add them to a page in docs/reference ({module})"


def test_what_is_in_the_reference_says_something(site):
    text = (site / "reference" / "ot.html").read_text(encoding="utf-8")
    entries = re.findall(r'id="onetwo_like\.ot\.(\w+)">.*?</dt>\s*<dd>(.*?)</dd>', text, re.DOTALL)
    assert len(entries) > 40
    assert [name for name, says in entries if "<p>" not in says] == []


def test_every_command_is_in_the_reference(site):
    text = (site / "reference" / "command_line.html").read_text(encoding="utf-8")
    shown = subprocess.run(
        [sys.executable, "-m", "onetwo_like", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = re.findall(r"^    ([a-z]+) ", shown, re.MULTILINE)
    assert {"run", "cache"} <= set(commands)
    assert [name for name in commands if f'id="onetwo-like-{name}"' not in text] == []
    assert "cache verify" in text


def test_no_page_fetches_anything(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|iframe)[^>]* src="([^"]*)"|<link[^>]* href="([^"]*)"', text)
        assert [url for pair in fetched for url in pair if "//" in url] == [], page.name


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_page_is_in_the_contents(page, site):
    contents = (site / "index.html").read_text(encoding="utf-8")
    assert f'href="{page.as_posix()}.html"' in contents or page.name == "index"


@needs_chromium
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_sticks_out_of_the_window_and_no_script_fails(width, site):
    """In frames of that width: a window of Chromium's is at least 500 wide. Each page tells what it sees."""
    watching = site / f"watching-{width}"
    watching.mkdir()
    frames = []
    for name in PAGES:
        page = site / f"{name}.html"
        telling = f"""<script>
            let wrong = ""
            addEventListener("error", e => {{ wrong += e.message }})
            addEventListener("load", () => {{
                const {{scrollWidth, clientWidth}} = document.documentElement
                parent.postMessage(`{name}: ${{scrollWidth}} of ${{clientWidth}} ${{wrong}}`, "*")
            }})</script>"""
        watched = page.with_name(f"watched-{width}-{page.name}")
        watched.write_text(page.read_text(encoding="utf-8").replace("<head>", "<head>" + telling, 1))
        frames.append(f'<iframe width="{width}" height="900" src="{watched.as_uri()}"></iframe>')
    (watching / "all.html").write_text(
        "<script>addEventListener('message', e => document.querySelector('ul').append("
        "Object.assign(document.createElement('li'), {textContent: e.data})))</script><ul></ul>"
        + "".join(frames)
    )
    shown = chromium(watching / "all.html", "--hide-scrollbars", "--virtual-time-budget=10000", "--dump-dom")
    told = re.findall(r"<li>(.*?)</li>", shown)
    assert sorted(told) == sorted(f"{name}: {width} of {width} " for name in PAGES)
