"""What does the server say that LiteLLM asks?"""

import json
from collections.abc import Iterator
from typing import Any

from tests.servers.http_server import FaultKind, Received, example_of, tokens_of
from tests.servers.loopback import LoopbackServer


class Upstream(LoopbackServer):
    """The loopback server, which also calls tools, and streams what continues a text."""

    def _chat(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
        reply = super()._chat(body, kind)
        function = body["tools"][0]["function"] if body.get("tools") else None
        if function and function["parameters"]["type"] == "object" and reply["choices"]:
            arguments = json.dumps(example_of(function["parameters"], {}))
            call = {"name": function["name"], "arguments": arguments}
            choice = reply["choices"][0]
            choice["message"] |= {
                "content": None,
                "tool_calls": [{"id": "call-1", "type": "function", "function": call}],
            }
            choice["finish_reason"] = "tool_calls"
        return reply

    def _completions(self, body: dict[str, Any], kind: FaultKind | None) -> dict[str, Any]:
        reply = super()._completions(body, kind)
        return {**reply, "usage": {**reply["usage"], "prompt_tokens": len(tokens_of(body["prompt"]))}}

    def events(self, reply: dict[str, Any], received: Received, kind: FaultKind | None) -> Iterator[str]:
        if received.path != "/completions":
            yield from super().events(reply, received, kind)
            return
        [choice] = reply["choices"]
        for text, reason in ((choice["text"][:2], None), (choice["text"][2:], choice["finish_reason"])):
            piece = {"index": 0, "text": text, "finish_reason": reason}
            yield self.event({"id": reply["id"], "model": reply["model"], "choices": [piece]})
        yield "data: [DONE]\n\n"
