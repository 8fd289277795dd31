"""What does an OpenAI-compatible server answer, when the tests decide what goes wrong?

Answers are deterministic: a chat model that says `You said: ...`, a scorer whose tokens are words, vectors
made of a checksum. `server.fail(...)` queues faults for the next requests, `server.always = ...` sets one for
all. In a process of its own, for benchmarks: `python -m tests.servers.loopback --delay-s 0.05` prints its URL.
"""

import argparse
import asyncio
import json
import re
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Self

FaultKind = Literal[
    "status",  # answers `status`
    "broken_json",  # half a JSON object
    "wrong_content_type",  # a page of HTML with status 200
    "truncated_stream",  # the connection breaks in the middle of the events
    "no_finish",  # all pieces and [DONE], but no finish reason
    "stream_error",  # `error` as an event in the middle of the events
    "ignores_stream",  # the whole answer as JSON, though a stream was asked for
    "hang",  # never answers
    "reset",  # resets the connection before the status line
    "slow_drip",  # the body, one byte every 20 ms
    "empty_choices",
    "no_content",  # content is null
    "refusal",
    "content_filter",
    "ignores_n",  # one choice
    "ignores_format",  # prose in place of JSON
    "ignores_echo",
    "ignores_logprobs",
    "none_logprobs",  # a token in the middle has none
]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    kind: FaultKind
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=lambda: {"message": "it went wrong"})


def status(
    number: int, message: str = "it went wrong", *, headers: dict[str, str] | None = None, **error: Any
) -> Fault:
    """An HTTP error whose body says `message`, and what else is given, such as OpenAI's `code`."""
    return Fault("status", number, headers or {}, {"message": message, **error})


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


def tokens_of(text: str) -> list[str]:
    """Words with the space before them, and everything else by itself."""
    return re.findall(r" ?\w+|[^\w]", text)


def say(prompt: str) -> str:
    """What the chat model answers."""
    return f"You said: {prompt}"


