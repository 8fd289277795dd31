"""Does a saved result come out the same when its file runs again, with nothing but its bundle?"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from onetwo_like.experiments.replaying import difference, rerun
from onetwo_like.experiments.saving import saved
from tests.servers.loopback import LoopbackServer

ROOT = Path(__file__).parents[2]

HEAD = """
import os
from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.core.request import Reply, Usage
from onetwo_like.errors import BackendError

def talks(prompt):
    if os.path.exists("silent"):
        raise AssertionError("somebody was asked")
    if "2+2" in prompt:
        raise BackendError("away")
    a, b = prompt.split()[1].split("+")
    return Reply(str(int(a) + int(b)), Usage(3, 1, cost=0.25), duration_s=0.5)

arms = {"one": Scripted(talks, name="one"), "two": Scripted(talks, name="two")}
def strategy(question):
    return llm.generate_text(f"Q: {question}\\nA:")
def exact(target, prediction):
    return target == prediction
metrics = {"exact": exact}
examples = [{"id": f"{a}+{b}", "input": f"{a}+{b}", "target": str(a + b)} for a in range(3) for b in range(4)]
"""


def again_in_process(folder):
    kept = saved(folder)
    again = rerun(kept)
    return again, difference(kept.result, again.result, kept.table.rstrip("\n"))


def run_script(path, text, python):
    path.write_text(HEAD + text)
    done = python(str(path))
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
        )

    return run


def test_a_script_runs_again_from_its_bundle_with_its_failures(tmp_path, python):
    text = """
result = ot.compare(arms, strategy, examples, metrics, cache="c", samples=2)
print(result)
result.save("s")
result.report("report.html")
"""
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    (tmp_path / "report.html").unlink()
    before = (tmp_path / "s" / "SHA256SUMS").read_bytes()
    again, lines = again_in_process(tmp_path / "s")
    assert again.how == "script.py ran again, answered from the bundle"
    assert lines == []
    failed = [row.error for row in again.result.rows if row.status == "error"]
    assert failed == ["BackendError: away"] * 4
    assert (tmp_path / "s" / "SHA256SUMS").read_bytes() == before
    assert not (tmp_path / "report.html").exists()


def test_the_saved_one_of_several_comparisons_is_found(tmp_path, python):
    text = """
ot.compare(arms, strategy, examples, metrics, cache="c", seed=1)
ot.compare(arms, strategy, examples, metrics, cache="c", seed=2).save("s")
"""
    run_script(
        tmp_path / "script.py",
        text.replace(
            'ot.compare(arms, strategy, examples, metrics, cache="c", seed=1)',
            'ot.compare(arms, strategy, examples[:8], metrics, cache="c", seed=1)',
        ),
        python,
    )
    (tmp_path / "silent").touch()
    again, lines = again_in_process(tmp_path / "s")
    assert (again.result.about.seed, lines) == (2, [])


def test_each_of_several_comparisons_in_a_file_replays_from_its_own_bundle(tmp_path, python):
    text = """
def asking(words):
    return lambda question: llm.generate_text(f"{words} {question}\\nA:")
for words in ("First", "Second", "Third"):
    ot.compare(arms, asking(words), examples, metrics, cache="c", samples=2).save(words)
ot.evaluate(strategy, examples, metrics, backend=arms["one"], cache="c").save("one")
"""
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    for folder in ("First", "Second", "Third", "one"):
        again, lines = again_in_process(tmp_path / folder)
        assert again.how == "script.py ran again, answered from the bundle"
        assert lines == []


def test_a_module_put_beside_a_saved_file_is_not_imported(tmp_path, python):
    text = """
import helper
ot.compare(arms, strategy, examples, metrics, cache="c").save("s")
"""
    (tmp_path / "helper.py").write_text("")
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "s" / "helper.py").write_text("raise AssertionError('it was imported')\n")
    again, lines = again_in_process(tmp_path / "s")
    assert "No module named 'helper'" in again.how
    assert lines == []


def test_what_a_file_does_after_the_saved_comparison_does_not_keep_it_from_replaying(tmp_path, python):
    text = """
ot.compare(arms, strategy, examples, metrics, cache="c").save("s")
assert not os.path.exists("silent")
"""
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    again, lines = again_in_process(tmp_path / "s")
    assert again.how == "script.py ran again, answered from the bundle"
    assert lines == []


def test_a_part_that_a_budget_ended_runs_again_as_that_part(tmp_path, python):
    text = """
