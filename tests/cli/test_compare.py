"""Do `compare`, `replay` and `report` say what they would spend, spend nothing unasked, and prove a result?"""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import environment
from tests.cli.test_demo import at_a_terminal
from tests.servers.loopback import LoopbackServer

FILE = """
from onetwo_like import ot
from onetwo_like.backends import NGram
from onetwo_like.builtins import llm

arms = {"bigram": NGram(2), "five-gram": NGram(5)}
examples = [
    {"id": country, "country": country, "capital": capital}
    for country, capital in {
        "France": "Paris", "Spain": "Madrid", "Peru": "Lima", "Japan": "Tokyo", "Kenya": "Nairobi",
        "Norway": "Oslo", "Cuba": "Havana", "Egypt": "Cairo", "Chad": "N'Djamena", "Nepal": "Kathmandu",
    }.items()
]
input, target = "country", "capital"

@ot.make_executable
async def strategy(country):
    answer = await llm.generate_text(f"Q: What is the capital of {country}?\\nA:")
    return answer.strip()

metrics = {"right": lambda target, prediction: target == prediction}
"""

REMOTE = FILE.replace("import NGram", "import NGram, OpenAI").replace(
    '"bigram": NGram(2)', '"real": OpenAI("gpt-4o-mini", base_url=URL, max_tokens=20)'
)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "capitals.py").write_text(FILE)
    return tmp_path / "capitals.py"


def remote(folder, server):
    (folder / "capitals.py").write_text(f"URL = {server.base_url!r}\n" + REMOTE)


def knows(prompt):
    return " Paris" if "France" in prompt else " Rome"


# compare


def test_it_shows_the_plan_and_then_the_result(cli, file):
    done = cli("compare", "capitals.py")
    assert (done.code, done.err) == (0, "")
    plan, table = done.out.split("\n\n")[1], done.out.split("\n\n")[2:]
    assert plan.splitlines()[0].split()[:5] == ["arm", "calls", "cached", "to", "make"]
    assert plan.splitlines()[1].split()[:4] == ["bigram", "10", "0", "10"]
    assert table[0] == "Comparison of 2 arms on list: 10 examples, seed 0"
    assert "five-gram is better than bigram in right" in done.out


def test_options_choose_and_change(cli, file, tmp_path):
    file.write_text(FILE.replace('"five-gram"', '"four-gram": NGram(4), "five-gram"'))
    done = cli(
        *("compare", "capitals.py", "--arms", "five-gram, bigram", "--limit", "9"),
        *("--samples", "2", "--seed", "5", "--cache", "c", "--report", "r.html", "--save", "s"),
    )
    assert "Comparison of 2 arms on list: 9 examples, 2 samples of each, seed 5" in done.out
    assert "four-gram" not in done.out
    assert "onetwo-like replay s" in done.out
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("__")) == [
        "c",
        "capitals.py",
        "r.html",
        "s",
    ]
    again = cli(
        "compare",
        "capitals.py",
        "--arms",
        "five-gram,bigram",
        "--limit",
        "9",
        "--samples",
        "2",
        "--cache",
        "c",
    )
    assert [line.split()[:4] for line in again.out.splitlines()[3:5]] == [
        ["bigram", "18", "18", "0"],
        ["five-gram", "18", "18", "0"],
    ]


