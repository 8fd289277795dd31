"""Does a saved result prove itself: unchanged to the byte, and the same when it is computed again?"""

import os

import pytest

from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import UsageError
from onetwo_like.experiments.replaying import difference, rerun
from onetwo_like.experiments.saving import DamagedError, saved
from onetwo_like.middleware.bundle import BundleStore

SUMS = [{"id": f"{a}+{b}", "input": f"{a}+{b}", "target": str(a + b)} for a in range(3) for b in range(4)]


def exact(target, prediction):
    return target == prediction


def answer(question):
    return llm.generate_text(f"Q: {question}\nA:")


def solves(prompt):
    a, b = prompt.split()[1].split("+")
    return str(int(a) + int(b))


def compared(cache, **more):
    arms = {"seven": Scripted(lambda prompt: "7", name="seven"), "right": Scripted(solves, name="right")}
    return ot.compare(arms, answer, SUMS, {"exact": exact}, cache=cache, **more)


def test_a_saved_result_comes_back(tmp_path):
    result = compared(tmp_path / "c", samples=2)
    result.save(tmp_path / "s")
    kept = saved(tmp_path / "s")
    assert kept.result == result
    assert kept.table == f"{result}\n"
    assert sorted(os.listdir(tmp_path)) == ["c", "s"]


def test_the_bundle_has_what_was_used_and_nothing_else(tmp_path):
    with ot.RegistryContext(), ot.caching(tmp_path / "c"):
        Scripted(solves, name="other").register()
        ot.run(answer("99+1"))
    compared(tmp_path / "c").save(tmp_path / "s")
    bundle = BundleStore(tmp_path / "s" / "bundle.jsonl.gz")
    assert len(bundle) == 24
    assert bundle.manifest["datasets"] == {"list": saved(tmp_path / "s").result.about.dataset["hash"]}


def test_the_bundle_gathers_the_caches_of_all_backends(tmp_path):
    arms = {
        "seven": Scripted(lambda prompt: "7", name="seven", cache=ot.Cache(tmp_path / "a")),
        "right": Scripted(solves, name="right", cache=ot.Cache(tmp_path / "b")),
    }
    ot.compare(arms, answer, SUMS, {"exact": exact}).save(tmp_path / "s")
    assert len(BundleStore(tmp_path / "s" / "bundle.jsonl.gz")) == 24


def test_a_cache_that_was_closed_meanwhile_is_opened_again(tmp_path):
    with ot.caching(tmp_path / "c"):
        result = compared(None)
    result.save(tmp_path / "s")
    assert len(BundleStore(tmp_path / "s" / "bundle.jsonl.gz")) == 24


def test_checksums_are_those_of_sha256sum(tmp_path):
    import hashlib

    compared(tmp_path / "c").save(tmp_path / "s")
    lines = (tmp_path / "s" / "SHA256SUMS").read_text().splitlines()
    names = {line.split("  ")[1]: line.split("  ")[0] for line in lines}
    assert set(names) == {p.name for p in (tmp_path / "s").iterdir()} - {"SHA256SUMS"}
    for name, digest in names.items():
        assert hashlib.sha256((tmp_path / "s" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    "name", ["rows.jsonl", "bundle.jsonl.gz", "result.json", "table.txt", "test_saving.py"]
)
def test_a_byte_that_differs_is_named(tmp_path, name):
    compared(tmp_path / "c").save(tmp_path / "s")
    path = tmp_path / "s" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedError, match=f"{name} was changed after it was saved"):
        saved(tmp_path / "s")


def test_a_file_that_is_gone_is_named(tmp_path):
    compared(tmp_path / "c").save(tmp_path / "s")
    (tmp_path / "s" / "rows.jsonl").unlink()
    with pytest.raises(DamagedError, match=r"rows\.jsonl is missing"):
        saved(tmp_path / "s")


def test_saving_again_takes_the_place_of_a_saved_result_only(tmp_path):
    result = compared(tmp_path / "c")
    result.save(tmp_path / "s")
    compared(tmp_path / "c", seed=3).save(tmp_path / "s")
    assert saved(tmp_path / "s").result.about.seed == 3
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="is there already, and is no saved result"):
        result.save(tmp_path / "notes")
    assert os.listdir(tmp_path / "notes") == ["mine.txt"]
    assert sorted(os.listdir(tmp_path)) == ["c", "notes", "s"]


def test_what_is_no_saved_result_is_said(tmp_path):
    with pytest.raises(UsageError, match="is no saved result"):
        saved(tmp_path)


def test_without_a_file_it_is_recomputed_from_the_rows(tmp_path):
    result = ot.Comparison.from_json(compared(tmp_path / "c").to_json())
    result.save(tmp_path / "s")
    kept = saved(tmp_path / "s")
    assert kept.program is None
    again = rerun(kept)
    assert again.how == "recomputed from the rows (no file defines it)"
    assert difference(kept.result, again.result, kept.table.rstrip("\n")) == []


def test_a_file_that_makes_no_such_comparison_is_recomputed_from_the_rows(tmp_path):
    compared(tmp_path / "c").save(
        tmp_path / "s"
    )  # of a function in this file, which compares nothing when it runs
    kept = saved(tmp_path / "s")
    assert kept.program is not None
    assert kept.program.name == "test_saving.py"
    assert (
        rerun(kept).how
        == "recomputed from the rows (test_saving.py neither makes nor defines this comparison)"
    )


def test_other_rows_are_a_difference(tmp_path):
    result = compared(tmp_path / "c")
    other = ot.Comparison.from_json(result.to_json())
    other.rows[5] = other.rows[5]._replace(prediction="8")
    lines = difference(result, other, str(result))
    assert lines[0] == "--- saved: seven, example 1+1, sample 0: prediction"
    assert lines[2:] == ["-'7'", "+'8'"]
    assert difference(result, result, "another table")[0] == "--- saved"


# Files that run again

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
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parents[2]
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(root), "PATH": ""},
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
    import hashlib

    lines = [line for line in sums.read_text().splitlines() if not line.endswith("script.py")]
    lines.append(f"{hashlib.sha256(program.read_bytes()).hexdigest()}  script.py")
    sums.write_text("\n".join(lines) + "\n")
    (tmp_path / "silent").touch()
    _, lines = again_in_process(tmp_path / "s")
    assert lines[0] == "--- saved"


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


def test_calls_that_no_cache_has_are_recomputed_from_the_rows(tmp_path, python):
    run_script(tmp_path / "script.py", 'ot.compare(arms, strategy, examples, metrics).save("s")', python)
    again, lines = again_in_process(tmp_path / "s")
    assert again.how == "recomputed from the rows (calls of generate_text are in no cache)"
    assert lines == []
