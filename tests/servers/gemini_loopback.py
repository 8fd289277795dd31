"""What does a server of Google's REST API for Gemini answer, when the tests decide what goes wrong?

Streams are events where `alt=sse` is asked for, else one array of JSON, and words such as STOP are numbers where
`enum-encoding=int` is: as Google's servers have it for the newer and the older SDK.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast
from urllib.parse import unquote

from tests.servers.http_server import FaultKind, HttpServer, Received, example_of, tokens_of

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_NUMBERS = {"STOP": 1, "MAX_TOKENS": 2, "SAFETY": 3}  # of Candidate.FinishReason
_ASKED_IN_WORDS = "JSON schema:\n"


class GeminiServer(HttpServer):
    """A server of Gemini's API. As Google's do, it names no request in its headers."""

    request_id = None
    wrong_key: ClassVar[dict[str, Any]] = {
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    }

    def key_in(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-goog-api-key", "")

    def asks_for_a_stream(self, received: Received) -> bool:
        return ":streamGenerateContent" in received.path

    def error(self, code: int, message: str, more: Mapping[str, Any]) -> dict[str, Any]:
        status = {"status": _STATUS[code]} if code in _STATUS else {}
        return {"error": {"code": code, "message": message, **status, **more}}

    def reply(self, received: Received, kind: FaultKind | None) -> dict[str, Any]:
        path, _, query = unquote(received.path).partition("?")
        model, _, method = path.removeprefix("/v1beta/models/").partition(":")
        if method in ("generateContent", "streamGenerateContent"):
            reply = self._answer_to(received.body, kind)
            if "enum-encoding=int" in query:
                for candidate in reply.get("candidates", []):
                    if "finishReason" in candidate:
                        candidate["finishReason"] = _NUMBERS[candidate["finishReason"]]
            reply = reply and {**reply, "modelVersion": f"{model}-001"}
            in_one_piece = kind == "ignores_stream" and "alt=sse" not in query
            return cast(Any, [reply]) if in_one_piece else reply  # an array is one even so
        if method == "batchEmbedContents":
            texts = [request["content"]["parts"][0]["text"] for request in received.body["requests"]]
            return {"embeddings": [{"values": [float(len(text)), 0.5]} for text in texts if kind != "empty"]}
        if method == "countTokens":
            return {"totalTokens": sum(map(len, map(tokens_of, _texts_in(received.body))))}
        raise LookupError(path)

    def _answer_to(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
        if kind == "empty":
            return {}
        if kind == "content_filter":
            return {"promptFeedback": {"blockReason": "SAFETY"}}
        config, texts = body.get("generationConfig", {}), _texts_in(body)
        text = self.answer(texts[-1])
        if "responseMimeType" in config and kind != "ignores_format":
            schema = config.get("responseJsonSchema") or _schema_in(texts)
            text = json.dumps(example_of(schema, schema.get("$defs", {})))
        for stop in config.get("stopSequences", []):
            text = text.partition(stop)[0]
        tokens = tokens_of(text)
        limit = config.get("maxOutputTokens", len(tokens))
        reason = "STOP" if limit >= len(tokens) else "MAX_TOKENS"
        said = [{"text": "".join(tokens[:limit])}]
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": said}, "finishReason": reason}
        if kind == "no_content":
            candidate["content"] = {"role": "model"}
        if kind == "refusal":
            candidate = {"finishReason": "SAFETY", "content": {"role": "model"}}
        count = 1 if kind == "ignores_n" else config.get("candidateCount", 1)
        usage = {
            "promptTokenCount": sum(map(len, map(tokens_of, texts))),
            "candidatesTokenCount": count * min(limit, len(tokens)),
            "cachedContentTokenCount": 1,
            "thoughtsTokenCount": 2,
        }
        candidates = [{**candidate, "index": index} for index in range(count)]
        return {"candidates": candidates, "usageMetadata": usage}

    def events(self, reply: dict[str, Any], received: Received, kind: FaultKind | None) -> Iterator[str]:
        pieces = list(_pieces(reply, kind))
        if "alt=sse" in received.path:
            yield from map(self.event, pieces)
        else:
            yield f"[{json.dumps(pieces[0])}"
            yield from [f",\r\n{json.dumps(piece)}" for piece in pieces[1:]]
            yield "]"


def _pieces(reply: dict[str, Any], kind: FaultKind | None) -> Iterator[dict[str, Any]]:
    """The answer a token at a time; the last piece says why it ended."""
    for candidate in reply.get("candidates", []):
        for part in candidate["content"].get("parts", []):
            for token in tokens_of(part["text"]):
                yield {"candidates": [{"content": {"role": "model", "parts": [{"text": token}]}}]}
        candidate["content"] = (
            {"role": "model", "parts": [{"text": ""}]} if kind is None else {"role": "model"}
        )
        if kind == "no_finish":
            del candidate["finishReason"]
    yield reply


def _texts_in(body: dict[str, Any]) -> list[str]:
    """The text of each message."""
    return ["".join([part.get("text", "") for part in content["parts"]]) for content in body["contents"]]


def _schema_in(texts: list[str]) -> dict[str, Any]:
    """The schema that was asked for in words."""
    told = next(text for text in texts if _ASKED_IN_WORDS in text)
    schema: dict[str, Any] = json.loads(told.partition(_ASKED_IN_WORDS)[2])
    return schema