class LoopbackServer:
    """A server on 127.0.0.1 for the duration of a `with` block, in a thread of its own."""

    def __init__(
        self,
        answer: Callable[[str], str] = say,
        *,
        key: str | None = None,
        delay_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self.answer = answer
        self.key = key
        self.delay_s = delay_s
        self.requests: list[Received] = []
        self.always: Fault | None = None
        self.connections = 0
        self.open_connections = 0
        self.unused = threading.Event()  # whether all connections have been closed
        self.most_at_once = 0
        self._at_once = 0
        self._faults: list[Fault] = []
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def base_url(self) -> str:
        """Where the API begins."""
        return f"http://127.0.0.1:{self._port}/v1"

    def fail(self, *faults: Fault | FaultKind) -> None:
        """The next requests go wrong, one for each fault."""
        self._faults += [fault if isinstance(fault, Fault) else Fault(fault) for fault in faults]

    def bodies(self) -> list[dict[str, Any]]:
        """What was asked, in order of arrival."""
        return [received.body for received in self.requests]

    # HTTP

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, limit=2**24)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        self.unused.clear()
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the server stops
        finally:
            self._tasks.discard(task)
            self.open_connections -= 1
            if self.open_connections == 0:
                self.unused.set()
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        received = Received(path.removeprefix("/v1"), headers, json.loads(body or b"{}"))
        self.requests.append(received)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            fault = self._faults.pop(0) if self._faults else self.always
            return await self._answer(received, fault, writer)
        finally:
            self._at_once -= 1

    async def _answer(self, received: Received, fault: Fault | None, writer: asyncio.StreamWriter) -> bool:
        kind = fault.kind if fault else None
        if kind == "hang":
            await asyncio.Event().wait()
        if kind == "reset":
            writer.transport.abort()
            return False
        code, headers = 200, {"content-type": "application/json", "x-request-id": f"req-{len(self.requests)}"}
        sent = received.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key is not None and sent != self.key:
            wrong = {"message": f"Incorrect API key provided: {sent}.", "code": "invalid_api_key"}
            code, reply = 401, {"error": wrong}
        elif fault is not None and kind == "status":
            code, reply = fault.status, {"error": fault.error}
            headers |= fault.headers
        else:
            code, reply = self._reply(received, kind)
        streams = (
            code == 200
            and received.body.get("stream")
            and kind not in ("ignores_stream", "wrong_content_type")
        )
        if streams:
            headers |= {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
            self._head(writer, code, headers)
            async for event in self._events(reply, received.body, fault):
                data = f"data: {event}\n\n".encode()
                writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                await writer.drain()
            if kind == "truncated_stream":
                return False
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return True
        data = json.dumps(reply).encode()
        if kind == "broken_json":
            data = data[: len(data) // 2]
        if kind == "wrong_content_type":
            data = b"<html><body>Please log in.</body></html>"
            headers["content-type"] = "text/html"
        headers["content-length"] = str(len(data))
        self._head(writer, code, headers)
        for piece in [data[i : i + 1] for i in range(len(data))] if kind == "slow_drip" else [data]:
            writer.write(piece)
            await writer.drain()
            if kind == "slow_drip":
                await asyncio.sleep(0.02)
        return True

    def _head(self, writer: asyncio.StreamWriter, code: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {code} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    # The API

    def _reply(self, received: Received, kind: str | None) -> tuple[int, dict[str, Any]]:
        paths = {
            "/chat/completions": self._chat,
            "/completions": self._completions,
            "/embeddings": self._embeddings,
        }
        if received.path not in paths:
            return 404, {"error": {"message": f"there is no {received.path} here"}}
        reply = paths[received.path](received.body, kind)
        return 200, {"id": "reply-1", "model": f"{received.body['model']}-2026-11-21", **reply}

    def _chat(self, body: dict[str, Any], kind: str | None) -> dict[str, Any]:
        content = body["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else json.dumps(content)
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        text = self.answer(prompt)
        if schema is not None and kind != "ignores_format":
            text = json.dumps(example_of(schema, schema.get("$defs", {})))
        for stop in body.get("stop", []):
            text = text.partition(stop)[0]
        tokens = tokens_of(text)
        limit = body.get("max_tokens", body.get("max_completion_tokens", len(tokens)))
        finish_reason = "stop" if limit >= len(tokens) else "length"
        text = "".join(tokens[:limit])
        choices = []
        for index in range(1 if kind == "ignores_n" else body.get("n", 1)):
            seed = body.get("seed")
            said = text + (f" [{index}]" if index else "") + (f" (seed {seed})" if seed is not None else "")
            message = {
                "role": "assistant",
                "content": None if kind == "no_content" else said,
                "refusal": None,
            }
            if kind == "refusal":
                message |= {"content": None, "refusal": "I would rather not."}
            reason = "content_filter" if kind == "content_filter" else finish_reason
            choices.append({"index": index, "message": message, "finish_reason": reason})
        sent = sum(len(tokens_of(str(message["content"]))) for message in body["messages"])
        usage = {
            "prompt_tokens": sent,
            "completion_tokens": len(choices) * len(tokens[:limit]),
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 2},
        }
        return {"choices": [] if kind == "empty_choices" else choices, "usage": usage}

    def _completions(self, body: dict[str, Any], kind: str | None) -> dict[str, Any]:
        prompt = body["prompt"]
        tokens = [*tokens_of(prompt), " and"]
        if kind == "ignores_echo" or not body.get("echo"):
            tokens = tokens[-1:]
        values: list[float | None] = [logprob_of(token) for token in tokens]
        values[0] = None
        if kind == "none_logprobs":
            values = [None for _ in values]
        offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
        logprobs = {"tokens": tokens, "token_logprobs": values, "text_offset": offsets, "top_logprobs": None}
        choice = {
            "index": 0,
            "text": "".join(tokens),
            "finish_reason": "length",
            "logprobs": None if kind == "ignores_logprobs" else logprobs,
        }
        usage = {"prompt_tokens": len(tokens) - 1, "completion_tokens": 1}
        return {"choices": [] if kind == "empty_choices" else [choice], "usage": usage}

    def _embeddings(self, body: dict[str, Any], kind: str | None) -> dict[str, Any]:
        items = [{"index": i, "embedding": vector_of(text)} for i, text in enumerate(body["input"])]
        items.reverse()  # the order is the index's, not the list's
        if kind == "empty_choices":
            items = []
        return {"data": items, "usage": {"prompt_tokens": sum(len(tokens_of(t)) for t in body["input"])}}

    async def _events(
        self, reply: dict[str, Any], body: dict[str, Any], fault: Fault | None
    ) -> AsyncIterator[str]:
        kind = fault.kind if fault else None
        common = {"id": reply["id"], "model": reply["model"]}

        def event(delta: dict[str, Any], finish_reason: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            return json.dumps({**common, "choices": [choice]})

        for choice in reply["choices"]:
            message = choice["message"]
            if message["refusal"]:
                yield event({"role": "assistant", "refusal": message["refusal"]})
            pieces = tokens_of(message["content"] or "")
            for index, piece in enumerate(pieces):
                if kind in ("truncated_stream", "stream_error", "broken_json") and index == len(pieces) // 2:
                    if fault is not None and kind == "stream_error":
                        yield json.dumps({"error": fault.error})
                    if kind == "broken_json":
                        yield '{"choices": [{'
                    return
                yield event({"content": piece})
            if kind != "no_finish":
                yield event({}, choice["finish_reason"])
        if body.get("stream_options", {}).get("include_usage"):
            yield json.dumps({**common, "choices": [], "usage": reply["usage"]})
        yield "[DONE]"


def logprob_of(token: str) -> float:
    """What the scorer thinks of a token: the shorter, the likelier."""
    return -0.25 * len(token)


def vector_of(text: str) -> list[float]:
    """Four numbers that depend on the text."""
    checksum = zlib.crc32(text.encode())
    return [(checksum >> shift & 255) / 255 for shift in (0, 8, 16, 24)]


def example_of(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """The smallest value that fits a JSON schema, with no more keywords than the tests use."""
    if "$ref" in schema:
        return example_of(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], definitions)
    if schema["type"] == "object":
        return {name: example_of(inner, definitions) for name, inner in schema.get("properties", {}).items()}
    if schema["type"] == "array":
        return [example_of(schema["items"], definitions)]
    return {"string": "text", "integer": 7, "number": 0.5, "boolean": True, "null": None}[schema["type"]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serves until it is interrupted.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-s", type=float, default=0.0)
    given = parser.parse_args()
    with LoopbackServer(delay_s=given.delay_s, port=given.port) as running:
        print(running.base_url, flush=True)  # noqa: T201  (whoever started it reads this)
        threading.Event().wait()
