"""What do the two backends for Gemini have in common? All but the SDK through which they ask."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from onetwo_like.backends.chat_model import Asked, ChatModel
from onetwo_like.backends.gemini_replies import COUNT, EMBED, GENERATE
from onetwo_like.backends.gemini_wire import wire_body, wire_embeddings, wire_parts
from onetwo_like.core.content import ChunkList, as_messages
from onetwo_like.core.request import Reply, Request, SamplePath

if TYPE_CHECKING:
    from onetwo_like.builtins.tools import Tool

OWN_ENDPOINT = "https://generativelanguage.googleapis.com"
_MOST_TEXTS = 100  # that the API embeds at once


class GeminiModel(ChatModel):
    """A model of Google's; what a subclass adds is how it asks."""

    provider = "gemini"
    key_variable = "GEMINI_API_KEY"
    most_choices = 8

    def _declared(self, tool: Tool) -> dict[str, Any]:
        """How a tool is described to the API."""
        raise NotImplementedError

    def _embedding_body(self, texts: list[str], extra: dict[str, Any] | None) -> dict[str, Any]:
        return wire_embeddings(self.model, texts, extra)

    def _request(self, asked: Asked, path: SamplePath, stream: bool) -> Request:
        return GENERATE.asked(wire_body(asked, path, self._declared), path, stream)

    async def embed(
        self, texts: tuple[str, ...], *, request: Request, extra: dict[str, Any] | None = None
    ) -> Reply:
        """One vector per text, in order; many texts take several calls, none take none."""

        def asked(batch: list[str]) -> Request:
            return EMBED.asked(self._embedding_body(batch, extra), request.sample_path)

        return await self._embedded(texts, _MOST_TEXTS, asked)

    async def count_tokens(self, content: str | ChunkList, *, request: Request) -> Reply:
        """How many tokens the content has by the provider's count, in which what the system says is like a user's."""
        contents = [
            {"role": "model" if message.role == "model" else "user", "parts": wire_parts(message)}
            for message in as_messages(content)
        ]
        return await self._send(COUNT.asked({"contents": contents}, request.sample_path))

    def _key_in_environment(self) -> str:
        # In this order, as Google's own examples and its older SDK; GOOGLE_API_KEY may be for something else.
        return super()._key_in_environment() or os.environ.get("GOOGLE_API_KEY", "").strip()
