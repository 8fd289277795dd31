"""Does a bundle carry all of a cache, byte for byte, and refuse what was changed on the way?"""

import dataclasses
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import CacheError, ContentRefusedError, ReplayMiss
from onetwo_like.middleware.bundle import BundleStore, export_bundle, import_bundle
from onetwo_like.middleware.key import key_of
from onetwo_like.middleware.recorded import Recorded
from onetwo_like.middleware.store import MemoryStore, write_now
from onetwo_like.testing import Scripted

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_registry():
    with ot.RegistryContext():
        yield


def entry(prompt, reply, *earlier):
    document = json.dumps(
        {"version": 1, "operation": "generate_text", "fingerprint": {"provider": "test"},
         "arguments": {"prompt": prompt}, "sample_path": []},
        ensure_ascii=False, separators=(",", ":"),
    )  # fmt: skip
    recorded = None
    for each in (*earlier, reply):
        new = Recorded.of(each, document, None)
        recorded = new if recorded is None else new.superseding(recorded)
    assert recorded is not None
    return key_of(document), recorded


def store_of(*entries):
    store = MemoryStore()
    write_now(store, [(key, recorded.packed(key)) for key, recorded in entries])
    return store


REPLIES = {
    "plain": ot.Reply(
        "Paris",
        ot.Usage(3, 1, cost=0.25),
        "stop",
        "model-1",
        1.7e9,
        0.5,
        ("Pa", "ris"),
        "r1",
        price="$1/MTok",
    ),
    "lines and quotes": ot.Reply('first\nsecond\r\n"third"\u2028\t\\'),
    "beyond ASCII": ot.Reply("東京 🏙"),
    "surrogate": ot.Reply("\ud83c"),
    "two halves in one prompt \ud83c\udfd9": ot.Reply("\ud83c" + "\udfd9"),
    "floats": ot.Reply([0.1, -0.0, 1e300, float("inf"), float("nan")]),
    "numbers": ot.Reply({1: 2**70, "a": True, "$b": None}),
    "bytes": ot.Reply((b"\x00\xff", {"x"})),
    "none": ot.Reply(None),
}


@pytest.fixture
def store():
    made = [entry(prompt, reply) for prompt, reply in REPLIES.items()]
    return store_of(*made, entry("history", ot.Reply("new"), ot.Reply(1.5), ot.Reply("\ud83c")))


def everything(store):
    return {key: store.get(key) for key in store.keys()}  # noqa: SIM118  (a store is no mapping)


@pytest.mark.parametrize("name", ["b.jsonl", "b.jsonl.gz"])
def test_a_bundle_holds_every_byte_of_every_entry(tmp_path, store, name):
    assert export_bundle(store, tmp_path / name) == len(store)
    assert everything(BundleStore(tmp_path / name)) == everything(store)
    other = MemoryStore()
    assert import_bundle(tmp_path / name, other) == (len(store), 0, ())
    assert everything(other) == everything(store)


def test_equal_entries_give_equal_bytes_whatever_the_order_the_folder_and_the_hour(
    tmp_path, store, monkeypatch
):
    import time

    export_bundle(store, tmp_path / "one.jsonl.gz")
    other = MemoryStore()
    write_now(other, list(reversed(everything(store).items())))
    monkeypatch.setattr(time, "time", lambda: 4e9)
    export_bundle(other, tmp_path / "deep" / "two.jsonl.gz")
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "deep" / "two.jsonl.gz").read_bytes()


def test_any_gzip_reads_it_and_a_person_too(tmp_path, store):
    export_bundle(store, tmp_path / "b.jsonl.gz", datasets={"capitals": "ab12"})
    with gzip.open(tmp_path / "b.jsonl.gz") as file:
        manifest, *lines = map(json.loads, file)
    assert manifest["bundle"] == 1
    assert manifest["entries"] == len(lines) == len(store)
    assert manifest["onetwo_like"] == ot.__version__
    assert manifest["models"] == [{"provider": "test"}]
    assert manifest["model_versions"] == ["model-1"]
    assert manifest["prices"] == ["model-1: $1/MTok"]
    assert manifest["datasets"] == {"capitals": "ab12"}
    [plain] = [line for line in lines if line.get("text") == "Paris"]
    assert plain["document"]["arguments"] == {"prompt": "plain"}
    assert plain["about"]["usage"] == [3, 1, None, None, 0.25, None, None]
    assert [line["key"] for line in lines] == sorted(line["key"] for line in lines)


def test_only_what_a_run_used_is_exported(tmp_path):
    Scripted(lambda prompt: prompt.upper(), name="upper").register()
    with ot.Cache(tmp_path / "cache") as cache:
        with ot.caching(cache):
            ot.run(ot.parallel(*[llm.generate_text(prompt) for prompt in "abc"]))
        with ot.caching(cache) as scope:
            assert ot.run(llm.generate_text("b")) == "B"
            assert scope.export(tmp_path / "b.jsonl", used=True) == 1
            assert scope.export(tmp_path / "all.jsonl") == 3
    with ot.caching(tmp_path / "b.jsonl", mode="replay") as replay:
        assert ot.run(llm.generate_text("b")) == "B"
        assert replay.report() == (1, 0, 0, 0)
        with pytest.raises(ReplayMiss, match="recorded 'b', asked 'a'"):
            ot.run(llm.generate_text("a"))


