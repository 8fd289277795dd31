"""Does the cache do right what others were measured to do wrong? (Section 6 of the design, inverted.)

A kill, many processes and a full or damaged disk are in test_processes.py and test_disk_store.py; samples that
change owners in test_order.py.
"""

import asyncio
import pickle
import time
from pathlib import Path

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import BackendError, UnstorableError
from onetwo_like.testing import Scripted

SECRET = "sk-planted-0123456789abcdef"


@pytest.fixture(autouse=True)
def _own_registry():
    with ot.RegistryContext():
        yield


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def ask(prompt="hello", **options):
    return ot.run(llm.generate_text(prompt, **options))


class Server:
    """A chat server that says its name, or fails."""

    def __init__(self, name, status=200):
        self.name = name
        self.status = status
        self.asked = 0

    def backend(self, model="m", **options):
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer))
        return OpenAI(
            model, api_key=SECRET, base_url=f"http://{self.name}.invalid/v1", http_client=client, **options
        )

    def answer(self, request):
        self.asked += 1
        if self.status != 200:
            message = f"wrong key {request.headers['authorization']}"
            return httpx2.Response(self.status, json={"error": {"message": message}})
        return httpx2.Response(
            200,
            json={
                "id": "1", "object": "chat.completion", "created": 1, "model": "m-2026",
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": self.name}}
                ],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
            },
        )  # fmt: skip


def test_nothing_needs_to_be_saved_by_hand(folder):
    """Elsewhere a cache that was not saved loses every reply."""
    Scripted(lambda prompt: prompt.upper(), name="upper").register()
    with ot.caching(folder):
        ask("a")
        with ot.Cache(folder, mode="replay") as other:  # as another process would see it at this moment
            assert len(other) == 1


def test_one_value_that_cannot_be_kept_destroys_no_other(folder):
    Scripted(["first", object(), "third"], name="odd").register()
    with ot.caching(folder):
        ask("1")
        with pytest.raises(UnstorableError, match="object"):
            ask("2")
        ask("3")
    with ot.Cache(folder) as cache:
        assert sorted(entry.reply.value for entry in cache) == ["first", "third"]


def test_two_servers_do_not_answer_for_each_other(folder):
    a, b = Server("a"), Server("b")
    with ot.caching(folder):
        for server in (a, b, a, b):
            server.backend().register()
            assert ot.run(llm.chat("Who are you?")) == server.name
    assert (a.asked, b.asked) == (1, 1)


def test_two_models_do_not_replay_each_other(folder):
    server = Server("a")
    with ot.caching(folder):
        for model in ("small", "large", "small"):
            server.backend(model).register()
            ot.run(llm.chat("Who are you?"))
    assert server.asked == 2


def test_two_system_messages_are_two_requests(folder):
    server = Server("a")
    server.backend().register()
    with ot.caching(folder):
        for system in ("Be brief.", "Be long.", "Be brief."):
            ot.run(llm.chat([ot.Message("system", system), ot.Message("user", "Who are you?")]))
    assert server.asked == 2


def test_of_eight_identical_calls_one_is_paid_for(folder):
    server = Server("a")
    server.backend().register()
    asking = ot.make_executable(lambda _i: llm.chat("Who are you?"))
    with ot.caching(folder):
        ot.run(ot.parallel(*[asking(i) for i in range(8)]))
    assert server.asked == 1


def test_a_replay_shows_the_usage_that_was_paid(folder):
    server = Server("a")
    server.backend().register()
    with ot.caching(folder):
        ot.run(llm.chat("Who are you?"))
        _, reply = ot.run(llm.chat("Who are you?", include_details=True))
    assert reply.replayed
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 3)
    assert reply.model_version == "m-2026"


def test_a_failure_is_never_answered_as_text_and_never_kept(folder):
    Server("a", status=401).backend().register()
    with ot.caching(folder) as cache:
        with pytest.raises(BackendError):
            ot.run(llm.chat("Who are you?"))
        assert len(cache) == 0
    Server("a").backend().register()
    with ot.caching(folder):
        assert ot.run(llm.chat("Who are you?")) == "a"


def test_a_secret_is_in_no_file_that_is_written(folder, tmp_path):
    Server("a").backend().register()
    with ot.caching(folder) as cache:
        ot.run(llm.chat("Who are you?"))
        Server("b", status=401).backend().register()
        with pytest.raises(BackendError) as caught:
            ot.run(llm.chat("Who are you?"))
        with pytest.raises(LookupError) as missed, ot.caching(cache, mode="replay"):
            ot.run(llm.chat("Who is that?"))
        cache.export(tmp_path / "b.jsonl")
        shown = [cache._repr_html_(), repr(cache), str(caught.value), str(missed.value), repr(list(cache))]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"cache.db", "b.jsonl"}
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
    assert all(SECRET not in text for text in shown)


def test_no_pickle_is_written_whatever_is_answered(folder):
    Scripted([{"a": [1, (2, {3})]}, b"bytes", None, 1.5], operations=["generate_object"]).register()
    with ot.caching(folder):
        for i in range(4):
            ot.run(llm.generate_object(f"{i}", dict[str, int]))
    for path in Path(folder).rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert bytes([0x80, protocol]) + b"\x95" not in data


def test_a_follower_burns_no_cpu_while_it_waits(folder):
    """Elsewhere one template that waits for 2 s burns 1.3 s."""

    async def slow(prompt):
        await asyncio.sleep(0.5)
        return "done"

    Scripted(slow, name="slow").register()
    asking = ot.make_executable(lambda _i: llm.generate_text("hello"))
    with ot.caching(folder):
        began = time.process_time()
        ot.run(ot.parallel(*[asking(i) for i in range(50)]))
        assert time.process_time() - began < 0.25


def test_a_deadline_keeps_what_had_arrived(folder):
    """Elsewhere a reply that came before the deadline, but not the whole batch, is lost."""

    async def some(prompt):
        await asyncio.sleep(0 if prompt == "quick" else 3600)
        return "arrived"

    backend = Scripted(some, name="some").register()
    batch = ot.parallel(llm.generate_text("quick"), llm.generate_text("slow"), timeout=0.3, on_error="keep")
    with ot.caching(folder):
        assert [outcome.status for outcome in ot.run(batch)] == ["ok", "timeout"]
        assert ask("quick") == "arrived"
    assert len(backend.requests) == 2


def test_counterfactual_one_step_changed_and_the_rest_replays(folder):
    Scripted(lambda prompt: prompt.upper(), name="upper").register()

    @ot.make_executable
    async def program(second="then {}"):
        first = await llm.generate_text("first")
        middle = await llm.generate_text(second.format(first))
        return await llm.generate_text(f"last {middle}"), await llm.generate_text(f"beside {first}")

    with ot.caching(folder):
        ot.run(program())
        _, trace = ot.run(program("but {}"), enable_tracing=True)
    calls = [(span.inputs["prompt"], span.cache) for span in trace.walk() if span.name == "generate_text"]
    assert calls == [
        ("first", "hit"), ("but FIRST", "made"), ("last BUT FIRST", "made"), ("beside FIRST", "hit"),
    ]  # fmt: skip
