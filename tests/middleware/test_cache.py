"""Does the cache answer what was recorded, ask for what was not, and say which it did?"""

import asyncio
import contextlib
import dataclasses
import enum
import sqlite3
import warnings

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    BackendError,
    CacheError,
    ContentRefusedError,
    ParseError,
    ReplayMiss,
    UnstorableError,
    UsageError,
)
from onetwo_like.middleware.store import MemoryStore, write_now
from onetwo_like.testing import Scripted


@pytest.fixture(autouse=True)
def _own_registry():
    with ot.RegistryContext():
        yield


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def answers(*texts, **options):
    """A backend that answers these in turn."""
    return Scripted(list(texts), name="in turn", **options).register()


def ask(prompt="hello", **options):
    return ot.run(llm.generate_text(prompt, **options))


def record(folder, **asked):
    """A cache of prompts and their answers."""
    with ot.RegistryContext(), ot.caching(folder):
        Scripted(asked, name="in turn").register()
        for prompt in asked:
            ask(prompt)
    return folder


# Modes and counting


def test_a_second_run_makes_no_call(folder):
    backend = answers("Paris")
    with ot.caching(folder) as cache:
        assert [ask(), ask()] == ["Paris", "Paris"]
        assert cache.report() == (1, 1, 1, 0)
    with ot.caching(folder) as cache:
        assert ask() == "Paris"
        assert cache.report() == (1, 0, 0, 0)
    assert len(backend.requests) == 1


def test_a_replay_needs_no_backend_that_works(folder):
    record(folder, hello="Paris")
    Scripted(BackendError("no key"), name="in turn").register()
    with ot.caching(folder, mode="replay") as cache:
        assert ask() == "Paris"
    assert cache.report().made == 0


def test_a_miss_in_replay_mode_shows_the_nearest_request_and_what_differs(folder):
    with ot.caching(folder):
        answers("a", "b")
        ask("The capital of France?", max_tokens=20)
        ask("Something else entirely", temperature=1.0)
    backend = answers("never")
    with ot.caching(folder, mode="replay") as cache:
        with pytest.raises(ReplayMiss) as caught:
            ask("The capital of Spain?", max_tokens=20)
        assert cache.report() == (0, 1, 0, 2)
    assert backend.requests == []
    assert isinstance(caught.value, LookupError)
    message = str(caught.value)
    assert "generate_text(prompt='The capital of Spain?', max_tokens=20)" in message
    assert "prompt: recorded 'The capital of France?', asked 'The capital of Spain?'" in message
    assert "max_tokens: recorded" not in message


def test_a_miss_names_another_model_as_the_difference(folder):
    with ot.caching(folder):
        Scripted(["a"], name="small").register()
        ask()
    Scripted(["b"], name="large").register()
    with ot.caching(folder, mode="replay"), pytest.raises(ReplayMiss) as caught:
        ask()
    assert "fingerprint.name: recorded 'small', asked 'large'" in str(caught.value)


def test_a_miss_in_an_empty_cache_says_to_record_first(folder):
    ot.Cache(folder).close()
    answers("never")
    with ot.caching(folder, mode="replay"), pytest.raises(ReplayMiss, match="no request to generate_text"):
        ask()


def test_a_miss_concerns_the_whole_program(folder):
    record(folder, known="yes")
    answers("never")
    batch = ot.parallel(llm.generate_text("known"), llm.generate_text("unknown"), on_error="keep")
    with ot.caching(folder, mode="replay"), pytest.raises(ReplayMiss):
        ot.run(batch)


def test_refresh_asks_once_more_and_keeps_the_earlier_reply(folder):
    for text in ("first", "second", "third"):
        answers(text, "one too many")
        with ot.caching(folder, mode="refresh") as cache:
            assert [ask(), ask()] == [text, text]
            assert cache.report() == (1, int(text == "first"), 1, 0)
    with ot.Cache(folder) as cache:
        [entry] = cache
        assert entry.reply.value == "third"
        assert [reply.value for reply in entry.history] == ["first", "second"]
        assert len(cache) == 1


def test_a_failed_refresh_keeps_what_was_there(folder):
    record(folder, hello="kept")
    Scripted([BackendError("down")], name="in turn").register()
    with ot.caching(folder, mode="refresh"), pytest.raises(BackendError, match="down"):
        ask()
    with ot.caching(folder, mode="replay"):
        assert ask() == "kept"


