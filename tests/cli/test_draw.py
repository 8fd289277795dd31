"""Does `onetwo-like draw` write the picture of a flow or a workflow, and run nothing?"""

from pathlib import Path

import pytest

PROGRAM = """
from onetwo_like import ot

def never(topic):
    raise AssertionError("drawn, not run")

song = ot.Flow(title=never, lyrics=ot.prompt("A song called {{ title }}"))

def count(number: int) -> int | ot.Stop[str]:
    raise AssertionError("drawn, not run")

app = ot.Workflow(count)
other = 3
"""


@pytest.fixture(autouse=True)
def _program(tmp_path):
    (tmp_path / "music.py").write_text(PROGRAM)


@pytest.mark.parametrize("suffix", ["html", "svg", "mmd", "md"])
def test_a_flow_is_drawn_without_running_it(cli, suffix):
    done = cli("draw", "music.py:song", f"out.{suffix}")
    assert (done.code, done.out, done.err) == (0, f"out.{suffix}\n", "")
    text = Path(f"out.{suffix}").read_text(encoding="utf-8")
    assert all(name in text for name in ("topic", "title", "lyrics"))


def test_a_workflow_is_drawn(cli):
    assert cli("draw", "music.py:app", "app.svg").code == 0
    assert "count" in Path("app.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("music.py:other", "out.svg"), "is of type int"),
        (("music.py:count", "out.svg"), "is of type function"),
        (("music.py:nobody", "out.svg"), "has no 'nobody'"),
        (("nowhere.py:song", "out.svg"), "there is no file"),
        (("music.py:song", "out.png"), ".html, .svg, .mmd or .md"),
        (("music.py:song", "nowhere/out.svg"), "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(refused, words, says):
    assert says in refused("draw", *words)
