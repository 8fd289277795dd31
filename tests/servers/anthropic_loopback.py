"""What does a server of Anthropic's messages API answer, when the tests decide what goes wrong?"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.servers.http_server import FaultKind, HttpServer, Received, example_of, tokens_of

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
THOUGHT = {"type": "thinking", "thinking": "The user greets me.", "signature": "c2lnbmVk"}


class AnthropicServer(HttpServer):
    """A server of the messages API: a model that says `You said: ...`, and thinks first if it is told to."""

    request_id = "request-id"
    wrong_key = {"type": "authentication_error"}  # noqa: RUF012  (an error's fields, which nobody changes)

    def reply(self, received: Received, kind: FaultKind | None) -> dict[str, Any]:
        paths = {"/v1/messages": self._message, "/v1/messages/count_tokens": self._count}
        return paths[received.path](received.body, kind)

    def error(self, code: int, message: str, more: Mapping[str, Any]) -> dict[str, Any]:
        error = {"type": _TYPES.get(code, "api_error"), "message": message, **more}
        return {"type": "error", "error": error, "request_id": "req-in-the-body"}

    def event(self, data: dict[str, Any]) -> str:
        return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"

    def _count(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
        return {} if kind == "no_content" else {"input_tokens": _tokens_in(body)}

    def _message(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
        if kind == "empty":
            return {"type": "message", "model": "tiny"}
        content, reason = self._content(body, kind)
        usage = {
            "input_tokens": _tokens_in(body),
            "cache_read_input_tokens": 1,
            "cache_creation_input_tokens": 3,
            "output_tokens": sum(len(tokens_of(block.get("text", ""))) for block in content),
            "output_tokens_details": {"thinking_tokens": 2},
        }
        message: dict[str, Any] = {
            "id": "msg-1",
            "type": "message",
            "role": "assistant",
            "model": f"{body['model']}-20261121",
        }
        message |= {"content": [] if kind == "no_content" else content, "stop_reason": reason, "usage": usage}
        if kind == "content_filter":
            details = {"type": "refusal", "category": "bio", "explanation": "A filter stopped it."}
            message |= {"stop_reason": "refusal", "stop_details": details}
        if kind == "refusal":
            message |= {
                "content": [{"type": "text", "text": "I would rather not."}],
                "stop_reason": "refusal",
            }
        return message

    def _content(self, body: dict[str, Any], kind: FaultKind | None) -> tuple[list[dict[str, Any]], str]:
        """What the model answers, and why it stops: JSON if that is asked for, a tool if it must."""
        format_ = body.get("output_config", {}).get("format")
        if format_ and kind != "ignores_format":
            schema = format_["schema"]
            value = example_of(schema, schema.get("$defs", {}))
            return [{"type": "text", "text": json.dumps(value)}], "end_turn"
        choice = body.get("tool_choice", {})
        if choice.get("type") in ("any", "tool") and kind != "ignores_format":
            called = choice.get("name", body["tools"][0]["name"])
            schema = next(tool["input_schema"] for tool in body["tools"] if tool["name"] == called)
            made = example_of(schema, schema.get("$defs", {}))
            return [{"type": "tool_use", "id": "toolu-1", "name": called, "input": made}], "tool_use"
        text, reason = self.answer(_last_text(body)), "end_turn"
        for stop in body.get("stop_sequences", []):
            if stop in text:
                text, reason = text.partition(stop)[0], "stop_sequence"
        tokens = tokens_of(text)
        if len(tokens) > body["max_tokens"]:
            text, reason = "".join(tokens[: body["max_tokens"]]), "max_tokens"
        thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
        said = [{"type": "text", "text": text}] if text else []
        return [*([THOUGHT] if thinks else []), *said], reason

    def events(self, reply: dict[str, Any], received: Received, kind: FaultKind | None) -> Iterator[str]:
        if "content" not in reply:
            return
        usage = reply["usage"]
        begun = {**reply, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        yield self.event({"type": "message_start", "message": begun})
        for index, block in enumerate(reply["content"]):
            start, deltas = _pieces(block)
            yield self.event({"type": "content_block_start", "index": index, "content_block": start})
            yield self.event({"type": "ping"})
            for delta in deltas:
                yield self.event({"type": "content_block_delta", "index": index, "delta": delta})
            yield self.event({"type": "content_block_stop", "index": index})
        if kind == "no_finish":
            return
        ended = {name: reply[name] for name in ("stop_reason", "stop_details") if name in reply}
        now = {"output_tokens": usage["output_tokens"], "input_tokens": None}
        yield self.event({"type": "message_delta", "delta": ended, "usage": now})
        yield self.event({"type": "message_stop"})


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it is when it begins, and what is added to it."""
    if block["type"] == "text":
        return {**block, "text": ""}, [
            {"type": "text_delta", "text": piece} for piece in tokens_of(block["text"])
        ]
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in tokens_of(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*thoughts, signed]
    if block["type"] == "tool_use":
        written = json.dumps(block["input"])
        halves = ("", written[: len(written) // 2], written[len(written) // 2 :])
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": half} for half in halves]
    return block, []


def _last_text(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else json.dumps(content)


def _tokens_in(body: dict[str, Any]) -> int:
    said = [body.get("system", ""), *(message["content"] for message in body["messages"])]
    return sum(
        len(tokens_of(content if isinstance(content, str) else json.dumps(content))) for content in said
    )
