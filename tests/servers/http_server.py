"""How does a server of the tests speak HTTP, and go wrong on demand, whatever its API?

`server.fail(...)` queues faults for the next requests, `server.always = ...` sets one for all. A server of a
provider's API is a subclass, which says how a request is answered: as an object, as an error, as events.
"""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

FaultKind = Literal[
    # of every server
    "status",  # answers `status`
    "broken_json",  # half a JSON object
    "wrong_content_type",  # a long page of HTML with `status`
    "truncated_stream",  # the connection breaks in the middle of the events
    "cut_stream",  # the events end in the middle, and the answer as HTTP has it is whole
    "stream_error",  # `error` as an event in the middle of the events
    "ignores_stream",  # the whole answer as JSON, though a stream was asked for
    "hang",  # never answers
    "reset",  # resets the connection before the status line
    "slow_drip",  # the body, one byte every 20 ms
    # of the answers of models: each server makes of these what its API has
    "no_finish",  # all that the answer has, and no reason why it ended
    "empty",  # no answer at all
    "no_content",  # an answer without content
    "refusal",  # the model would not
    "content_filter",  # the provider would not let it
    "ignores_format",  # prose in place of JSON
    "ignores_n",  # one choice
    "ignores_echo",
    "ignores_logprobs",
    "none_logprobs",  # a token in the middle has none
]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. `error` is what an error says beside its message, in the API's own words."""

    kind: FaultKind
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "it went wrong"
    error: dict[str, Any] = field(default_factory=dict)


def status(
    number: int, message: str = "it went wrong", *, headers: dict[str, str] | None = None, **error: Any
) -> Fault:
    """An HTTP error whose body says `message`, and what else is given, such as OpenAI's `code`."""
    return Fault("status", number, headers or {}, message, error)


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
    """What a model answers."""
    return f"You said: {prompt}"


class HttpServer:
    """A server on 127.0.0.1 for the duration of a `with` block, in a thread of its own."""

    prefix: ClassVar[str] = ""  # of all paths, where the API begins
    request_id: ClassVar[str | None]  # the header that names a request
    wrong_key: ClassVar[dict[str, Any]]  # what the 401 says of a wrong key, beside its message

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
        self.headers: dict[str, str] = {}  # beside those of every reply
        self.connections = 0
        self.open_connections = 0
        self.unused = threading.Event()  # whether all connections have been closed
        self.most_at_once = 0
        self._at_once = 0
        self._faults: list[Fault | None] = []
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    # The API

    def reply(self, received: Received, kind: FaultKind | None) -> dict[str, Any]:
        """The whole answer. Raises LookupError for a path that is not there."""
        raise NotImplementedError

    def error(self, code: int, message: str, more: Mapping[str, Any]) -> dict[str, Any]:
        """The body of an error."""
        raise NotImplementedError

    def asks_for_a_stream(self, received: Received) -> bool:
        """Whether the answer is to come as events."""
        return bool(received.body.get("stream"))

    def events(self, reply: dict[str, Any], received: Received, kind: FaultKind | None) -> Iterator[str]:
        """The answer as events, each with the empty line that ends it."""
        raise NotImplementedError

    def event(self, data: dict[str, Any]) -> str:
        """One event. (That of an error is made of `error`.)"""
        return f"data: {json.dumps(data)}\n\n"

    def key_in(self, headers: Mapping[str, str]) -> str:
        """The key that was sent."""
        return headers.get("authorization", "").removeprefix("Bearer ")

    # For the tests

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
        return f"http://127.0.0.1:{self._port}{self.prefix}"

    def fail(self, *faults: Fault | FaultKind | None) -> None:
        """The next requests go wrong, one for each fault; None is for one that does not."""
        self._faults += [Fault(fault) if isinstance(fault, str) else fault for fault in faults]

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
        # No more are accepted, and what just was becomes a connection first: nobody would close it otherwise.
        self._loop.remove_reader(server.sockets[0])
        await asyncio.gather(*asyncio.all_tasks() - self._tasks - {asyncio.current_task()})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        server.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        self.unused.clear()
        task = self._loop.create_task(self._talk(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(
            lambda task: self._gone(task, writer)
        )  # also if it was cancelled before it began

    def _gone(self, task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        self._tasks.discard(task)
        self.open_connections -= 1
        if self.open_connections == 0:
            self.unused.set()
        if self._stop.is_set():
            writer.transport.abort()  # nobody reads what is left
        else:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The errors are of a client that has gone, or of the server's end.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        received = Received(path.removeprefix(self.prefix), headers, json.loads(body or b"{}"))
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
        code, headers = 200, {"content-type": "application/json", **self.headers}
        if self.request_id is not None:
            headers[self.request_id] = f"req-{len(self.requests)}"
        sent = self.key_in(received.headers)
        if self.key is not None and sent != self.key:
            code, reply = 401, self.error(401, f"Incorrect API key provided: {sent}.", self.wrong_key)
        elif fault is not None and kind == "status":
            code, reply = fault.status, self.error(fault.status, fault.message, fault.error)
            headers |= fault.headers
        else:
            try:
                reply = self.reply(received, kind)
            except LookupError:
                code, reply = 404, self.error(404, f"there is no {received.path} here", {})
        whole = ("ignores_stream", "wrong_content_type")
        if code == 200 and self.asks_for_a_stream(received) and kind not in whole:
            return await self._stream(writer, headers, self._cut(reply, received, fault), kind)
        data = json.dumps(reply).encode()
        if kind == "broken_json":
            data = data[: len(data) // 2]
        if kind == "wrong_content_type" and fault is not None:
            data = b"<html>\n\n<body>Please log in." + b" " * 5 + b"x" * 10_000 + b"</body></html>"
            code, headers["content-type"] = fault.status, "text/html"
        headers["content-length"] = str(len(data))
        self._head(writer, code, headers)
        for piece in [data[i : i + 1] for i in range(len(data))] if kind == "slow_drip" else [data]:
            writer.write(piece)
            await writer.drain()
            if kind == "slow_drip":
                await asyncio.sleep(0.02)
        return True

    async def _stream(
        self,
        writer: asyncio.StreamWriter,
        headers: dict[str, str],
        events: Iterator[str],
        kind: FaultKind | None,
    ) -> bool:
        headers |= {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        self._head(writer, 200, headers)
        for event in events:
            data = event.encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        if kind == "truncated_stream":
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _cut(self, reply: dict[str, Any], received: Received, fault: Fault | None) -> Iterator[str]:
        """The events, or half of them and what goes wrong then."""
        kind = fault.kind if fault else None
        events = list(self.events(reply, received, kind))
        if fault is None or kind not in ("truncated_stream", "cut_stream", "stream_error", "broken_json"):
            yield from events
            return
        yield from events[: len(events) // 2]
        if kind == "stream_error":
            yield self.event(self.error(fault.status, fault.message, fault.error))
        if kind == "broken_json":
            event = events[len(events) // 2].rstrip("\n")
            yield event[: len(event) - 3] + "\n\n"

    def _head(self, writer: asyncio.StreamWriter, code: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {code} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


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