result = ot.compare(arms, strategy, examples, metrics, cache="c", budget=ot.Budget(usd=2.0), max_concurrency=1)
assert not result.complete
result.save("s")
"""
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    again, lines = again_in_process(tmp_path / "s")
    assert lines == []
    assert not again.result.complete


def test_a_script_whose_strategy_was_changed_differs(tmp_path, python):
    run_script(
        tmp_path / "script.py", 'ot.compare(arms, strategy, examples, metrics, cache="c").save("s")', python
    )
    program = tmp_path / "s" / "script.py"
    program.write_text(
        program.read_text().replace("return target == prediction", "return target != prediction")
    )
    sums = tmp_path / "s" / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if not line.endswith("script.py")]
    lines.append(f"{hashlib.sha256(program.read_bytes()).hexdigest()}  script.py")
    sums.write_text("\n".join(lines) + "\n")
    (tmp_path / "silent").touch()
    _, lines = again_in_process(tmp_path / "s")
    assert lines[0] == "--- saved"


def test_answers_that_are_objects_without_a_form_replay(tmp_path, python):
    text = """
class Answer:
    def __init__(self, text):
        self.text = text
async def wrapped(question):
    return [Answer(await strategy(question)), strategy]
metrics = {"letters": lambda prediction: (len(prediction[0].text), prediction[0])}
ot.compare(arms, wrapped, examples, metrics, cache="c").save("s")
"""
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    again, lines = again_in_process(tmp_path / "s")
    assert again.how == "script.py ran again, answered from the bundle"
    assert lines == []


def test_the_file_of_the_examples_travels_with_it(tmp_path, python):
    text = """
import json
if not os.path.exists("silent"):
    with open("sums.jsonl", "w") as file:
        file.write("".join(json.dumps(example) + "\\n" for example in examples))
ot.compare(arms, strategy, "sums.jsonl", metrics, cache="c").save("s")
"""
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    (tmp_path / "sums.jsonl").write_text('{"input": "9+9", "target": "18"}\n')
    again, lines = again_in_process(tmp_path / "s")
    assert lines == []
    assert again.how == "script.py ran again, answered from the bundle"


def test_a_file_that_needs_what_is_not_here_is_recomputed_from_the_rows(tmp_path, python):
    (tmp_path / "helper.py").write_text("x = 1\n")
    run_script(
        tmp_path / "script.py",
        'import helper\not.compare(arms, strategy, examples, metrics, cache="c").save("s")',
        python,
    )
    (tmp_path / "helper.py").unlink()
    again, lines = again_in_process(tmp_path / "s")
    assert (
        again.how
        == "recomputed from the rows (script.py does not run here: ModuleNotFoundError: No module named 'helper')"
    )
    assert lines == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("""
with ot.RegistryContext():
    arms["one"].register()
    asked = ot.run(strategy("5+4"))
examples.append({"id": "asked", "input": "4+5", "target": asked})
""", "AssertionError: somebody was asked"),
        ("""
import sys
if not os.path.exists("silent"):
    sys.argv.append("12")
examples = examples[: int(sys.argv[1])]
""", "IndexError: list index out of range"),
    ],
    ids=["asks a model for its examples", "reads its arguments"],
)  # fmt: skip
def test_what_keeps_a_file_from_running_here_is_said_and_the_rows_are_used(tmp_path, python, text, why):
    text += '\not.compare(arms, strategy, examples, metrics, cache="c").save("s")\n'
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    again, lines = again_in_process(tmp_path / "s")
    assert again.how == f"recomputed from the rows (script.py does not run here: {why})"
    assert lines == []


@pytest.mark.parametrize(
    ("asked", "how"),
    [
        ("Q: 1+1\\nA:", "script.py ran again, answered from the bundle"),
        ("Q: 9+9\\nA:", "recomputed from the rows (script.py does not run here: ReplayMiss: not recorded"),
    ],
)
def test_what_a_file_asks_beside_its_comparison_is_asked_of_no_server(tmp_path, python, asked, how):
    with LoopbackServer() as server:
        text = f"""
from onetwo_like.backends import OpenAI
tiny = OpenAI("tiny", base_url={server.base_url!r}, api_key="none")
with ot.RegistryContext():
    tiny.register()
    ot.run(llm.generate_text("{asked}"))
