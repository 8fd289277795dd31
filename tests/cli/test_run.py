"""How does the command line run a program of the user's?"""

import json
import sys

import pytest

from tests.servers.anthropic_loopback import AnthropicServer
from tests.servers.loopback import LoopbackServer

PROGRAM = """
from __future__ import annotations
from dataclasses import dataclass
from onetwo_like import ot
from onetwo_like.builtins import composables as c, llm
from neighbour import SUFFIX

@ot.make_executable
async def capital(country: str, times: int = 1) -> str:
    return times * await llm.generate_text(f"Q: What is the capital of {country}?\\nA:")

@ot.make_executable
def values(n: int, tags: list[str]) -> dict:
    return {"n": n, "tags": tags, "of": City("Nice", 0.5), "pair": (1, None)}

@dataclass
class City:
    name: str
    share: float

@ot.make_composable
def question(context, country: str) -> str:
    return f"Q: What is the capital of {country}?\\nA:"

template = c.j("Q: What is the capital of {{ country }}?\\nA:{{ generate_text() }}") + SUFFIX
pending = llm.generate_text("Q: What is the capital of Peru?\\nA:")
number = 3

def plain(country): return 1
async def coroutine(country): return 1

@ot.make_executable
def mistake(): return 1 / 0
"""


@pytest.fixture
def program(tmp_path) -> str:
    (tmp_path / "cities.py").write_text(PROGRAM)
    (tmp_path / "neighbour.py").write_text("SUFFIX = '!'\n")
    return "cities.py"


NGRAM = ("--backend", "ngram:5")


def test_a_function_runs_with_its_inputs(cli, program):
    done = cli("run", f"{program}:capital", *NGRAM, "--input", "country=France", "--input", "times=2")
    assert (done.code, done.out, done.err) == (0, " Paris Paris\n", "")


def test_an_executable_runs(cli, program):
    assert cli("run", f"{program}:pending", *NGRAM).out == " Lima\n"


def test_a_template_runs_with_its_variables(cli, program):
    done = cli("run", f"{program}:template", *NGRAM, "--input", "country=Peru")
    assert done.out == "Q: What is the capital of Peru?\nA: Lima!\n"


def test_a_composable_function_runs(cli, program):
    done = cli("run", f"{program}:question", "--input", "country=Peru")
    assert done.out == "Q: What is the capital of Peru?\nA:\n"


def test_a_flow_runs_with_its_inputs(cli, tmp_path):
    (tmp_path / "flows.py").write_text(
        "from onetwo_like import ot\n"
        'tour = ot.Flow(capital=ot.prompt("Q: What is the capital of {{ country }}?\\nA:", stop="\\n"))\n'
    )
    done = cli("run", "flows.py:tour", *NGRAM, "--input", "country=Peru")
    assert json.loads(done.out) == {"capital": " Lima"}
    assert "country" in cli("run", "flows.py:tour", *NGRAM, "--input", "land=Peru").err
    assert "it has tour" in cli("run", "flows.py:trip", *NGRAM).err


def test_what_is_no_text_is_printed_as_json(cli, program):
    done = cli("run", f"{program}:values", "--input", "n=3", "--input", 'tags=["a"]')
    expected = {"n": 3, "tags": ["a"], "of": {"name": "Nice", "share": 0.5}, "pair": [1, None]}
    assert json.loads(done.out) == expected


def test_the_trace_is_shown_on_stderr(cli, program):
    done = cli("run", f"{program}:pending", *NGRAM, "--trace")
    assert done.out == " Lima\n"
    assert "generate_text" in done.err


def test_the_trace_of_a_failed_run_is_shown_before_its_error(cli, program):
    done = cli("run", f"{program}:pending", "--trace")
    trace, *_, last = done.err.splitlines()
    assert trace.startswith("run (")
    assert last.startswith("onetwo-like run: No backend in scope")


def test_it_runs_as_a_process(process, program):
    done = process("run", f"{program}:capital", *NGRAM, "--input", "country=France")
    assert (done.code, done.out, done.err) == (0, " Paris\n", "")


def test_a_backend_that_the_file_registers_answers_unless_another_is_named(cli, tmp_path):
    (tmp_path / "own.py").write_text(
        "from onetwo_like.builtins import llm\n"
        "llm.generate_text.configure(lambda prompt: 'mine')\n"
        "e = llm.generate_text('Q: What is the capital of Peru?\\nA:')\n"
    )
    assert cli("run", "own.py:e").out == "mine\n"
    assert cli("run", "own.py:e", *NGRAM).out == " Lima\n"


