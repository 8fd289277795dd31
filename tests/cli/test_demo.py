"""Does the demo compare, replay, and spend nothing unasked?"""

import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from onetwo_like.backends.corpus import countries
from onetwo_like.cli.demo import Row, conclusion, is_right
from tests.cli.conftest import environment
from tests.servers.gemini_loopback import GeminiServer
from tests.servers.loopback import LoopbackServer


def rows(out: str) -> list[list[str]]:
    """The cells of the lines of both tables that are about a backend."""
    lines = [re.split(r" {2,}", line) for line in out.splitlines()]
    return [line for line in lines if line[0].startswith(("ngram:", "openai:", "gemini:"))]


def known(prompt: str) -> str:
    """What somebody says who has read the table of countries, at more length than needed."""
    question = prompt.splitlines()[2]
    for each in countries():
        if question == f"Q: What is the capital of {each.country}?":
            return f"{each.capital.upper()}."
        if question == f"Q: Which currency do shops in {each.capital.upper()}. take?":
            return f"The {each.currency}\n(I think)"
    raise AssertionError(prompt)


def test_it_compares_two_models_and_then_replays_all_of_it(process):
    done = process("demo", "--limit", "5")
    assert (done.code, done.err) == (0, "")
    first_small, first_large, again_small, again_large = rows(done.out)
    assert first_small[:4] == again_small[:4] == ["ngram:2", "0.0 %", "0.0 %", "0.0 %"]
    assert first_large[:4] == again_large[:4] == ["ngram:5", "100.0 %", "100.0 %", "100.0 %"]
    # The small model names one city for all countries, so its second question is always the same.
    assert (first_small[4:6], first_large[4:6]) == (["6", "4"], ["10", "0"])
    assert (again_small[4:6], again_large[4:6]) == (["0", "10"], ["0", "10"])
    assert "ngram:5 says 'Kabul' and 'afghani'." in done.out
    assert done.out.endswith(
        "\n0 calls made, 20 replayed; results identical.\n"
        "The report, with paired differences and every answer: onetwo-demo.html\n"
    )


def test_the_same_command_again_replays_from_the_start(cli):
    cli("demo", "--limit", "2")
    assert [row[4:6] for row in rows(cli("demo", "--limit", "2").out)] == [["0", "4"]] * 4


def test_more_countries_ask_only_for_what_is_new(cli):
    cli("demo", "--limit", "2")
    assert [row[4:6] for row in rows(cli("demo", "--limit", "3").out)][1] == ["2", "4"]


def test_it_asks_about_every_country_unless_limited(cli):
    done = cli("demo")
    assert f"each of {len(countries())} countries" in done.out
    assert f"0 calls made, {4 * len(countries())} replayed; results identical." in done.out


def test_replies_are_recorded_where_one_says(cli, tmp_path):
    cli("demo", "--limit", "1", "--cache", "elsewhere", "--report", "page.html")
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "page.html"]


def test_the_report_is_that_of_the_same_replies(cli, tmp_path):
    done = cli("demo", "--limit", "10")
    assert (done.code, done.err) == (0, "")
    page = (tmp_path / "onetwo-demo.html").read_text(encoding="utf-8")
    for said in ("ngram:5 is better than ngram:2 in both right by 1", "<code>ngram:2</code>", "10 examples"):
        assert said in page
    cli("demo", "--limit", "10")
    assert (tmp_path / "onetwo-demo.html").read_text(encoding="utf-8").count("paid") == page.count("paid")


def test_the_same_backend_twice_has_no_report(cli, tmp_path):
    done = cli("demo", "--limit", "1", "--backend", "ngram:3", "--backend", "ngram:3")
    assert done.code == 0
    assert "There is no report" in done.out
    assert not (tmp_path / "onetwo-demo.html").exists()


def test_other_results_the_second_time_are_an_error():
    first = [Row("a", [("Lima", "sol")], made=2, replayed=0, seconds=0.1)]
    changed = [Row("a", [("Lima", "peso")], made=0, replayed=2, seconds=0.1)]
    assert conclusion(first, changed) == ("0 calls made, 2 replayed; results DIFFERENT.", 1)


def test_a_call_the_second_time_is_an_error():
    first = [Row("a", [("Lima", "sol")], made=2, replayed=0, seconds=0.1)]
    assert conclusion(first, first) == ("2 calls made, 0 replayed; results identical.", 1)


# A model behind a network


@pytest.mark.parametrize(
    ("provider", "variable", "serving"),
    [("openai", "OPENAI_API_KEY", LoopbackServer), ("gemini", "GEMINI_API_KEY", GeminiServer)],
)
def test_a_real_model_takes_the_place_of_the_first(cli, monkeypatch, provider, variable, serving):
    monkeypatch.setenv(variable, "a-key-of-tests")
    model = f"{provider}:test"
    with serving(known) as server:
        done = cli("demo", "--limit", "3", "--backend", model, "--base_url", server.base_url, "--yes")
        asked = len(server.requests)
    assert (done.code, done.err) == (0, "")
    assert [row[:6] for row in rows(done.out)[:2]] == [
        [model, "100.0 %", "100.0 %", "100.0 %", "6", "0"],
        ["ngram:5", "100.0 %", "100.0 %", "100.0 %", "6", "0"],
    ]
    assert asked == 6
    assert "a-key-of-tests" not in done.out