arms = {{"tiny": tiny, "one": arms["one"]}}
ot.compare(arms, strategy, examples, metrics, cache="c").save("s")
"""
        run_script(tmp_path / "script.py", text, python)
        before = len(server.requests)
        (tmp_path / "silent").touch()
        again, lines = again_in_process(tmp_path / "s")
        assert len(server.requests) == before
    assert again.how.startswith(how)
    assert lines == []


@pytest.mark.parametrize("cache", ["None", "ot.Cache('c', mode='off')"])
def test_calls_that_no_cache_has_are_recomputed_from_the_rows(tmp_path, python, cache):
    text = f"ot.compare(arms, strategy, examples, metrics, cache={cache}).save('s')"
    run_script(tmp_path / "script.py", text, python)
    again, lines = again_in_process(tmp_path / "s")
    assert again.how == "recomputed from the rows (calls of generate_text are in no cache)"
    assert lines == []


FAILURES = """
import dataclasses
from onetwo_like.experiments.metrics import judge, over_samples, pairwise_judge
from onetwo_like.errors import OneTwoError

@dataclasses.dataclass(frozen=True)
class Sum:
    value: int

async def second_try(question):
    try:
        return Sum(int(await llm.generate_text(f"Q: {question}\\nA:")))
    except BackendError:
        return Sum(int(await llm.generate_text("Q: 0+4\\nA:")))

def judging(prompt):
    if os.path.exists("silent"):
        raise AssertionError("the judge was asked")
    if "5" in prompt:
        raise BackendError("the judge is away")
    return '"1"' if "[1]" in prompt else '"yes"'

def value(prediction, target):
    return prediction.value - int(target)

@over_samples
def spread(predictions):
    return len({each.value for each in predictions})

judges = Scripted(judging, name="judge")
metrics = {
    "value": value,
    "spread": spread,
    "fine": judge("Is {{ prediction.value }} fine?", backend=judges),
    "better": pairwise_judge("[1] {{ answer_1.value }} or {{ answer_2.value }}?", backend=judges),
}
async def third(question):
    return Sum(int(question[0]) + 1)

arms = {**arms, "three": (third, Scripted(talks, name="three"))}
"""


def test_what_failed_and_what_came_of_it_is_taken_as_it_was(tmp_path, python):
    text = (
        FAILURES
        + """
result = ot.compare(arms, second_try, examples, metrics, cache="c", samples=2)
result.save("s")
"""
    )
    run_script(tmp_path / "script.py", text, python)
    (tmp_path / "silent").touch()
    again, lines = again_in_process(tmp_path / "s")
    assert lines == []
    assert again.how == "script.py ran again, answered from the bundle"
    kept = saved(tmp_path / "s").result
    reasons = {x.reason.split(": ", 1)[1] for x in kept.excluded}
    assert any("beside three: metric 'better' failed" in reason for reason in reasons)
    assert any("metric 'fine' failed" in reason for reason in reasons)
    assert [list(x) for x in again.result.excluded] == [list(x) for x in kept.excluded]
    assert [(p.a, p.b, p.example, p.score) for p in again.result.pairs] == [
        (p.a, p.b, p.example, p.score) for p in kept.pairs
    ]
    tried = [row for row in kept.rows if len(row.calls) == 2]
    assert {(row.example, row.status, row.cache) for row in tried} == {("2+2", "ok", "mixed")}


def test_a_part_with_judges_that_a_budget_ended_runs_again_as_that_part(tmp_path, python):
    text = (
        FAILURES
        + """
priced = Scripted(lambda prompt: Reply('"yes"' if "[1]" not in prompt else '"1"', Usage(1, 1, cost=0.25)), name="judge")
metrics |= {
    "fine": judge("Is {{ prediction.value }} fine?", backend=priced),
    "better": pairwise_judge("[1] {{ answer_1.value }} or {{ answer_2.value }}?", backend=priced),
}
result = ot.compare(arms, second_try, examples, metrics, cache="c", samples=2, budget=ot.Budget(calls=BUDGET), max_concurrency=1)
assert not result.complete
result.save("s")
"""
    )
    for budget in (5, 6, 7, 8, 9):
        (tmp_path / "silent").unlink(missing_ok=True)
        run_script(tmp_path / "script.py", text.replace("BUDGET", str(budget)), python)
        (tmp_path / "silent").touch()
        again, lines = again_in_process(tmp_path / "s")
        assert lines == []
        assert again.result.excluded == saved(tmp_path / "s").result.excluded
        shutil.rmtree(tmp_path / "c")