def test_off_passes_every_call_by(folder):
    backend = answers("a", "b")
    with ot.caching(folder, mode="off") as cache:
        assert [ask(), ask()] == ["a", "b"]
    assert len(backend.requests) == 2
    assert cache.report() == (0, 0, 0, 0)


def test_errors_of_the_provider_are_not_kept(folder):
    answers(BackendError("overloaded"), "fine")
    with ot.caching(folder) as cache:
        with pytest.raises(BackendError, match="overloaded"):
            ask()
        assert len(cache) == 0
        assert ask() == "fine"
        assert cache.report() == (0, 2, 2, 0)


def test_the_report_counts_what_nobody_asked_for(folder):
    record(folder, a="1", b="2", c="3")
    answers("never")
    with ot.caching(folder, mode="replay") as cache:
        ask("b")
        ask("b")
        assert cache.report() == (2, 0, 0, 2)
    assert cache.report() == (2, 0, 0, 2)  # also when the cache is closed
    assert str(cache.report()).splitlines()[0] == "hits    2"


def test_the_report_counts_from_the_opening_of_its_scope(folder):
    cache = ot.Cache(folder)
    answers("a", "b")
    with ot.caching(cache):
        ask("a")
    with ot.caching(cache) as later:
        ask("a")
        ask("b")
        assert later.report() == (1, 1, 1, 0)
    cache.close()


@pytest.mark.parametrize("options", [{"mode": "reply"}, {"retry": ("refuse",)}, {"retry": "all"}])
def test_a_mode_or_a_kind_that_does_not_exist_is_refused(folder, options):
    with pytest.raises(UsageError, match=r"'read_write'|'refused'"):
        ot.Cache(folder, **options)
    assert not folder.exists()


def test_what_is_no_cache_is_refused(tmp_path):
    with open(tmp_path / "file", "w") as file, pytest.raises(UsageError, match="a cache is at a path"):
        ot.Cache(file)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a list of caches"):
        ot.Cache(tmp_path / "a", read_from=tmp_path / "b")


# Scopes


def test_the_innermost_scope_wins_and_replaces_the_backends_own(tmp_path):
    own, outer, inner = (ot.Cache(MemoryStore()) for _ in range(3))
    answers("a", "b", "c", cache=own)
    with ot.caching(outer), ot.caching(inner):
        assert ask() == "a"
    assert [len(own), len(outer), len(inner)] == [0, 0, 1]
    with ot.caching(outer):
        assert ask() == "b"
    assert ask() == "c"
    assert [len(own), len(outer), len(inner)] == [1, 1, 1]


def test_a_scope_may_turn_the_backends_own_cache_off():
    own = ot.Cache(MemoryStore())
    answers("a", "b", cache=own)
    ask()
    with ot.caching(own, mode="off"):
        assert ask() == "b"
    assert ask() == "a"


def test_a_cache_with_a_mode_of_its_own_keeps_it_in_a_scope(folder):
    record(folder, hello="a")
    answers("never")
    with ot.Cache(folder, mode="replay") as cache, ot.caching(cache), pytest.raises(ReplayMiss):
        ask("unknown")


def test_a_derived_built_in_is_cached_through_what_it_asks(folder):
    backend = Scripted(["42"], operations=["generate_text"]).register()
    with ot.caching(folder) as cache:
        assert [ot.run(llm.generate_object("How many?", int)) for _ in range(2)] == [42, 42]
        assert [entry.document["operation"] for entry in cache] == ["generate_text"]
    assert len(backend.requests) == 1


# Looking inside


def test_entries_show_the_request_beside_the_reply(folder):
    answers("Paris")
    with ot.caching(folder) as cache:
        ask("The capital of France?", max_tokens=5, stop="Q:")
        [entry] = cache
        assert entry.document["operation"] == "generate_text"
        assert entry.document["arguments"] == {
            "prompt": "The capital of France?", "max_tokens": 5, "stop": ["Q:"]
        }  # fmt: skip
        assert entry.document["fingerprint"] == {"provider": "scripted", "name": "in turn"}
        assert entry.document["sample_path"] == []
        assert entry.reply.value == "Paris"
        assert entry.reply.replayed
        assert entry.recorded_at == entry.reply.recorded_at
        assert entry.recorded_at is not None
        assert entry.history == []
        assert cache[entry.key].reply.value == "Paris"
        assert "Paris" not in repr(entry)
        with pytest.raises(KeyError):
            cache["0" * 64]


def test_a_closed_cache_says_so(folder):
    with ot.Cache(folder) as cache:
        pass
    cache.close()
    answers("never")
    with ot.caching(cache), pytest.raises(CacheError, match="is closed"):
        ask()


