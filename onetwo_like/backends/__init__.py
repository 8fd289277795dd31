"""Which models are there? Names only: each backend loads on first use, its SDK on its first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onetwo_like.core.late import late

if TYPE_CHECKING:
    from onetwo_like.backends.anthropic import Anthropic
    from onetwo_like.backends.base import Backend
    from onetwo_like.backends.batched import Batched
    from onetwo_like.backends.gemini import Gemini
    from onetwo_like.backends.gemini_legacy import GeminiLegacy
    from onetwo_like.backends.ngram import NGram
    from onetwo_like.backends.openai import OpenAI
    from onetwo_like.backends.routers import Fallback, RoundRobin
    from onetwo_like.backends.scripted import Scripted
else:
    __getattr__, __dir__ = late(
        __name__,
        {
            "Anthropic": "onetwo_like.backends.anthropic",
            "Backend": "onetwo_like.backends.base",
            "Batched": "onetwo_like.backends.batched",
            "Fallback": "onetwo_like.backends.routers",
            "Gemini": "onetwo_like.backends.gemini",
            "GeminiLegacy": "onetwo_like.backends.gemini_legacy",
            "RoundRobin": "onetwo_like.backends.routers",
            "NGram": "onetwo_like.backends.ngram",
            "OpenAI": "onetwo_like.backends.openai",
            "Scripted": "onetwo_like.backends.scripted",
        },
    )

__all__ = [
    "Anthropic",
    "Backend",
    "Batched",
    "Fallback",
    "Gemini",
    "GeminiLegacy",
    "NGram",
    "OpenAI",
    "RoundRobin",
    "Scripted",
]