@pytest.mark.parametrize(
    ("provider", "make_server"), [("openai", LoopbackServer), ("anthropic", AnthropicServer)]
)
def test_a_recorded_run_replays_without_a_server(cli, program, monkeypatch, provider, make_server):
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "a-key-of-tests")
    with make_server(lambda prompt: "Lima, of course") as server:
        words = ("run", f"{program}:pending", "--backend", f"{provider}:m", "--base_url", server.base_url)
        first = cli(*words, "--cache", "kept")
        assert len(server.requests) == 1
    again = cli(*words, "--cache", "kept", "--mode", "replay")
    assert first.out == again.out == "Lima, of course\n"
    assert "a-key-of-tests" not in first.out + first.err


def test_in_replay_mode_what_was_not_recorded_is_an_error(cli, program):
    words = ("run", f"{program}:capital", *NGRAM, "--cache", "kept")
    cli(*words, "--input", "country=France")
    done = cli(*words, "--input", "country=Peru", "--mode", "replay")
    assert done.code == 2
    assert done.err.startswith("onetwo-like run: not recorded: generate_text(")


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("capital", (), "missing input country; the inputs are country, times (default 1)"),
        ("capital", ("--input", "contry=Peru"), "unknown input contry and missing input country"),
        ("capital", ("--input", "country=Peru", "--input", "times=x"), "--input times=x: not of type int"),
        ("capital", ("--input", "country"), "--input country: an input is given as key=value"),
        ("pending", ("--input", "country=Peru"), "is an executable already and takes no input: country"),
        ("pending", (), "No backend in scope serves 'generate_text'"),
        (
            "pending",
            ("--backend", "gpt"),
            "there is no backend 'gpt'; there are ngram, openai, anthropic, gemini",
        ),
        ("pending", ("--backend", "openai:m"), "Set the variable OPENAI_API_KEY"),
        ("pending", ("--backend", "anthropic:m"), "Set the variable ANTHROPIC_API_KEY"),
        ("pending", ("--backend", "anthropic"), "which model? As in anthropic:claude-haiku-4-5"),
        ("pending", ("--backend", "gemini:m"), "Set the variable GEMINI_API_KEY"),
        ("pending", (*NGRAM, "--cache", "cities.py"), "is a file; a cache is a folder"),
        ("pending", (*NGRAM, "--cache", "nothing", "--mode", "replay"), "There is no cache at"),
        ("pending", (*NGRAM, "--mode", "replay"), "--mode replay needs --cache PATH"),
        ("pending", (*NGRAM, "--mode", "maybe"), "argument --mode: invalid choice: 'maybe'"),
        ("pending", (*NGRAM, "--base_url", "http://127.0.0.1:1"), "no backend here is behind a network"),
        ("template", NGRAM, "'country' is undefined"),
        ("number", (), "is of type int, and nothing that could be run"),
        ("plain", ("--input", "country=Peru"), "returns int, not an executable; decorate it with"),
        ("coroutine", ("--input", "country=Peru"), "returns coroutine, not an executable; decorate it with"),
        (
            "captial",
            (),
            "cities.py has no 'captial'; it has capital, values, question, template, pending, mistake",
        ),
    ],
)
def test_bad_input_is_a_one_line_error(refused, program, name, words, said):
    assert said in refused("run", f"{program}:{name}", *words)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("nothing.py:here", "there is no file nothing.py"),
        ("cities.py", "cities.py: give a file and a name in it, as in cities.py:mayor"),
        ("cities.py:", "give a file and a name in it"),
        ("cities.txt:mayor", "give a file and a name in it"),
        (".:mayor", "give a file and a name in it"),
    ],
)
def test_a_bad_path_is_a_one_line_error(refused, program, said):
    assert said in refused("run", program)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("e = (", "broken.py cannot be imported: SyntaxError: '(' was never closed (line 1)"),
        (
            "\nimport nothing_of_this_name",
            "ModuleNotFoundError: No module named 'nothing_of_this_name' (line 2)",
        ),
        ("x = 1\n1 / 0", "broken.py cannot be imported: ZeroDivisionError: division by zero (line 2)"),
        ("", "broken.py has no 'e'; it has nothing that could be run"),
    ],
)
def test_a_file_that_cannot_be_imported_is_a_one_line_error(refused, tmp_path, text, said):
    (tmp_path / "broken.py").write_text(text)
    assert said in refused("run", "broken.py:e")


def test_a_file_may_be_called_as_a_module_of_pythons(cli, tmp_path):
    (tmp_path / "json.py").write_text("from onetwo_like import ot\ne = ot.make_executable(lambda: [1])()\n")
    assert json.loads(cli("run", "json.py:e").out) == [1]
    assert sys.modules["json"] is json


def test_a_mistake_in_the_users_program_shows_where_it_is(process, program):
    done = process("run", f"{program}:mistake")
    assert done.code == 1
    assert 'cities.py", line' in done.err
    assert done.err.endswith("ZeroDivisionError: division by zero\n")
