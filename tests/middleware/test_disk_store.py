"""Does a cache on disk keep what it acknowledged, refuse what was planted, and say what is wrong?"""

import contextlib
import gc
import json
import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest

from onetwo_like.errors import CacheError
from onetwo_like.middleware.disk_store import DiskStore
from onetwo_like.middleware.store import write_now
from onetwo_like.testing.store_suite import accepted_calls, key_of

ROOT = Path(__file__).resolve().parents[2]
SMALL, LARGE = b"small value", b"large value " * 10_000


@pytest.fixture
def folder(tmp_path):
    """A closed cache with a small and a large entry."""
    with contextlib.closing(DiskStore(tmp_path / "cache")) as store:
        write_now(store, [(key_of(1), SMALL), (key_of(2), LARGE)])
    return tmp_path / "cache"


def sql(folder, statement, *values):
    with contextlib.closing(sqlite3.connect(folder / "cache.db")) as connection:
        rows = connection.execute(statement, values).fetchall()
        connection.commit()
    return rows


def contents(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def start(program, *arguments, as_other_user=False):
    """A Python process that runs the program and writes lines to us."""
    code = "".join(map(textwrap.dedent, (PRELUDE, AS_OTHER_USER if as_other_user else "", program)))
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
    )  # fmt: skip


def output_of(program, *arguments, as_other_user=False):
    with start(program, *arguments, as_other_user=as_other_user) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


PRELUDE = """
    import os, sys
    from onetwo_like.errors import CacheError
    from onetwo_like.middleware.disk_store import DiskStore
    from onetwo_like.middleware.store import write_now
    from onetwo_like.testing.store_suite import accepted_calls, key_of

    def say(*words):
        print(*words, flush=True)
"""


# Opening


def test_nothing_of_diskcache_is_loaded_to_read(folder):
    program = "DiskStore(sys.argv[1]).get(key_of(1)); say('diskcache' in sys.modules)"
    assert output_of(program, folder) == "False\n"


def test_closing_leaves_no_write_ahead_log(folder):
    assert {name for name in os.listdir(folder) if len(name) != 2} == {"cache.db", "onetwo-cache.json"}


def test_a_store_that_is_forgotten_is_closed(tmp_path):
    store = DiskStore(tmp_path)
    write_now(store, [(key_of(1), SMALL)])
    assert (tmp_path / "cache.db-wal").exists()
    del store
    gc.collect()
    assert not (tmp_path / "cache.db-wal").exists()


