"""What does an OpenAI-compatible server answer, when the tests decide what goes wrong?

Answers are deterministic: a chat model that says `You said: ...`, a scorer whose tokens are words, vectors
made of a checksum. In a process of its own, for benchmarks: `python -m tests.servers.loopback --delay-s 0.05`
prints its URL.
"""

import argparse
import json
import threading
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.servers.http_server import FaultKind, HttpServer, Received, example_of, tokens_of


class LoopbackServer(HttpServer):
    """An OpenAI-compatible server."""

    prefix = "/v1"
    request_id = "x-request-id"
    wrong_key = {"code": "invalid_api_key"}  # noqa: RUF012  (an error's fields, which nobody changes)

    def reply(self, received: Received, kind: FaultKind | None) -> dict[str, Any]:
        paths = {
            "/chat/completions": self._chat,
            "/completions": self._completions,
            "/embeddings": self._embeddings,
        }
        reply = paths[received.path](received.body, kind)
        return {"id": "reply-1", "model": f"{received.body['model']}-2026-11-21", **reply}

    def error(self, code: int, message: str, more: Mapping[str, Any]) -> dict[str, Any]:
        return {"error": {"message": message, **more}}

    def _chat(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
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
        return {"choices": [] if kind == "empty" else choices, "usage": usage}

    def _completions(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
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
        return {"choices": [] if kind == "empty" else [choice], "usage": usage}

    def _embeddings(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
        items = [{"index": i, "embedding": vector_of(text)} for i, text in enumerate(body["input"])]
        items.reverse()  # the order is the index's, not the list's
        if kind == "empty":
            items = []
        return {"data": items, "usage": {"prompt_tokens": sum(len(tokens_of(t)) for t in body["input"])}}

    def events(self, reply: dict[str, Any], received: Received, kind: FaultKind | None) -> Iterator[str]:
        common = {"id": reply["id"], "model": reply["model"]}

        def event(delta: dict[str, Any], finish_reason: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            return self.event({**common, "choices": [choice]})

        for choice in reply["choices"]:
            message = choice["message"]
            if message["refusal"]:
                yield event({"role": "assistant", "refusal": message["refusal"]})
            for piece in tokens_of(message["content"] or ""):
                yield event({"content": piece})
            if kind != "no_finish":
                yield event({}, choice["finish_reason"])
        if received.body.get("stream_options", {}).get("include_usage"):
            yield self.event({**common, "choices": [], "usage": reply["usage"]})
        yield "data: [DONE]\n\n"


def logprob_of(token: str) -> float:
    """What the scorer thinks of a token: the shorter, the likelier."""
    return -0.25 * len(token)


def vector_of(text: str) -> list[float]:
    """Four numbers that depend on the text."""
    checksum = zlib.crc32(text.encode())
    return [(checksum >> shift & 255) / 255 for shift in (0, 8, 16, 24)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serves until it is interrupted.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-s", type=float, default=0.0)
    given = parser.parse_args()
    with LoopbackServer(delay_s=given.delay_s, port=given.port) as running:
        print(running.base_url, flush=True)  # noqa: T201  (whoever started it reads this)
        threading.Event().wait()
