"""What does a call through `OpenAI` cost beside the provider's own client, against a server that answers after 50 ms?

The server is a process of its own, as lean as can be: it looks at nothing but where a request ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from tests.benchmarks.measuring import Figure, figure

CALLS = 2_000
STREAMS, CHUNKS = 200, 200
AT_ONCE = 100
DELAY_S = 0.05
SECOND_TOKEN_S = 0.02
ROUNDS = 3
FIRST_TOKENS = 40
QUESTION = "What is the capital of France?"


# The server


def _served(port: int) -> None:
    """Answers on the port until the process is ended."""
    whole = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Paris"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9},
    }
    body = json.dumps(whole).encode()
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: r\r\ncontent-length: %d\r\n\r\n"
    )
    answer = head % len(body) + body

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        event = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}
        data = f"data: {json.dumps({**event, 'choices': [choice]})}\n\n".encode()
        return b"%x\r\n%s\r\n" % (len(data), data)

    stream_head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    first = stream_head + chunk({"role": "assistant", "content": "token "})
    done = b"data: [DONE]\n\n"
    rest = chunk({"content": "token "}) * (CHUNKS - 1) + chunk({}, "stop")
    rest += b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done)

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.received = b""

        def data_received(self, data: bytes) -> None:
            self.received += data
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            lower = self.received[:end].lower()
            length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(self.received) < end + 4 + length:
                return
            streams = b'"stream":true' in self.received or b'"stream": true' in self.received
            self.received = b""
            loop = asyncio.get_running_loop()
            if streams:  # as a model does, it thinks about the second token too
                loop.call_later(DELAY_S, self.transport.write, first)
                loop.call_later(DELAY_S + SECOND_TOKEN_S, self.transport.write, rest)
            else:
                loop.call_later(DELAY_S, self.transport.write, answer)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await server.serve_forever()

    asyncio.run(main())


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = f"from tests.benchmarks import bench_openai; bench_openai._served({port})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


# The two ways


def _bare_client(url: str) -> Any:
    """The provider's own client, with as many connections as calls at once."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

    limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    return AsyncOpenAI(
        api_key="none", base_url=url, max_retries=0, http_client=DefaultAsyncHttpx2Client(limits=limits)
    )


async def _bare_calls(client: Any, calls: int) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str:
        async with places:
            reply = await client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": f"{QUESTION} {number}"}]
            )
            return str(reply.choices[0].message.content)

    answers = await asyncio.gather(*[one(number) for number in range(calls)])
    assert answers == ["Paris"] * calls


async def _our_calls(calls: int) -> None:
    questions = (llm.generate_text(f"{QUESTION} {number}") for number in range(calls))
    assert await ot.parallel(questions, max_concurrency=AT_ONCE) == ["Paris"] * calls


async def _bare_streams(client: Any, calls: int) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> int:
        async with places:
            stream = await client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": f"{QUESTION} {number}"}], stream=True
            )
            seen = 0
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    seen += 1
            return seen

    assert await asyncio.gather(*[one(n) for n in range(calls)]) == [CHUNKS] * calls


async def _our_streams(calls: int) -> None:
    questions = [llm.generate_text(f"{QUESTION} {number}") for number in range(calls)]
    seen = 0
    async with ot.stream(ot.parallel(*questions, max_concurrency=AT_ONCE), only=ot.TextDelta) as events:
        async for _event in events:
            seen += 1
    assert seen == CHUNKS * calls


async def _bare_first_token(client: Any) -> float:
    began = time.perf_counter()
    stream = await client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    taken = None
    async for chunk in stream:
        if taken is None and chunk.choices and chunk.choices[0].delta.content:
            taken = time.perf_counter() - began
    assert taken is not None
    return taken


async def _our_first_token() -> float:
    began = time.perf_counter()
    taken = None
    async with ot.stream(llm.generate_text(QUESTION), only=ot.TextDelta) as events:
        async for _event in events:
            if taken is None:
                taken = time.perf_counter() - began
    assert taken is not None
    return taken


async def _taken(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """(wall seconds, CPU seconds of this process)."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - wall, time.process_time() - cpu


async def _in_turn(
    bare: Callable[[], Awaitable[None]], ours: Callable[[], Awaitable[None]]
) -> tuple[float, float, float, float]:
    """The medians of wall and CPU of both, run in turn after one warm-up of each, and the first time of ours."""
    await bare()
    cold, _ = await _taken(ours)
    rounds = [(await _taken(bare), await _taken(ours)) for _ in range(ROUNDS)]
    columns = [[each[who][what] for each in rounds] for who in (0, 1) for what in (0, 1)]
    bare_wall, bare_cpu, our_wall, our_cpu = [statistics.median(column) for column in columns]
    return our_wall / bare_wall, our_cpu / bare_cpu, cold / bare_wall, our_cpu


async def _measured(url: str) -> list[Figure]:
    client = _bare_client(url)
    OpenAI("tiny", base_url=url, api_key="none", max_concurrency=AT_ONCE).register()
    wall, cpu, cold, seconds = await _in_turn(lambda: _bare_calls(client, CALLS), lambda: _our_calls(CALLS))
    figures = [
        figure("2,000 calls of 50 ms, 100 at once / the bare client, wall", wall, 1.15, "times"),
        figure("the same, process CPU", cpu, 1.25, "times"),
        figure("the same, wall of the first run, in which the pace is found", cold, None, "times"),
        figure("a call through OpenAI, process CPU", seconds / CALLS * 1e6, None, "us"),
    ]
    wall, cpu, _, _ = await _in_turn(lambda: _bare_streams(client, STREAMS), lambda: _our_streams(STREAMS))
    figures += [
        figure("200 streams of 200 chunks / the bare client, wall", wall, 1.25, "times"),
        figure("the same, process CPU", cpu, 1.25, "times"),
    ]
    firsts = [(await _bare_first_token(client), await _our_first_token()) for _ in range(FIRST_TOKENS)]
    later = statistics.median([ours - bare for bare, ours in firsts]) * 1e3
    figures.append(figure("first token later than the bare client's", later, 3.0, "ms"))
    await client.close()
    return figures


def measure() -> list[Figure]:
    """Calls, streams and first tokens, beside the provider's own client in the same run."""
    with server() as url, ot.RegistryContext():
        return asyncio.run(_measured(url))