def test_a_notebook_shows_what_is_in_a_cache(folder):
    record(folder, a="1", b="2")
    with ot.Cache(folder) as cache:
        html = cache._repr_html_()
    assert "<th>entries</th><td>2</td>" in html
    assert "<th>of generate_text</th><td>2</td>" in html


# Layers


def test_a_layer_is_read_and_never_written(tmp_path):
    theirs = record(tmp_path / "theirs", a="theirs")
    answers("mine")
    with ot.Cache(tmp_path / "mine", read_from=[theirs]) as cache, ot.caching(cache) as scope:
        assert [ask("a"), ask("b")] == ["theirs", "mine"]
        assert scope.report() == (1, 1, 1, 0)
        assert len(cache) == 1  # a hit is not copied
    with ot.Cache(theirs) as untouched:
        assert len(untouched) == 1


def test_of_several_layers_the_first_that_has_it_answers(tmp_path):
    first = record(tmp_path / "first", a="first")
    second = record(tmp_path / "second", a="second", b="second")
    with ot.caching(tmp_path / "mine", read_from=[first, second]):
        answers("mine")
        assert [ask(prompt) for prompt in "abc"] == ["first", "second", "mine"]


def test_a_refresh_over_a_layer_writes_to_ones_own_and_keeps_the_layers_reply_as_history(tmp_path):
    theirs = record(tmp_path / "theirs", a="theirs")
    answers("mine")
    with ot.caching(tmp_path / "mine", read_from=[theirs], mode="refresh") as cache:
        assert ask("a") == "mine"
        [entry] = cache
        assert [reply.value for reply in entry.history] == ["theirs"]
    with ot.caching(theirs, mode="replay"):
        assert ask("a") == "theirs"


def test_a_replay_of_layers_shows_the_nearest_of_all(tmp_path):
    theirs = record(tmp_path / "theirs", hallo="theirs")
    record(tmp_path / "mine", xyz="mine")
    answers("never")
    layered = ot.caching(tmp_path / "mine", read_from=[theirs], mode="replay")
    with layered, pytest.raises(ReplayMiss, match="recorded 'hallo', asked 'hello'"):
        ask("hello")


def test_a_cache_as_a_layer_brings_its_own_layers(tmp_path):
    below = record(tmp_path / "below", a="below")
    record(tmp_path / "middle", b="middle")
    answers("never")
    with ot.Cache(tmp_path / "middle", read_from=[below]) as middle:
        with ot.caching(tmp_path / "top", read_from=[middle]):
            assert [ask("a"), ask("b")] == ["below", "middle"]
        with ot.caching(middle, mode="replay"):
            assert ask("b") == "middle"  # not closed with the scope that read it


# Replies that are not complete answers


def test_a_refusal_is_kept_and_raised_again(folder):
    backend = answers(ContentRefusedError("not for children", provider="scripted", request_id="r1"))
    for _ in range(2):
        with (
            ot.caching(folder) as cache,
            pytest.raises(ContentRefusedError, match="not for children") as caught,
        ):
            ask()
        assert (caught.value.provider, caught.value.request_id) == ("scripted", "r1")
    assert len(backend.requests) == 1
    with ot.Cache(folder) as cache:
        [entry] = cache
        assert entry.mark == "refused"


def test_a_reply_that_says_it_is_a_refusal_is_one(folder):
    answers(ot.Reply("I cannot help with that", finish_reason="refused"))
    with ot.caching(folder):
        for _ in range(2):
            with pytest.raises(ContentRefusedError, match="I cannot help with that"):
                ask()


def test_a_reply_that_does_not_parse_is_kept_and_raised_again(folder):
    backend = Scripted([ParseError("no JSON in it", "Well...")], operations=["generate_object"]).register()
    for _ in range(2):
        with ot.caching(folder), pytest.raises(ParseError, match="no JSON in it") as caught:
            ot.run(llm.generate_object("How many?", int))
        assert caught.value.reply == "Well..."
    assert len(backend.requests) == 1


def test_retry_asks_again_for_the_kinds_it_names_and_keeps_the_earlier_attempts(folder):
    script = [ContentRefusedError("no"), ot.Reply("Once upon", finish_reason="length"), "a whole answer"]
    answers(*script)
    with ot.caching(folder):
        with pytest.raises(ContentRefusedError):
            ask("a")
        assert [ask("b"), ask("c")] == ["Once upon", "a whole answer"]
    backend = answers("now yes", "never")
    with ot.caching(folder, retry=("refused",)) as cache:
        assert [ask("a"), ask("b"), ask("c"), ask("a")] == [
            "now yes",
            "Once upon",
            "a whole answer",
            "now yes",
        ]
        assert cache.report() == (3, 0, 1, 0)
        [entry] = [entry for entry in cache if entry.document["arguments"]["prompt"] == "a"]
        assert len(entry.history) == 1
    assert len(backend.requests) == 1


