"""What does Google's API say, on the mock transport of google-genai?"""

import json
from typing import Any

import httpx2

from onetwo_like.backends import Gemini


def answer(*parts: Any, reason="STOP", **fields):
    """A reply with one candidate; a str is a part of text."""
    content = {"role": "model", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}
    candidate = {"content": content, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "modelVersion": "tiny-001", **fields}


class Google:
    """Google's REST API on a mock transport: each reply is JSON, a list of events, or an httpx2.Response."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies) or [answer("fine")]
        self.requests: list[httpx2.Request] = []
        self.client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._respond))

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        # A copy: what was sent is wiped from the SDK's own when a call fails.
        self.requests.append(
            httpx2.Request("POST", request.url, headers=request.headers, content=request.content)
        )
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, httpx2.Response):
            return reply
        if isinstance(reply, list):
            events = "".join([f"data: {json.dumps(event)}\r\n\r\n" for event in reply])
            return httpx2.Response(200, text=events, headers={"content-type": "text/event-stream"})
        return httpx2.Response(200, json=reply)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]

    def backend(self, model="tiny", **options: Any) -> Gemini:
        return Gemini(
            model, **{"api_key": "none", "retries": 0, "http_client": self.client, **options}
        ).register()