def test_two_backends_take_the_places_of_both(cli):
    done = cli("demo", "--limit", "1", "--backend", "ngram:3", "--backend", "ngram:4")
    assert [row[0] for row in rows(done.out)] == ["ngram:3", "ngram:4"] * 2


def test_without_a_terminal_the_plan_is_shown_and_nothing_is_called(cli, tmp_path):
    with LoopbackServer() as server:
        done = cli("demo", "--limit", "3", "--backend", "openai:test", "--base_url", server.base_url)
        assert server.requests == []
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "The plan, at most:",
        "  openai:test: 6 calls to make, 0 recorded",
        "Nothing was called. With --yes, these calls are made.",
    ]
    assert os.listdir(tmp_path) == []


def test_the_plan_says_how_many_calls_are_recorded(cli, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-tests")
    with LoopbackServer(known) as server:
        model = ("--backend", "openai:test", "--base_url", server.base_url)
        cli("demo", "--limit", "2", *model, "--yes")
        made = len(server.requests)
        done = cli("demo", "--limit", "5", *model)
        assert len(server.requests) == made == 4
        assert "  openai:test: 6 calls to make, 4 recorded" in done.out
        replayed = cli("demo", "--limit", "2", *model)  # nothing to ask anybody about
        assert len(server.requests) == made
    assert [row[4:6] for row in rows(replayed.out)] == [["0", "4"]] * 4


@pytest.mark.parametrize(("answer", "calls"), [("y", 2), ("n", 0), ("", 0)])
def test_at_a_terminal_somebody_is_asked(tmp_path, answer, calls):
    with LoopbackServer(known) as server:
        model = ["--backend", "openai:test", "--base_url", server.base_url]
        code, shown = at_a_terminal(["demo", "--limit", "1", *model], f"{answer}\n", tmp_path)
        assert len(server.requests) == calls
    assert "Make 2 calls? [y/N]" in shown
    assert ("results identical." if calls else "Nothing was called.") in shown
    assert code == 0


def at_a_terminal(words, typed, folder):
    """Runs a command in a terminal where somebody has typed ahead; its code, and all that was shown."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    os.write(ours, typed.encode())
    running = subprocess.Popen(
        [sys.executable, "-m", "onetwo_like", *words],
        cwd=folder,
        env={**environment(), "OPENAI_API_KEY": "a-key-of-tests", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    os.close(ours)
    return running.wait(), shown.decode()


def test_somebody_at_a_terminal_sees_how_far_it_is(tmp_path):
    _, shown = at_a_terminal(["demo", "--limit", "2"], "", tmp_path)
    assert re.search(r"\d of 4 countries|\d/4 ", shown)


def test_a_missing_key_is_a_one_line_error(cli):
    with LoopbackServer() as server:
        model = ("--backend", "openai:test", "--base_url", server.base_url)
        done = cli("demo", "--limit", "1", *model, "--yes")
        assert server.requests == []
    assert done.code == 2
    [line] = done.err.splitlines()
    assert "Set the variable OPENAI_API_KEY" in line


# Bad input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--limit", "0"), "--limit 0: at least 1 country, at most 194"),
        (("--limit", "many"), "invalid int value: 'many'"),
        (("--backend", "gpt"), "there is no backend 'gpt'; there are ngram, openai"),
        (("--backend", "ngram:0"), "--backend ngram:0: The order of an n-gram model"),
        (("--backend", "ngram:five"), "the order is a whole number, as in ngram:5"),
        (("--backend", "openai"), "which model? As in openai:gpt-4o-mini"),
        (("--backend", "gemini:"), "which model? As in gemini:gemini-2.5-flash"),
        (("--backend", "openai:x", "--base_url", "nowhere"), "not 'nowhere'"),
        (("--base_url", "http://127.0.0.1:1/v1"), "no backend here is behind a network"),
        (
            (
                "--backend",
                "ngram:1",
            )
            * 3,
            "--backend can be given twice",
        ),
        (("--cache", __file__), "is a file; a cache is a folder"),
        (("--report", f"{__file__}/page.html"), "is a file, and not a folder"),
    ],
)
def test_bad_input_is_a_one_line_error(refused, words, said):
    assert said in refused("demo", *words)


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ("Lima", "Lima", True),
        ("The capital is **lima**.", "Lima", True),
        ("Sao Tome", "São Tomé", True),
        ("Limassol", "Lima", False),
        ("", "Lima", False),
        ("Paris", "", False),
    ],
)
def test_an_answer_is_right_when_it_has_the_words_in_a_row(answer, expected, right):
    assert is_right(answer, expected) is right
