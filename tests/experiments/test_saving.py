"""Does a saved result prove itself: unchanged to the byte, and the same when it is computed again?"""

import hashlib
import json
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


def test_examples_of_the_home_folder_travel_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(example) + "\n" for example in SUMS))
    arms = {"seven": Scripted(["7"] * 12), "eight": Scripted(["8"] * 12)}
    ot.compare(arms, answer, "~/sums.jsonl", {"exact": exact}).save("~/s")
    kept = saved(tmp_path / "s").data
    assert kept is not None
    assert kept.read_bytes() == (tmp_path / "sums.jsonl").read_bytes()


def test_a_report_makes_the_folder_that_it_is_to_stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    compared(tmp_path / "c").report("~/reports/today/sums.html")
    assert (tmp_path / "reports" / "today" / "sums.html").is_file()


def test_checksums_are_those_of_sha256sum(tmp_path):
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


def test_only_a_file_among_the_checksums_is_run(tmp_path):
    compared(tmp_path / "c").save(tmp_path / "s")
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')\n")
    path, sums = tmp_path / "s" / "result.json", tmp_path / "s" / "SHA256SUMS"
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    data = json.loads(path.read_text())
    for name in ("program", "data"):
        data["saved"] = {"program": None, "data": None, "uncached": [], name: "../evil.py"}
        path.write_text(json.dumps(data))
        new = hashlib.sha256(path.read_bytes()).hexdigest()
        sums.write_text(sums.read_text().replace(old, new))
        old = new
        with pytest.raises(DamagedError, match=r"evil\.py is not among the checksums"):
            saved(tmp_path / "s")


def test_checksums_that_are_no_text_are_damage(tmp_path):
    compared(tmp_path / "c").save(tmp_path / "s")
    with open(tmp_path / "s" / "SHA256SUMS", "ab") as file:
        file.write(b"\xff\xfe  x\n")
    with pytest.raises(DamagedError, match="x is missing"):
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
