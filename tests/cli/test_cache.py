"""Do the commands show, compare, check, clear and carry a cache, with the exit codes that scripts rely on?"""

import contextlib
import gzip
import os
import sqlite3
import time

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import ContentRefusedError
from onetwo_like.testing import Scripted


def record(folder, answers, name="model"):
    """A cache of prompts and their answers."""
    with ot.RegistryContext(), ot.caching(folder, mode="refresh"):
        Scripted(answers, name=name).register()
        for prompt in answers:
            with contextlib.suppress(ContentRefusedError):
                ot.run(llm.generate_text(prompt))
    return str(folder)


@pytest.fixture
def folder(tmp_path):
    answers = {
        "The capital of France?": ot.Reply("Paris", ot.Usage(5, 1, cost=0.25), "stop", "model-7", 1.7e9),
        "A long text": ot.Reply("Once upon", finish_reason="length", recorded_at=1.6e9),
        "Something forbidden": ContentRefusedError("not for children"),
    }
    return record(tmp_path / "cache", answers)


def keys(folder):
    with ot.Cache(folder, mode="replay") as cache:
        return {entry.document["arguments"]["prompt"]: entry.key for entry in cache}


def damage(folder):
    with contextlib.closing(sqlite3.connect(os.path.join(folder, "cache.db"))) as connection:
        connection.execute("UPDATE Cache SET value = CAST(substr(value, 1, 30) AS BLOB) WHERE rowid = 1")
        connection.commit()


def test_ls_has_a_line_for_each_entry(cli, folder):
    done = cli("cache", "ls", folder)
    assert done.code == 0
    first, second, third = done.out.splitlines()
    assert first.startswith(keys(folder)["The capital of France?"][:12])
    for part in ("2023-11-1", "generate_text", "scripted:model", "The capital of France?", "Paris"):
        assert part in first
    assert "[truncated] Once upon" in second
    assert "[refused] not for children" in third
    assert "3 of 3 entries" in done.err


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--text", "PARIS"], ["Paris"]),
        (["--text", "capital"], ["Paris"]),
        (["--text", "forbidden"], ["not for children"]),
        (["--model", "model-7"], ["Paris"]),
        (["--model", "scripted*"], ["Paris", "Once upon", "not for children"]),
        (["--model", "mod"], []),
        (["--operation", "generate_text"], ["Paris", "Once upon", "not for children"]),
        (["--operation", "chat"], []),
        (["--since", "2023-01-01"], ["Paris", "not for children"]),
        (["--since", "1d"], ["not for children"]),
        (["--since", "2023-01-01T00:00", "--text", "i"], ["Paris", "not for children"]),
    ],
)
def test_ls_filters(cli, folder, options, shown):
    done = cli("cache", "ls", folder, *options)
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) == len(shown)
    assert all(text in line for text, line in zip(shown, lines, strict=True))


def test_show_prints_the_request_and_the_reply_as_a_person_reads_them(cli, folder):
    key = keys(folder)["The capital of France?"]
    done = cli("cache", "show", folder, key[:8])
    assert done.code == 0
    assert f"key          {key}\n" in done.out
    assert "\nprompt:\n    The capital of France?\n" in done.out
    assert "\nreply:\n    Paris\n" in done.out
    assert "usage        input_tokens 5, output_tokens 1, cost 0.25" in done.out
    assert "model        model-7" in done.out
    refused = cli("cache", "show", folder, keys(folder)["Something forbidden"])
    assert "reply (refused):\n    not for children" in refused.out


def test_show_has_the_earlier_replies(cli, folder):
    record(folder, {"The capital of France?": "Lyon"})
    done = cli("cache", "show", folder, keys(folder)["The capital of France?"])
    assert "reply:\n    Lyon\n" in done.out
    assert "earlier reply 1, of 2023-11-1" in done.out
    assert done.out.endswith("    Paris\n")


@pytest.mark.parametrize("key", ["ffff", "xyz", "ab", "0" * 65])
def test_show_of_no_such_key_is_wrong_input(cli, folder, key):
    done = cli("cache", "show", folder, key)
    assert done.code == 2
    assert key in done.err


def test_stats_count(cli, folder):
    done = cli("cache", "stats", folder)
    assert done.code == 0
    for line in (
        "entries        3",
        "tokens in      5",
        "cost           $0.2500",
        "marked         refused: 1",
    ):
        assert line in done.out


def test_diff_lists_what_only_one_has_and_what_is_answered_differently(cli, tmp_path):
    one = record(tmp_path / "one", {"a": "1", "b": "2", "c": "3"})
    other = record(tmp_path / "other", {"b": "2", "c": "4", "d": "5"})
    done = cli("cache", "diff", one, other)
    assert done.code == 0
    assert f"only in {one}: 1\n" in done.out
    assert f"only in {other}: 1\n" in done.out
    assert "answered differently: 1\n" in done.out
    assert f"{one}: 3\n" in done.out
    assert f"{other}: 4\n" in done.out


def test_verify_names_what_is_damaged_and_says_so_by_its_code(cli, folder):
    assert cli("cache", "verify", folder).code == 0
    damage(folder)
    done = cli("cache", "verify", folder)
    assert done.code == 1
    assert "is damaged" in done.out
    for command in ("ls", "stats"):
        done = cli("cache", command, folder)
        assert done.code == 1
        assert "1 entries are damaged" in done.err