def test_a_program_that_ends_without_closing_leaves_a_closed_cache(tmp_path):
    program = """
        store = DiskStore(sys.argv[1])
        pending = [store.write([(key_of(n), b"value")]) for n in range(100)]
    """
    output_of(program, tmp_path)
    assert not (tmp_path / "cache.db-wal").exists()
    with contextlib.closing(DiskStore(tmp_path)) as store:
        assert len(store) == 100


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(CacheError, match=r"holds other things \(thesis.tex\) and no cache"):
        DiskStore(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("...")
    for path in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(CacheError, match="file"):
            DiskStore(path)


def test_the_diskcache_of_another_program_is_refused_and_left_alone(tmp_path):
    import diskcache

    with diskcache.Cache(tmp_path) as theirs:
        theirs["k"] = "v"
    before = contents(tmp_path)
    with pytest.raises(CacheError, match="belongs to another program"):
        DiskStore(tmp_path)
    assert contents(tmp_path) == before


def test_reading_where_nothing_is_makes_nothing(tmp_path):
    with pytest.raises(CacheError, match="There is no cache at"):
        DiskStore(tmp_path / "cache", read_only=True)
    assert os.listdir(tmp_path) == []
    with pytest.raises(CacheError, match="There is no cache at"):
        DiskStore(tmp_path, read_only=True)
    assert os.listdir(tmp_path) == []


def test_a_newer_format_names_both_versions_and_says_to_upgrade(folder):
    (folder / "onetwo-cache.json").write_text('{"format": 2}')
    for read_only in (False, True):
        with pytest.raises(CacheError, match=r"has format 2; .* reads format 1. Upgrade with: pip install"):
            DiskStore(folder, read_only=read_only)


def test_a_damaged_marker_says_how_to_mend_it(folder):
    (folder / "onetwo-cache.json").write_text("{")
    with pytest.raises(CacheError, match=r'put \{"format": 1\} into it'):
        DiskStore(folder)


def test_a_folder_whose_making_was_cut_short_is_completed(folder):
    for left in (["cache.db"], ["cache.db", "onetwo-cache.lock", "onetwo-cache.json.123"], []):
        shutil.rmtree(folder)
        folder.mkdir()
        for name in left:
            (folder / name).touch()
        with contextlib.closing(DiskStore(folder)) as store:
            write_now(store, [(key_of(1), SMALL)])
            assert store.get(key_of(1)) == SMALL


def test_the_working_directory_may_change(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(DiskStore("cache")) as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        write_now(store, [(key_of(1), SMALL)])
        assert store.get(key_of(1)) == SMALL
    assert os.listdir(tmp_path / "elsewhere") == []


def test_many_processes_may_make_the_same_cache(tmp_path):
    program = """
        store = DiskStore(sys.argv[1])
        write_now(store, [(key_of((os.getpid(), n)), b"value") for n in range(50)])
        store.close()
    """
    processes = [start(program, tmp_path / "cache") for _ in range(4)]
    for process in processes:
        with process:
            assert process.wait(60) == 0
    with contextlib.closing(DiskStore(tmp_path / "cache")) as store:
        assert len(store) == 200
        assert all(store.get(key) == b"value" for key in list(store.keys()))


# Planted things


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def bomb(tmp_path):
    return pickle.dumps(Bomb(tmp_path / "exploded"))


def plant(folder, key="planted", raw=1, mode=1, filename=None, value=None):
    sql(
        folder,
        "INSERT INTO Cache (key, raw, store_time, access_time, mode, filename, value) VALUES (?, ?, 0, 0, ?, ?, ?)",
        key, raw, mode, filename, value,
    )  # fmt: skip


def test_a_planted_pickle_in_a_value_is_refused_and_never_runs(folder, bomb, tmp_path):
    (folder / "ab" / "cd").mkdir(parents=True)
    name = "ab/cd/" + "0" * 28 + ".val"
    (folder / name).write_bytes(bomb)
    plant(folder, key_of("in the row"), mode=4, value=bomb)
    plant(folder, key_of("in a file"), mode=4, filename=name)
    with contextlib.closing(DiskStore(folder)) as store:
        for planted in ("in the row", "in a file"):
            with pytest.raises(CacheError, match=r"not written by onetwo-like.*refused"):
                store.get(key_of(planted))
        assert store.get(key_of(1)) == SMALL
        assert len([finding for finding in store.damage() if "never read" in finding]) == 2
        write_now(store, [(key_of("in the row"), b"mended"), (key_of("in a file"), None)])
        assert store.get(key_of("in the row")) == b"mended"
        assert store.damage() == []
    assert not (tmp_path / "exploded").exists()


def test_a_planted_pickle_in_a_key_is_never_read(folder, bomb, tmp_path):
    plant(folder, key=bomb, raw=0, value=b"x")
    with contextlib.closing(DiskStore(folder)) as store:
        assert sorted(store.keys()) == sorted([key_of(1), key_of(2)])
        assert store.get(key_of(1)) == SMALL
        [finding] = store.damage()
        assert "pickled or damaged key, never read" in finding
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "name", ["disk_pickle_protocol", "sqlite_mmap_size = 0; DROP TABLE Cache", "_disk", "count"]
)
def test_planted_settings_are_refused_and_never_used(folder, bomb, tmp_path, name):
    sql(folder, "INSERT OR REPLACE INTO Settings VALUES (?, ?)", name, bomb)
    with pytest.raises(CacheError, match="planted or damaged, and nothing of it was used"):
        DiskStore(folder)
    with pytest.raises(CacheError, match="planted or damaged"):
        DiskStore(folder, read_only=True)
    assert not (tmp_path / "exploded").exists()


def test_settings_of_others_do_not_make_answers_vanish(folder):
    sql(folder, "UPDATE Settings SET value = 1000 WHERE key = 'size_limit'")
    sql(folder, "UPDATE Settings SET value = 'least-recently-stored' WHERE key = 'eviction_policy'")
    sql(folder, "UPDATE Settings SET value = 10 WHERE key = 'cull_limit'")
    with contextlib.closing(DiskStore(folder)) as store:
        write_now(store, [(key_of(n), LARGE) for n in range(3, 20)])
        assert len(store) == len(list(store.keys())) == 19


def test_our_disk_refuses_pickles_for_whoever_opens_the_folder_with_it(folder, bomb, tmp_path):
    import diskcache

    from onetwo_like.middleware.disk_writer import SETTINGS, BytesDisk

    plant(folder, mode=4, value=bomb)
    plant(folder, key=bomb, raw=0, value=b"x")
    with diskcache.Cache(folder, disk=BytesDisk, **SETTINGS) as opened:
        assert opened[key_of(2)] == LARGE
        with pytest.raises(CacheError):
            opened["planted"]
        with pytest.raises(CacheError):
            list(opened)
        with pytest.raises(CacheError):
            opened[("a", "tuple")] = b"x"
        with pytest.raises(CacheError):
            opened["k"] = object()
    assert not (tmp_path / "exploded").exists()


def test_a_planted_file_name_reads_and_removes_nothing_elsewhere(folder, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    for n, name in enumerate(["../secret", str(tmp_path / "secret"), "ab/cd/../../../secret"]):
        plant(folder, key_of(("planted", n)), mode=2, filename=name)
        with contextlib.closing(DiskStore(folder)) as store:
            with pytest.raises(CacheError, match="refused, unread"):
                store.get(key_of(("planted", n)))
            write_now(store, [(key_of(("planted", n)), None)])
    assert (tmp_path / "secret").read_bytes() == b"secret"


# Damage


def test_a_missing_value_file_is_an_error_of_that_entry(folder):
    [[name]] = sql(folder, "SELECT filename FROM Cache WHERE filename IS NOT NULL")
    (folder / name).unlink()
    with contextlib.closing(DiskStore(folder)) as store:
        with pytest.raises(CacheError, match=rf"{key_of(2)} is damaged.*{name}"):
            store.get(key_of(2))
        assert store.get(key_of(1)) == SMALL
        [finding] = store.damage()
        assert f"{name} has None bytes and should have {len(LARGE)}" in finding


@pytest.mark.parametrize("length", [0, 10, 4096, 5000])
def test_a_database_cut_short_is_an_error_that_says_what_to_do(folder, length):
    os.truncate(folder / "cache.db", length)
    with pytest.raises(CacheError, match=r"cache.db is damaged.*restore it from a copy"):
        DiskStore(folder)


def test_a_missing_database_is_an_error(folder):
    (folder / "cache.db").unlink()
    with pytest.raises(CacheError, match=r"cache.db"):
        DiskStore(folder, read_only=True)


def test_flipped_bits_give_an_error_or_the_rest_and_never_a_crash(tmp_path):
    with contextlib.closing(DiskStore(tmp_path / "cache")) as store:
        write_now(store, [(key_of(n), b"%d" % n * 50) for n in range(300)])
    whole = (tmp_path / "cache" / "cache.db").read_bytes()
    chance = random.Random(1)
    unnamed: list[str] = []
    outcomes: set[type] = set()
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (tmp_path / "cache" / "cache.db").write_bytes(damaged)
        try:
            with contextlib.closing(DiskStore(tmp_path / "cache", read_only=True)) as store:
                store.damage()
                for n in range(300):
                    outcomes.add(type(store.get(key_of(n))))
        except CacheError as error:
            outcomes.add(CacheError)
            unnamed += [str(error)] * (str(tmp_path) not in str(error))
    assert outcomes == {CacheError, bytes, type(None)}
    assert unnamed == []


# Read-only


def test_read_only_changes_nothing_in_the_folder(folder):
    before = contents(folder)
    with contextlib.closing(DiskStore(folder, read_only=True)) as store:
        assert (store.get(key_of(1)), store.get(key_of(2)), len(store)) == (SMALL, LARGE, 2)
        assert accepted_calls(store) == ["get", "keys", "len"]
    assert contents(folder) == before


def test_read_only_sees_what_another_writes_meanwhile(folder):
    with (
        contextlib.closing(DiskStore(folder)) as writer,
        contextlib.closing(DiskStore(folder, read_only=True)) as store,
    ):
        write_now(writer, [(key_of(3), b"new")])
        assert store.get(key_of(3)) == b"new"


@pytest.fixture
def elsewhere():
    """A folder that other users can reach, since tests may run as root, who may write anything."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    yield root
    for path, _folders, _files in os.walk(root):
        os.chmod(path, 0o755)
    shutil.rmtree(root)


def protected(folder):
    """Make the folder unwritable for `as_other_user`."""
    for path, _folders, files in os.walk(folder):
        os.chmod(path, 0o555)
        for name in files:
            os.chmod(os.path.join(path, name), 0o444)


AS_OTHER_USER = """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
"""
unix = pytest.mark.skipif(not hasattr(os, "setuid"), reason="no users of this kind here")


@unix
def test_a_folder_that_cannot_be_written_says_how_to_read_it(elsewhere):
    with contextlib.closing(DiskStore(elsewhere / "cache")) as store:
        write_now(store, [(key_of(1), SMALL)])
    protected(elsewhere / "cache")
    program = """
        try:
            DiskStore(sys.argv[1])
        except CacheError as error:
            say(error)
    """
    said = output_of(program, elsewhere / "cache", as_other_user=True)
    assert "is read-only here" in said
    assert 'mode="replay"' in said
    assert "read_from=" in said


READS = """
    store = DiskStore(sys.argv[1], read_only=True)
    say(store.get(key_of(1)), len(store.get(key_of(2))), len(store), sorted(store.keys()) == sorted(map(key_of, (1, 2))))
    store.close()
"""


@unix
def test_a_closed_cache_is_read_where_nobody_may_write(elsewhere):
    with contextlib.closing(DiskStore(elsewhere / "cache")) as store:
        write_now(store, [(key_of(1), SMALL), (key_of(2), LARGE)])
    protected(elsewhere / "cache")
    assert output_of(READS, elsewhere / "cache", as_other_user=True) == f"{SMALL!r} {len(LARGE)} 2 True\n"


@unix
def test_a_cache_with_a_write_ahead_log_is_read_where_nobody_may_write(elsewhere, monkeypatch):
    program = """
        store = DiskStore(sys.argv[1])
        write_now(store, [(key_of(1), b"small value"), (key_of(2), b"large value " * 10_000)])
        os.kill(os.getpid(), 9)
    """
    with start(program, elsewhere / "cache") as process:
        assert process.wait(60) == -signal.SIGKILL
    assert (elsewhere / "cache" / "cache.db-wal").stat().st_size > 0
    protected(elsewhere / "cache")
    before = contents(elsewhere / "cache")
    (elsewhere / "tmp").mkdir()
    (elsewhere / "tmp").chmod(0o777)
    monkeypatch.setenv("TMPDIR", str(elsewhere / "tmp"))
    assert output_of(READS, elsewhere / "cache", as_other_user=True) == f"{SMALL!r} {len(LARGE)} 2 True\n"
    assert contents(elsewhere / "cache") == before
    assert os.listdir(elsewhere / "tmp") == []


@unix
def test_a_reader_who_may_not_write_gets_no_torn_pages_when_the_owner_writes(elsewhere):
    with contextlib.closing(DiskStore(elsewhere / "cache")) as store:
        write_now(store, [(key_of(n), b"%d" % n) for n in range(1000)])
    protected(elsewhere / "cache")
    program = """
        store = DiskStore(sys.argv[1], read_only=True)
        wrong = 0
        for line in sys.stdin:
            wrong += sum(store.get(key_of(n)) not in (b"%d" % n, b"new %d" % n) for n in range(1000))
            say(wrong, store.get(key_of(0)))
    """
    with start(program, elsewhere / "cache", as_other_user=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "0 b'0'\n"
        if os.geteuid() != 0:
            for path in (elsewhere / "cache", elsewhere / "cache" / "cache.db"):
                path.chmod(0o755)
        with contextlib.closing(DiskStore(elsewhere / "cache")) as store:
            write_now(store, [(key_of(n), b"new %d" % n) for n in range(1000)])
        if os.geteuid() != 0:
            protected(elsewhere / "cache")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "0 b'new 0'\n"


# Failures of the world


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on Windows")
def test_a_full_disk_fails_that_write_and_the_store_goes_on(tmp_path):
    program = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = DiskStore(sys.argv[1])
        write_now(store, [(key_of(1), b"before")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
        errors = store.write([(key_of(2), b"x" * 1_000_000), (key_of(3), b"small")]).result()
        say(*[type(error).__name__ for error in errors])
        acknowledged = []
        for n in range(100, 1000):
            try:
                write_now(store, [(key_of(n), b"y" * 10_000)])
            except CacheError as error:
                assert "cache.db" in str(error), error
                say("full")
                break
            acknowledged.append(n)
        [error] = store.write([(key_of(5), b"z" * 100_000)]).result()
        say(type(error).__name__, "of a commit whose file was written")
        say(store.get(key_of(1)), store.get(key_of(2)), all(store.get(key_of(n)) for n in acknowledged))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        write_now(store, [(key_of(4), b"after")])
        say(store.get(key_of(4)), store.damage())
    """
    assert output_of(program, tmp_path).splitlines() == [
        "CacheFailedError NoneType", "full", "CacheFailedError of a commit whose file was written", "b'before' None True", "b'after' []",
    ]  # fmt: skip
    assert not list(tmp_path.rglob("*.val"))


def test_a_large_value_replaced_or_deleted_leaves_no_file(folder):
    with contextlib.closing(DiskStore(folder)) as store:
        write_now(store, [(key_of(2), LARGE + b"2"), (key_of(3), LARGE)])
        assert len(list(folder.rglob("*.val"))) == 2
        write_now(store, [(key_of(2), None), (key_of(3), SMALL)])
        assert list(folder.rglob("*.val")) == []


def test_a_kill_before_the_commit_keeps_the_large_value_that_was_acknowledged(folder):
    program = """
        from onetwo_like.middleware.disk_writer import DiskWriter
        class Killed(DiskWriter):
            def _apply(self, key, value):
                error = super()._apply(key, value)
                os.kill(os.getpid(), 9)
        Killed(sys.argv[1]).commit([(key_of(2), b"new" * 100_000)])
    """
    with start(program, folder) as process:
        assert process.wait(60) == -signal.SIGKILL
    with contextlib.closing(DiskStore(folder)) as store:
        assert store.get(key_of(2)) == LARGE
        assert store.damage() == []


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_every_acknowledged_entry_is_there(tmp_path, seed):
    program = """
        import asyncio, itertools
        from onetwo_like.middleware.group_commit import DurableWrites
        store = DiskStore(sys.argv[1])
        async def main():
            writes, numbers = DurableWrites(store), itertools.count()
            async def worker():
                for n in numbers:
                    await writes.put(key_of(n), b"%d " % n * (20_000 if n % 50 == 0 else 20))
                    os.write(1, b"%d\\n" % n)
            await asyncio.gather(*[worker() for _ in range(20)])
        asyncio.run(main())
    """
    with start(program, tmp_path / "cache") as process:
        assert process.stdout
        acknowledged = [process.stdout.readline() for _ in range(random.Random(seed).randrange(1, 1500))]
        process.kill()
        acknowledged += process.stdout.readlines()
    with contextlib.closing(DiskStore(tmp_path / "cache")) as store:
        assert store.damage() == []
        for n in [int(line) for line in acknowledged if line.endswith("\n")]:
            assert store.get(key_of(n)) == b"%d " % n * (20_000 if n % 50 == 0 else 20)


def test_a_kill_while_the_cache_is_made_leaves_one_that_opens(tmp_path):
    program = """
        import onetwo_like.middleware.disk_writer
        say("ready")
        sys.stdin.readline()
        DiskStore(sys.argv[1])
        say("made")
    """
    for n in range(6):
        folder = tmp_path / str(n)
        with start(program, folder) as process:
            assert process.stdin
            assert process.stdout
            process.stdout.readline()
            process.stdin.write("\n")
            process.stdin.flush()
            while not folder.exists() or len(os.listdir(folder)) < n % 4:
                assert process.poll() is None or process.returncode == 0
            process.kill()
        with contextlib.closing(DiskStore(folder)) as store:
            write_now(store, [(key_of(1), SMALL)])
            assert store.damage() == []


# Several processes


def test_the_lead_of_a_process_excludes_others_until_it_dies(folder):
    program = """
        store = DiskStore(sys.argv[1])
        lead = store.lead(key_of(1))
        say(lead is not None)
        sys.stdin.readline()
    """
    with contextlib.closing(DiskStore(folder)) as store:
        with start(program, folder) as process:
            assert process.stdout
            assert process.stdout.readline() == "True\n"
            assert store.lead(key_of(1)) is None
            assert store.lead(key_of(2)) is not None
            process.kill()
            process.wait(60)
        assert store.lead(key_of(1)) is not None
        assert output_of("say(DiskStore(sys.argv[1]).lead(key_of(1)))", folder) == "None\n"


def test_a_lead_outlives_other_handles_of_its_process(folder):
    with contextlib.closing(DiskStore(folder)) as store:
        lead = store.lead(key_of(1))
        assert lead is not None
        with contextlib.closing(DiskStore(folder)) as other:
            assert other.lead(key_of(2)) is not None
        assert output_of("say(DiskStore(sys.argv[1]).lead(key_of(1)))", folder) == "None\n"
        lead.release()
        assert output_of("say(DiskStore(sys.argv[1]).lead(key_of(1)) is not None)", folder) == "True\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_parent_and_child_of_a_fork_lose_nothing(folder):
    program = """
        store = DiskStore(sys.argv[1])
        led, released = store.lead(key_of("led")), store.lead(key_of("released in the child"))
        pending = [store.write([(key_of(("before", n)), b"value")]) for n in range(200)]
        closed, close = os.pipe()
        written, write = os.pipe()
        child = os.fork()
        if child == 0:
            released.release()
            assert store.lead(key_of("led")) is None
            assert store.lead(key_of("released in the child")) is None
            write_now(store, [(key_of(("child", n)), b"value") for n in range(200)])
            os.write(write, b"!")
            os.read(closed, 1)
            write_now(store, [(key_of("after the parent has closed"), b"value")])
            assert store.get(key_of(("parent", 1))) == b"value"
            assert store.lead(key_of("led")) is not None
            sys.exit(0)
        write_now(store, [(key_of(("parent", n)), b"value") for n in range(200)])
        assert all(future.result() == [None] for future in pending)
        os.read(written, 1)
        store.close()
        os.write(close, b"!")
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    output_of(program, folder)
    with contextlib.closing(DiskStore(folder)) as store:
        assert len(store) == 2 + 600 + 1
        assert store.get(key_of("after the parent has closed")) == b"value"
        assert store.damage() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_does_not_wait_for_a_store_that_is_closed(folder):
    program = """
        store = DiskStore(sys.argv[1])
        write_now(store, [(key_of(3), b"value")])
        store.close()
        child = os.fork()
        if child == 0:
            assert accepted_calls(store) == []
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    output_of(program, folder)


@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # from Python 3.12 on, and what is tested here
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_middle_of_reads_and_writes_of_other_threads(folder):
    with contextlib.closing(DiskStore(folder)) as store:
        over = threading.Event()
        wrong: list[object] = []

        def work(number):
            n = 0
            while not over.is_set():
                n += 1
                write_now(store, [(key_of((number, n)), b"value")])
                if store.get(key_of((number, n))) != b"value":
                    wrong.append(n)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        try:
            for n in range(4):
                child = os.fork()
                if child == 0:
                    status = 1
                    with contextlib.suppress(BaseException):
                        write_now(store, [(key_of(("child", n)), b"value")])
                        status = 0 if store.get(key_of(1)) == SMALL else 2
                    os._exit(status)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        assert all(store.get(key_of(("child", n))) == b"value" for n in range(4))
        assert store.damage() == []


def test_the_marker_says_what_it_is(folder):
    assert json.loads((folder / "onetwo-cache.json").read_text()) == {"format": 1, "made_by": "onetwo-like"}
