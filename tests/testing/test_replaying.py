"""Does the fixture `ot_cache` replay a test file from the bundle beside it, and fail what the bundle does not hold?"""

import json
import subprocess
import sys

import pytest

# A run inside this process forgets what it imported, and must not import again what others hold on to.
import onetwo_like.backends.scripted
import onetwo_like.builtins.llm
import onetwo_like.ot
import onetwo_like.testing.replaying  # noqa: F401

PLUGIN = "onetwo_like.testing.pytest_plugin"

TESTS = """
    import pytest
    from onetwo_like import ot
    from onetwo_like.builtins import llm
    from onetwo_like.testing import Scripted

    def ask(prompt):
        with ot.RegistryContext():
            Scripted({answers}, name="model").register()
            return ot.run(llm.generate_text(prompt))

    def test_france(ot_cache):
        assert ask("France?") == "Paris"
        assert ot_cache.report().hits + ot_cache.report().made == 1

    def test_spain(ot_cache):
        assert ask("Spain?") == "Madrid"

    def test_of_nothing():
        pass
"""
KNOWN = {"France?": "Paris", "Spain?": "Madrid"}


@pytest.fixture
def file(pytester):
    """Writes the test file, with a model that knows these answers."""

    def write(answers, tests=TESTS):
        pytester.makepyfile(test_cities=tests.replace("{answers}", repr(answers)))

    return write


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest in the folder."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take most of the time
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # the file changes faster than its time stamp

    def in_process(*words):
        return pytester.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider", *words)

    return in_process


@pytest.fixture
def recorded(file, run, pytester):
    """A file with its bundle, whose model answers no more."""
    file(KNOWN)
    run("--ot-replay=record").assert_outcomes(passed=3)
    file({})
    return pytester.path / "test_cities.replay.jsonl"


def test_what_was_recorded_replays_without_the_model(recorded, run):
    lines = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert sorted(line["text"] for line in lines[1:]) == ["Madrid", "Paris"]
    before = recorded.read_bytes()
    run().assert_outcomes(passed=3)
    run("--ot-replay=strict").assert_outcomes(passed=3)
    assert recorded.read_bytes() == before


def test_a_call_that_was_not_recorded_fails_and_says_how_to_record_it(file, run, pytester):
    file(KNOWN)
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*ReplayMiss: not recorded: generate_text(prompt='France?')*"])
    result.stdout.fnmatch_lines(["*pytest --ot-replay=record*"])
    assert not (pytester.path / "test_cities.replay.jsonl").exists()


def test_a_miss_that_the_test_swallows_fails_it_all_the_same(file, run):
    file(
        KNOWN, TESTS.replace('assert ask("Spain?") == "Madrid"', "pytest.raises(LookupError, ask, 'Spain?')")
    )
    result = run()
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 calls are not in test_cities.replay.jsonl*"])


def test_entries_that_no_test_asks_for_fail_when_the_whole_file_ran(recorded, file, run):
    file({}, TESTS.replace('assert ask("Spain?") == "Madrid"', "pass"))
    result = run()
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*1 entries of test_cities.replay.jsonl were asked for by no test*"])
    run("--ot-replay=record").assert_outcomes(passed=3)  # drops it
    assert len(recorded.read_text().splitlines()) == 2
    run().assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        (["-k", "france"], 1),
        (["test_cities.py::test_france"], 1),
        (["--deselect", "test_cities.py::test_spain"], 2),
    ],
)
def test_entries_may_be_unused_when_only_some_tests_ran(recorded, run, words, passed):
    result = run(*words)
    assert result.parseoutcomes()["passed"] == passed
    assert "errors" not in result.parseoutcomes()
    before = recorded.read_bytes()
    run("--ot-replay=record", *words)
    assert recorded.read_bytes() == before


def test_a_failing_test_does_not_make_the_entries_it_did_not_reach_unused(recorded, file, run):
    file({}, TESTS.replace('assert ask("Spain?")', 'assert 0, ask("Spain?")'))
    run().assert_outcomes(passed=2, failed=1)
    before = recorded.read_bytes()
    run("--ot-replay=record").assert_outcomes(passed=2, failed=1)
    assert recorded.read_bytes() == before


def test_recording_asks_only_for_what_is_missing(recorded, file, run):
    file({"Italy?": "Rome"}, TESTS.replace('ask("Spain?") == "Madrid"', 'ask("Italy?") == "Rome"'))
    run("--ot-replay=record").assert_outcomes(passed=3)
    lines = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert sorted(line["text"] for line in lines[1:]) == ["Paris", "Rome"]


def test_off_asks_every_time_and_writes_nothing(file, run, pytester):
    file(KNOWN, TESTS.replace("assert ot_cache.report().hits", "assert 1 + ot_cache.report().hits"))
    run("--ot-replay=off").assert_outcomes(passed=3)
    assert [path.name for path in pytester.path.iterdir() if path.suffix == ".jsonl"] == []


def test_a_damaged_bundle_is_named(recorded, run):
    recorded.write_text(recorded.read_text().replace("Paris", "Lyons"))
    result = run()
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*test_cities.replay.jsonl is damaged*line*"])


def test_two_files_have_two_bundles(file, run, pytester):
    file(KNOWN)
    pytester.makepyfile(test_other=TESTS.replace("{answers}", repr(KNOWN)))
    run("--ot-replay=record").assert_outcomes(passed=6)
    assert sorted(path.name for path in pytester.path.glob("*.jsonl")) == [
        "test_cities.replay.jsonl", "test_other.replay.jsonl"
    ]  # fmt: skip
    run().assert_outcomes(passed=6)


def test_the_plugin_imports_nothing_before_it_is_used():
    """It is loaded in every run of pytest where the package is installed."""
    program = f"""
import sys, pytest
before = set(sys.modules)
import {PLUGIN}
print(sorted(name for name in set(sys.modules) - before if name.startswith(("onetwo", "jinja", "asyncio"))))
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    light = ["onetwo_like", "onetwo_like.core", "onetwo_like.core.late", "onetwo_like.testing", PLUGIN]
    assert shown.strip() == str(light)


def test_naming_the_plugin_twice_does_no_harm(pytester):
    """Where the package is installed pytest loads it as an entry point, and a conftest.py may name it as well."""
    pytester.makeconftest(f"pytest_plugins = [{PLUGIN!r}]")
    (pytester.path / "fake-1.dist-info").mkdir()
    (pytester.path / "fake-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: fake\nVersion: 1\n"
    )
    (pytester.path / "fake-1.dist-info" / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    pytester.makepyfile("def test_it(no_network, ot_cache): pass")
    pytester.syspathinsert()
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
