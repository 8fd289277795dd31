"""How does a test hear what a backend sends, through the SDK's own mock transport?"""

import json
from typing import Any

import httpx2


class Recorder:
    """A transport that keeps the requests, and answers by a function of (path, body), or by what is in a list."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._respond))

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies that were sent."""
        return [json.loads(request.content) for request in self.requests]

    @property
    def paths(self) -> list[str]:
        """The paths that were asked."""
        return [request.url.path for request in self.requests]

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if callable(answer):
            answer = answer(request.url.path, json.loads(request.content))
        return answer if isinstance(answer, httpx2.Response) else httpx2.Response(200, json=answer)


def event_stream(*events: Any, named: bool = False) -> httpx2.Response:
    """A stream of server-sent events; `named` as Anthropic and the responses API do."""
    lines = []
    for event in events:
        name = f"event: {event.get('type')}\n" if named else ""
        lines.append(f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return httpx2.Response(200, text="".join(lines), headers={"content-type": "text/event-stream"})


def chat_reply(content: Any = "fine", finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion of OpenAI's with one choice."""
    said = {"role": "assistant", "content": content, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish_reason}
    return {"model": "tiny-1", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