def test_what_is_refused_again_is_asked_once_in_a_scope(folder):
    backend = answers(*[ContentRefusedError("no")] * 5)
    with ot.caching(folder), pytest.raises(ContentRefusedError):
        ask()
    with ot.caching(folder, retry="refused"):
        for _ in range(3):
            with pytest.raises(ContentRefusedError):
                ask()
    assert len(backend.requests) == 2


def test_a_truncated_answer_is_marked_and_served(folder):
    answers(ot.Reply("Once upon", finish_reason="length"))
    with ot.caching(folder) as cache:
        assert [ask(), ask()] == ["Once upon", "Once upon"]
        [entry] = cache
        assert entry.mark == "truncated"


# Values


class Size(enum.Enum):
    SMALL = "s"


@dataclasses.dataclass
class City:
    name: str
    tags: list[str]
    size: Size = Size.SMALL


def test_a_typed_value_comes_back_as_its_class(folder):
    backend = Scripted([City("Nice", ["sea"])], operations=["generate_object"]).register()
    for _ in range(2):
        with ot.caching(folder):
            assert ot.run(llm.generate_object("A city?", City)) == City("Nice", ["sea"], Size.SMALL)
    assert len(backend.requests) == 1


def test_what_a_caller_does_to_a_value_reaches_nobody_else(folder):
    Scripted([City("Nice", ["sea"])], operations=["generate_object"]).register()
    both = ot.parallel(
        *[ot.make_executable(lambda: llm.generate_object("A city?", City))() for _ in range(2)]
    )
    with ot.caching(folder):
        first, second = ot.run(both)
        for city in (first, second, ot.run(llm.generate_object("A city?", City))):
            assert city.tags == ["sea"]
            city.tags.append("spoilt")
    assert first is not second


def test_an_entry_never_causes_an_import(folder, tmp_path, monkeypatch):
    (tmp_path / "planted_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    answers("x")
    with ot.caching(folder) as cache:
        ask()
        [entry] = cache
        planted = b'j{"$dataclass":"City","module":"planted_module","fields":{"name":"Nice"}}'
        write_now(cache.store, [(entry.key, entry.recorded._replace(value=planted).packed(entry.key))])
        with pytest.raises(CacheError, match="City"):
            ask()
        [entry] = cache
        assert entry.reply.value["$dataclass"] == "City"  # shown as it is stored


class Unknown:
    pass


def test_a_value_that_cannot_be_kept_names_its_type_and_harms_no_other(folder):
    Scripted([Unknown(), "fine"], operations=["generate_object", "generate_text"]).register()
    with ot.caching(folder) as cache:
        with pytest.raises(UnstorableError, match="Unknown"):
            ot.run(llm.generate_object("What?", City))
        assert ask() == "fine"
        assert len(cache) == 1


def test_details_of_a_replay_are_those_recorded(folder):
    recorded = ot.Reply(
        "Paris", ot.Usage(10, 2, 3, 1, 0.25), "stop", "model-2026-01", 1_700_000_000.5, 0.75, None, "req-1"
    )
    answers(recorded)
    with ot.caching(folder):
        live, replayed = (ot.run(llm.generate_text("hi", include_details=True)) for _ in range(2))
    assert live == ("Paris", recorded)
    assert replayed == ("Paris", recorded._replace(replayed=True))


def test_a_trace_of_a_replay_shows_the_recorded_usage_and_that_nothing_was_paid(folder):
    answers(ot.Reply("Paris", ot.Usage(10, 2)))
    with ot.caching(folder):
        marks = []
        for _ in range(2):
            _, trace = ot.run(llm.generate_text("hi"), enable_tracing=True)
            [span] = [span for span in trace.walk() if span.name == "generate_text"]
            marks.append((span.cache, span.usage))
    assert marks == [("made", ot.Usage(10, 2)), ("hit", ot.Usage(10, 2))]


# Functions


def test_a_function_without_a_fingerprint_is_passed_by_with_one_warning(folder):
    llm.generate_text.configure(lambda prompt: prompt.upper())
    with ot.caching(folder) as cache:
        with pytest.warns(RuntimeWarning, match="no fingerprint") as caught:
            assert [ask(), ask()] == ["HELLO", "HELLO"]
        assert len(caught) == 1
        assert len(cache) == 0


def test_a_function_with_a_fingerprint_is_cached(folder):
    asked = []

    def yes(prompt):
        asked.append(prompt)
        return "yes"

    llm.generate_text.configure(yes, fingerprint="yes-man")
    with ot.caching(folder):
        assert [ask(), ask()] == ["yes", "yes"]
    assert asked == ["hello"]


def test_a_function_without_a_fingerprint_is_a_miss_in_replay_mode(folder):
    ot.Cache(folder).close()
    llm.generate_text.configure(lambda prompt: pytest.fail("called"))
    with ot.caching(folder, mode="replay"), pytest.raises(ReplayMiss, match="no fingerprint"):
        ask()


# Damage


def damage(folder):
    """Flips one bit of the value of the first entry."""
    with contextlib.closing(sqlite3.connect(folder / "cache.db")) as connection:
        rowid, value = connection.execute("SELECT rowid, value FROM Cache ORDER BY rowid").fetchone()
        flipped = value[:20] + bytes([value[20] ^ 1]) + value[21:]
        connection.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (flipped, rowid))
        connection.commit()