def test_a_bundle_is_a_layer_to_read_from(tmp_path):
    Scripted(["first", "second"], name="two").register()
    with ot.Cache(tmp_path / "theirs") as cache, ot.caching(cache):
        ot.run(llm.generate_text("a"))
        cache.export(tmp_path / "theirs.jsonl.gz")
    with ot.caching(tmp_path / "mine", read_from=[tmp_path / "theirs.jsonl.gz"]) as cache:
        assert [ot.run(llm.generate_text(prompt)) for prompt in "ab"] == ["first", "second"]
        assert len(cache) == 1


def test_a_bundle_refuses_to_be_written_and_says_what_to_do(tmp_path, store):
    export_bundle(store, tmp_path / "b.jsonl")
    Scripted(["never"], name="one").register()
    with ot.caching(tmp_path / "b.jsonl"), pytest.raises(CacheError, match="read_from="):
        ot.run(llm.generate_text("new"))


def test_a_refusal_travels_and_is_raised_again(tmp_path):
    Scripted([ContentRefusedError("no")], name="one").register()
    with ot.Cache(tmp_path / "cache") as cache, ot.caching(cache):
        with pytest.raises(ContentRefusedError):
            ot.run(llm.generate_text("a"))
        cache.export(tmp_path / "b.jsonl.gz")
    with ot.caching(tmp_path / "b.jsonl.gz", mode="replay"), pytest.raises(ContentRefusedError, match="no"):
        ot.run(llm.generate_text("a"))


# Merging


def test_a_conflict_is_reported_and_ones_own_stays(tmp_path):
    theirs = store_of(
        entry("a", ot.Reply("same")), entry("b", ot.Reply("theirs")), entry("c", ot.Reply("new"))
    )
    mine = store_of(entry("a", ot.Reply("same", recorded_at=5.0)), entry("b", ot.Reply("mine")))
    export_bundle(theirs, tmp_path / "b.jsonl")
    conflicting, _ = entry("b", ot.Reply("theirs"))
    before = mine.get(conflicting)
    assert import_bundle(tmp_path / "b.jsonl", mine) == (1, 1, (conflicting,))
    assert mine.get(conflicting) == before
    assert len(mine) == 3


# Damage


def damaged_ones(data):
    for place in range(0, len(data), 7):
        yield data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
    for length in range(0, len(data), 11):
        yield data[:length]
    yield data + b"{}\n"


