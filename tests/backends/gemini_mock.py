"""What does Google's API say, on the mock transport of google-genai?"""

from typing import Any

from onetwo_like.backends import Gemini
from tests.backends.mocked import Recorder, event_stream


def answer(*parts: Any, reason="STOP", **fields):
    """A reply with one candidate; a str is a part of text."""
    content = {"role": "model", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}
    candidate = {"content": content, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "modelVersion": "tiny-001", **fields}


class Google(Recorder):
    """Google's REST API: each reply is JSON, a list of events, or an httpx2.Response."""

    def __init__(self, *replies: Any) -> None:
        replies = replies or (answer("fine"),)
        super().__init__(*[event_stream(*each) if isinstance(each, list) else each for each in replies])

    def backend(self, model: str = "tiny", **options: Any) -> Gemini:
        """A backend that asks here."""
        made = {"api_key": "none", "retries": 0, "http_client": self.client, **options}
        return Gemini(model, **made).register()