def test_a_remote_model_is_not_called_without_a_yes(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-tests")
    with LoopbackServer(knows) as server:
        remote(tmp_path, server)
        done = cli("compare", "capitals.py", "--cache", "c", "--save", "s")
        assert server.requests == []
        assert (done.code, done.err) == (0, "")
        real = next(line.split() for line in done.out.splitlines() if line.startswith("real"))
        assert real[:4] == ["real", "10", "0", "10"]
        assert real[5].startswith("$0.000")
        assert done.out.endswith("Nothing was called. With --yes, these calls are made.\n")
        assert not (tmp_path / "c").exists()
        assert not (tmp_path / "s").exists()
        yes = cli("compare", "capitals.py", "--cache", "c", "--limit", "4", "--yes")
        assert len(server.requests) == 4
        assert yes.code == 0
        free = cli("compare", "capitals.py", "--cache", "c", "--limit", "4")  # nothing is left to be paid for
        assert (len(server.requests), free.code) == (4, 0)
        assert "Comparison of 2 arms" in free.out
        more = cli("compare", "capitals.py", "--cache", "c")
        real = next(line.split() for line in more.out.splitlines() if line.startswith("real"))
        assert real[:4] == ["real", "10", "4", "6"]
        assert "about" in real
    assert "a-key-of-tests" not in done.out + yes.out


def test_folders_that_are_missing_are_made(cli, file, tmp_path):
    done = cli("compare", str(file), "--save", "a/b/saved", "--report", "c/d/page.html", "--yes")
    assert done.code == 0
    assert (tmp_path / "a" / "b" / "saved" / "result.json").exists()
    assert (tmp_path / "c" / "d" / "page.html").exists()


@pytest.mark.parametrize(("answer", "calls"), [("y", 2), ("n", 0)])
def test_at_a_terminal_somebody_is_asked(tmp_path, answer, calls):
    with LoopbackServer(knows) as server:
        remote(tmp_path, server)
        code, shown = at_a_terminal(["compare", "capitals.py", "--limit", "2"], f"{answer}\n", tmp_path)
        assert len(server.requests) == calls
    assert "Make 2 calls? [y/N]" in shown
    assert code == 0


def test_a_budget_ends_it_and_it_says_so(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-tests")
    with LoopbackServer(knows) as server:
        remote(tmp_path, server)
        done = cli("compare", "capitals.py", "--budget", "0", "--yes")
        assert server.requests == []
    assert done.code == 0
    assert "Not complete: the budget is spent (0 USD of 0 USD are spent, after" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.py"], "there is no file nowhere.py"),
        (["capitals.txt"], "give a Python file"),
        (
            ["capitals.py", "--arms", "bigram,sixgram"],
            "there is no arm 'sixgram' in capitals.py; there are bigram, five-gram",
        ),
        (["capitals.py", "--arms", "bigram"], "takes two arms or more, not 1"),
        (["capitals.py", "--limit", "0"], "at least 1, not 0"),
        (["capitals.py", "--samples", "0"], "of at least 1, not 0"),
        (["capitals.py", "--budget", "-1"], "US dollars, as in --budget 2.50"),
        (["capitals.py", "--report", "capitals.py/r.html"], "capitals.py is a file, and not a folder"),
        (["capitals.py", "--save", "capitals.py/s"], "capitals.py is a file, and not a folder"),
        (["empty.py"], "empty.py defines no arms; a comparison is arms, strategy, examples and metrics"),
        (["broken.py"], "broken.py cannot be imported: ZeroDivisionError"),
        (["lines.py"], "lines.py cannot be imported: ValueError: two lines (line 1)"),
        (["leaves.py"], "leaves.py cannot be imported: SystemExit: 0 (line 1)"),
        (["set.py", "--arms", "bigram"], "there is no arm 'bigram' in set.py; there are NGram(order="),
        (["capitals.py", "--save", "."], "is there already, and is no saved result; give another folder"),
        (["capitals.py", "--save", "set.py"], "is there already, and is no saved result"),
        (["capitals.py", "--report", "."], "this is a folder; give the name of a file in it"),
    ],
)
def test_bad_input_is_a_one_line_error(refused, file, tmp_path, words, said):
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "lines.py").write_text("raise ValueError('two\\nlines')\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "set.py").write_text(FILE + "\narms = set(arms.values())\n")
    assert said in refused("compare", *words)


# replay


def test_a_key_that_stands_in_the_file_is_not_saved_with_it_and_it_still_replays(cli, process, tmp_path):
    with LoopbackServer(knows) as server:
        key = "sk-of-tests-1234567890"
        keyed = REMOTE.replace("base_url=URL", f"base_url=URL, api_key='{key}'")
        (tmp_path / "capitals.py").write_text(f"URL = {server.base_url!r}\n" + keyed)
        assert cli("compare", "capitals.py", "--cache", "c", "--save", "s", "--yes").code == 0
    assert key not in (tmp_path / "s" / "capitals.py").read_text()
    again = process("replay", "s")
    assert again.code == 0
    assert "capitals.py ran again" in again.err


def test_a_saved_comparison_replays_the_same_table_to_the_byte(cli, process, file, tmp_path):
    done = cli("compare", "capitals.py", "--cache", "c", "--save", "s", "--limit", "9")
    table = done.out.split("\n\n", 2)[2].split("\n\nSaved in")[0]
    os.rename(tmp_path / "s", tmp_path / "elsewhere")
    os.rename(tmp_path / "c", tmp_path / "gone")
    file.unlink()
    again = process("replay", "elsewhere")
    assert again.err == "\ncapitals.py ran again, answered from the bundle\nthe same as the saved one\n"
    assert (again.code, again.out) == (0, f"{table}\n")


def test_it_replays_without_a_network_a_key_or_a_server(cli, process, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-tests")
    with LoopbackServer(knows) as server:
        remote(tmp_path, server)
        cli("compare", "capitals.py", "--cache", "c", "--save", "s", "--yes")
    again = process("replay", "s")
    assert again.code == 0
    assert "capitals.py ran again" in again.err


def test_a_pipe_that_lacks_a_letter_gets_its_escape(cli, file, tmp_path):
    cli("compare", "capitals.py", "--cache", "c", "--save", "s", "--arms", "five-gram,bigram")
    os.rename(tmp_path / "s", tmp_path / "é")
    done = subprocess.run(
        [sys.executable, "-m", "onetwo_like", "replay", "é"],
        cwd=tmp_path,
        env=environment() | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "\\u2013" in done.stdout) == (0, True)


def test_a_file_that_goes_out_reaches_nobody_and_the_rows_are_used(cli, process, file):
    file.write_text(
        FILE
        + "\nimport socket\nsocket.create_connection(('203.0.113.7', 80), 0.1) if __name__ == '__main__' else None\n"
    )
    cli("compare", "capitals.py", "--cache", "c", "--save", "s")
    again = process("replay", "s")
    assert again.code == 0
    assert (
        "recomputed from the rows (capitals.py does not run here: NetworkRefusedError: refused" in again.err
    )
    assert again.err.endswith("the same as the saved one\n")


@pytest.mark.parametrize("name", ["bundle.jsonl.gz", "rows.jsonl", "capitals.py", "table.txt"])
def test_a_tampered_file_is_one_line_and_exit_code_1(cli, file, tmp_path, name):
    cli("compare", "capitals.py", "--cache", "c", "--save", "s", "--limit", "8")
    path = tmp_path / "s" / name
    path.write_bytes(path.read_bytes()[:-2] + b"!\n")
    done = cli("replay", "s")
    assert (done.code, done.out) == (1, "")
    [line] = done.err.splitlines()
    assert f"{name} was changed after it was saved" in line


def test_another_result_is_a_diff_and_exit_code_1(cli, file, tmp_path):
    import hashlib

    cli("compare", "capitals.py", "--cache", "c", "--save", "s", "--limit", "8")
    program, sums = tmp_path / "s" / "capitals.py", tmp_path / "s" / "SHA256SUMS"
    old = hashlib.sha256(program.read_bytes()).hexdigest()
    program.write_text(program.read_text().replace("target == prediction", "target != prediction"))
    sums.write_text(sums.read_text().replace(old, hashlib.sha256(program.read_bytes()).hexdigest()))
    done = cli("replay", "s")
    assert done.code == 1
    assert "-bigram" in done.err
    assert "+bigram" in done.err
    assert done.err.splitlines()[-1].endswith("the result DIFFERS from the saved one")


def test_what_is_no_saved_result_is_a_one_line_error(refused, tmp_path):
    assert "is no saved result: there is no SHA256SUMS in it" in refused("replay", str(tmp_path))
    assert "is no saved result" in refused("report", "nowhere")


# report


def test_a_report_of_a_saved_comparison(cli, file, tmp_path):
    cli("compare", "capitals.py", "--save", "s", "--limit", "8", "--report", "first.html")
    assert cli("report", "s").out == "s.html\n"
    assert cli("report", "s", "other.html").out == "other.html\n"
    pages = [(tmp_path / name).read_text(encoding="utf-8") for name in ("first.html", "s.html", "other.html")]
    assert pages[1] == pages[2]
    assert pages[0] == pages[1]


# Killed


KILLED = """
import os, time
from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm

def slowly(prompt):
    with open("asked", "a") as file:
        file.write(prompt + "\\n")
    time.sleep(0.002)
    return prompt[::-1]

async def strategy(q):
    return await llm.generate_text(q)

arms = {name: (strategy, Scripted(slowly, name=name)) for name in ("a", "b")}
examples = [{"input": f"question {i}"} for i in range(400)]
metrics = {"long": lambda prediction: len(prediction) > 10}
result = ot.compare(arms, examples=examples, metrics=metrics, cache="c", max_concurrency=2)
open("table", "w").write(str(result))
"""


@pytest.mark.slow
def test_a_killed_comparison_continues_from_the_cache(tmp_path):
    (tmp_path / "script.py").write_text(KILLED)
    asked = tmp_path / "asked"
    running = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, env=environment())
    while not asked.exists() or len(asked.read_text().splitlines()) < 100:
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = len(asked.read_text().splitlines())
    assert before < 800
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment(), check=True)
    # At most the two that were under way are asked again.
    assert 800 <= len(asked.read_text().splitlines()) <= 802
    assert (tmp_path / "table").read_text().startswith("Comparison of 2 arms on list: 400 examples")
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment(), check=True)
    assert len(asked.read_text().splitlines()) <= 802