@pytest.mark.parametrize("name", ["b.jsonl", "b.jsonl.gz"])
def test_whatever_is_damaged_nothing_is_imported(tmp_path, name):
    export_bundle(store_of(entry("a", ot.Reply("1")), entry("b", ot.Reply("2"))), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    whole = everything(BundleStore(tmp_path / name))
    for number, damaged in enumerate(damaged_ones(data)):
        (tmp_path / name).write_bytes(damaged)
        mine = MemoryStore()
        try:
            import_bundle(tmp_path / name, mine)
        except CacheError:
            assert len(mine) == 0, number
        else:  # in the head of gzip, or of the manifest, where nothing of the entries stands
            assert everything(mine) == whole, number


def test_a_changed_line_is_named(tmp_path):
    export_bundle(store_of(*[entry(p, ot.Reply(p * 3)) for p in "abc"]), tmp_path / "b.jsonl")
    lines = (tmp_path / "b.jsonl").read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace('"text":"', '"text":"not ')
    (tmp_path / "b.jsonl").write_text("".join(lines))
    with pytest.raises(CacheError, match="line 3 does not fit its checksum"):
        BundleStore(tmp_path / "b.jsonl")
    (tmp_path / "b.jsonl").write_text("".join(lines[:2]))
    with pytest.raises(CacheError, match="should have 3 entries and has 1"):
        BundleStore(tmp_path / "b.jsonl")


def test_a_reply_under_the_key_of_another_request_is_refused(tmp_path):
    export_bundle(store_of(entry("a", ot.Reply("1"))), tmp_path / "b.jsonl")
    head, line = (tmp_path / "b.jsonl").read_text().splitlines()
    form = json.loads(line)
    del form["sha256"]
    form["key"] = "0" * 64
    forged = json.dumps(form, separators=(",", ":"))
    line = f'{forged[:-1]},"sha256":"{hashlib.sha256(forged.encode()).hexdigest()}"}}\n'
    manifest = {**json.loads(head), "sha256": hashlib.sha256(line.encode()).hexdigest()}
    (tmp_path / "b.jsonl").write_text(json.dumps(manifest) + "\n" + line)
    with pytest.raises(CacheError, match="key of another request"):
        BundleStore(tmp_path / "b.jsonl")


@pytest.mark.parametrize("content", [b"", b"\n", b"not JSON\n", b'{"a": 1}\n', b"[]\n", b"\x80\n"])
def test_what_is_no_bundle_is_an_error_that_says_so(tmp_path, content):
    (tmp_path / "b.jsonl").write_bytes(content)
    with pytest.raises(CacheError, match="is no bundle"):
        BundleStore(tmp_path / "b.jsonl")
    with pytest.raises(CacheError, match="cannot be read"):
        BundleStore(tmp_path / "missing.jsonl")


def test_a_newer_format_says_to_upgrade(tmp_path):
    (tmp_path / "b.jsonl").write_text('{"bundle":2,"entries":0,"sha256":""}\n')
    with pytest.raises(CacheError, match=r"format 2.*pip install --upgrade"):
        BundleStore(tmp_path / "b.jsonl")


def test_a_damaged_entry_is_not_exported_in_silence(tmp_path):
    key, recorded = entry("a", ot.Reply("1"))
    store = MemoryStore()
    write_now(store, [(key, recorded.packed(key)[:-1])])
    (tmp_path / "b.jsonl").write_text("what was there")
    with pytest.raises(CacheError, match="damaged"):
        export_bundle(store, tmp_path / "b.jsonl")
    assert os.listdir(tmp_path) == ["b.jsonl"]
    assert (tmp_path / "b.jsonl").read_text() == "what was there"


def test_a_bundle_that_cannot_be_written_is_a_cache_error(tmp_path, store):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot be written"):
        export_bundle(store, tmp_path / "file" / "b.jsonl")
    with pytest.raises(CacheError, match=r"called \*.jsonl"):
        export_bundle(store, tmp_path / "b.zip")


# Another Python


@dataclasses.dataclass
class City:
    name: str
    at: tuple[float, float]


RECORD = """
import sys
sys.path[:0] = sys.argv[3:]
from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.middleware.bundle import export_bundle, import_bundle
from onetwo_like.middleware.disk_store import DiskStore

bundle, folder = sys.argv[1:3]
store = DiskStore(folder + "/elsewhere")
print(import_bundle(bundle, store))
export_bundle(store, folder + "/again.jsonl.gz")
store.close()
llm.generate_text.configure(lambda prompt: 1 / 0, fingerprint="recorded")
with ot.caching(folder + "/elsewhere", mode="replay") as cache:
    print(ascii(ot.run(ot.parallel(*[llm.generate_text(f"Q{i} \\u00e9") for i in range(5)]))))
    print(tuple(cache.report()))
"""


def other_python():
    """An interpreter of another minor version, found on PATH or beside pyenv's shims, and why there is none."""
    for minor in (12, 13, 14, 11):
        if minor == sys.version_info.minor:
            continue
        found = [shutil.which(f"python3.{minor}")]
        versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        found += [str(p) for p in sorted(versions.glob(f"3.{minor}.*/bin/python"))]
        for python in filter(None, found):
            probe = "import sys; print(sys.version_info.minor)"
            result = subprocess.run([python, "-c", probe], capture_output=True, text=True, timeout=60)
            if result.stdout.strip() == str(minor):
                return python
    return None


def test_another_python_imports_replays_and_exports_the_same_bytes(tmp_path):
    python = other_python()
    if python is None:
        pytest.skip(f"there is no other Python >= 3.11 than {sys.version_info[:2]} here")
    llm.generate_text.configure(lambda prompt: f"answer to {prompt} \ud83c", fingerprint="recorded")
    with ot.Cache(tmp_path / "cache") as cache, ot.caching(cache):
        answers = ot.run(ot.parallel(*[llm.generate_text(f"Q{i} é") for i in range(5)]))
        cache.export(tmp_path / "b.jsonl.gz")
    # The pure-Python dependencies of this environment serve the other Python, too.
    (tmp_path / "lib").mkdir()
    import diskcache
    import jinja2

    for package in (diskcache, jinja2):
        os.symlink(Path(str(package.__file__)).parent, tmp_path / "lib" / package.__name__)
    import markupsafe

    shutil.copytree(
        Path(str(markupsafe.__file__)).parent, tmp_path / "lib" / "markupsafe", ignore=lambda _d, names: [
            name for name in names if name.endswith(".so")
        ],
    )  # fmt: skip
    result = subprocess.run(
        [python, "-c", RECORD, str(tmp_path / "b.jsonl.gz"), str(tmp_path), str(ROOT), str(tmp_path / "lib")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    imported, replayed, report = result.stdout.splitlines()
    assert imported == "Imported(added=5, same=0, conflicts=())"
    assert replayed == ascii(answers)
    assert report == "(5, 0, 0, 0)"
    assert (tmp_path / "again.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