@pytest.mark.parametrize("mode", ["read_write", "replay"])
def test_a_damaged_entry_is_an_error_and_the_others_are_served(folder, mode):
    damage(record(folder, first="1", second="2"))
    answers("never")
    with ot.caching(folder, mode=mode) as cache:
        with pytest.raises(CacheError, match="is damaged"):
            ask("first")
        assert ask("second") == "2"
        assert [entry.reply.value for entry in cache] == ["2"]


def test_a_refresh_replaces_a_damaged_entry(folder):
    damage(record(folder, first="1", second="2"))
    answers("new")
    with ot.caching(folder, mode="refresh"):
        assert ask("first") == "new"
    with ot.caching(folder, mode="replay"):
        assert [ask("first"), ask("second")] == ["new", "2"]


def test_entries_under_keys_of_another_version_are_named_as_a_gap(folder):
    record(folder, hello="old")
    with ot.Cache(folder) as cache:
        [entry] = cache
        old = entry.recorded._replace(document=entry.recorded.document.replace('"version":1', '"version":0'))
        write_now(cache.store, [(entry.key, None), ("0" * 64, old.packed("0" * 64))])
    answers("new", "newer")
    with ot.caching(folder, mode="replay"), pytest.raises(ReplayMiss, match="entries of key version 0"):
        ask()
    with ot.caching(folder), pytest.warns(RuntimeWarning, match="entries of key version 0") as caught:
        assert [ask(), ask("b")] == ["new", "newer"]
    assert len(caught) == 1


def test_a_read_only_cache_serves_and_refuses_what_it_lacks(folder):
    record(folder, a="1")
    answers("never")
    with ot.Cache(folder, mode="replay") as cache, ot.caching(cache, mode="read_write"):
        assert ask("a") == "1"
        with pytest.raises(CacheError, match="opened read-only"):
            ask("b")


def test_a_store_of_ones_own_serves_as_a_cache():
    store = MemoryStore()
    answers("a")
    for _ in range(2):
        with ot.caching(store):
            assert ask() == "a"
    assert len(store) == 1  # and it was not closed


# Watching


def texts(events):
    return [(event.text, event.replayed) for event in events if isinstance(event, ot.TextDelta)]


def test_a_stream_of_a_replay_shows_the_pieces_as_they_came_and_marks_them(folder):
    async def writing(prompt):
        yield "Once "
        yield "upon"

    Scripted(writing, name="writing").register()
    seen = []
    with ot.caching(folder):
        for _ in range(2):
            events: list[object] = []
            assert ot.run(llm.generate_text("hi"), on_event=events.append) == "Once upon"
            seen.append(texts(events))
            hits = [event for event in events if isinstance(event, ot.CacheHit)]
            finished = [event.replayed for event in events if isinstance(event, ot.CallFinished)]
            seen.append((len(hits), finished))
    assert seen == [
        [("Once ", False), ("upon", False)], (0, [False]),
        [("Once ", True), ("upon", True)], (1, [True]),
    ]  # fmt: skip


def test_nobody_is_warned_in_an_ordinary_life(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record(folder, a="1")
        with ot.caching(folder, mode="replay"):
            Scripted(["x"], name="in turn").register()
            assert asyncio.run(_awaited("a")) == "1"


async def _awaited(prompt):
    return await llm.generate_text(prompt)