def test_nothing_is_deleted_without_yes(cli, folder):
    done = cli("cache", "prune", folder, "--older-than", "2022-01-01")
    assert done.code == 0
    assert "Once upon" in done.out
    assert "1 entries would be deleted" in done.err
    assert len(keys(folder)) == 3
    done = cli("cache", "prune", folder, "--older-than", "2022-01-01", "--yes")
    assert done.code == 0
    assert sorted(keys(folder)) == ["Something forbidden", "The capital of France?"]
    assert cli("cache", "prune", folder, "--model", "nobody", "--yes").code == 0
    assert len(keys(folder)) == 2
    assert cli("cache", "prune", folder, "--operation", "generate_text", "--yes").code == 0
    assert keys(folder) == {}


def test_prune_without_a_filter_is_wrong_input(cli, folder):
    done = cli("cache", "prune", folder, "--yes")
    assert done.code == 2
    assert len(keys(folder)) == 3


def test_what_is_exported_is_imported_elsewhere_and_replays(cli, folder, tmp_path):
    assert cli("cache", "export", folder, "b.jsonl.gz").code == 0
    assert cli("cache", "import", "elsewhere", "b.jsonl.gz").code == 0
    assert keys("elsewhere") == keys(folder)
    assert cli("cache", "export", "elsewhere", "again.jsonl.gz").code == 0
    assert (tmp_path / "b.jsonl.gz").read_bytes() == (tmp_path / "again.jsonl.gz").read_bytes()
    assert cli("cache", "diff", folder, "b.jsonl.gz").out.count(": 0\n") == 3


def test_export_filters(cli, folder):
    done = cli("cache", "export", folder, "b.jsonl", "--text", "Paris")
    assert "1 entries written" in done.err
    assert "Paris" in cli("cache", "ls", "b.jsonl").out


def test_a_conflict_is_reported_and_ones_own_stays(cli, tmp_path):
    mine = record(tmp_path / "mine", {"a": "mine"})
    theirs = record(tmp_path / "theirs", {"a": "theirs", "b": "new"})
    cli("cache", "export", theirs, "b.jsonl.gz")
    done = cli("cache", "import", mine, "b.jsonl.gz")
    assert done.code == 1
    assert "1 conflicts" in done.err
    assert keys(mine)["a"] in done.out
    with ot.Cache(mine) as cache:
        assert sorted(entry.reply.value for entry in cache) == ["mine", "new"]


def test_a_damaged_bundle_is_refused_and_makes_no_cache(cli, folder, tmp_path):
    cli("cache", "export", folder, "b.jsonl.gz")
    text = gzip.decompress((tmp_path / "b.jsonl.gz").read_bytes())
    (tmp_path / "b.jsonl").write_bytes(text.replace(b"Paris", b"Lyons"))
    done = cli("cache", "import", "elsewhere", "b.jsonl")
    assert done.code == 1
    assert "damaged" in done.err
    assert not (tmp_path / "elsewhere").exists()
    assert cli("cache", "verify", "b.jsonl").code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "missing"], ["show", "missing", "abcd"], ["stats", "missing"], ["verify", "missing"],
        ["diff", "missing", "missing"], ["prune", "missing", "--model", "x", "--yes"], ["ls", "missing.jsonl"],
        ["export", "missing", "b.jsonl"], ["import", "missing", "missing.jsonl"], ["ls"], ["ls", "a", "b"], [],
        ["frobnicate", "missing"],
    ],
)  # fmt: skip
def test_where_no_cache_is_the_code_is_2_and_none_is_made(cli, tmp_path, words):
    done = cli("cache", *words)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ls", "{}", "--since", "yesterday"], "'yesterday' is no date"),
        (["export", "{}", "b.zip"], "called *.jsonl or *.jsonl.gz"),
        (["import", "b.jsonl", "b.jsonl"], "is for reading"),
    ],
)
def test_wrong_words_are_said_in_one_line(cli, folder, words, said):
    done = cli("cache", *[word.format(folder) for word in words])
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_a_folder_of_other_things_is_left_alone(cli, folder, tmp_path):
    cli("cache", "export", folder, "b.jsonl")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "nice.jpg").write_text("")
    assert cli("cache", "import", "photos", "b.jsonl").code == 2
    assert os.listdir(tmp_path / "photos") == ["nice.jpg"]


def test_looking_changes_nothing_in_the_folder(cli, folder):
    before = {name: os.stat(os.path.join(folder, name)).st_mtime_ns for name in os.listdir(folder)}
    for words in (["ls"], ["stats"], ["verify"]):
        assert cli("cache", *words, folder).code == 0
    after = {name: os.stat(os.path.join(folder, name)).st_mtime_ns for name in os.listdir(folder)}
    assert after == before


@pytest.mark.parametrize(
    "words", [[], ["ls"], ["show"], ["stats"], ["diff"], ["verify"], ["prune"], ["export"], ["import"]]
)
def test_help_has_an_example(cli, words):
    done = cli("cache", *words, "--help")
    assert done.code == 0
    assert "onetwo-like cache " in done.out.split("example:")[1]


def test_the_machines_clock_says_what_is_old(cli, tmp_path):
    answers = {"old": ot.Reply("1", recorded_at=time.time() - 40 * 86_400), "new": "2"}
    folder = record(tmp_path / "cache", answers)
    assert cli("cache", "prune", folder, "--older-than", "30d", "--yes").code == 0
    assert list(keys(folder)) == ["new"]
