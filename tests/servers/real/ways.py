"""Which backend asks which server, by which models?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onetwo_like.backends import Anthropic, Backend, Gemini, GeminiLegacy, OpenAI
from tests.servers.addresses import Addresses

WRONG_KEY = "sk-wrong-0123456789abcdef"


@dataclass(frozen=True)
class Way:
    """A backend at a server. `models` are its models by operation; any other operation has that of ""."""

    server: str
    backend: str
    make: Callable[..., Backend]
    models: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The address's field."""
        return {"LiteLLM": "litellm", "transformers serve": "transformers", "llama-cpp-python": "llama"}[
            self.server
        ]

    def open(self, at: Addresses, operation: str, **settings: Any) -> Backend:
        """The backend, for an operation."""
        base_url: str = getattr(at, self.root)
        if not self.backend.startswith(("Anthropic", "Gemini")):
            base_url += "/v1"
        model = self.models.get(operation, self.models[""])
        common = {
            "base_url": base_url,
            "api_key": at.key,
            "name": str(self),  # both of Gemini's backends ask the same model, in other ways
            "retries": 0,
            "timeout_s": 240,  # the machine that runs it all may be slow
            "temperature": 0,
            "max_tokens": 60,
        }
        return self.make(model, **{**common, **self.settings, **settings})

    def __str__(self) -> str:
        return f"{self.backend} at {self.server}"


def _compatible(model: str, *, base_url: str, **settings: Any) -> Backend:
    return OpenAI.compatible(base_url, model, **settings)


_DIRECT = {"": "direct", "failing": "failing-direct", "unknown": "unknown"}
_BRIDGED = {"": "bridged", "failing": "failing-bridged", "unknown": "unknown"}
_LLAMA = {
    "": "tiny-llama",
    "embed": "tiny-embedder",
    "unknown": "unknown",
}
_GREEDY = {"extra": {"repeat_penalty": 1.0}}  # else it disfavours what was said, at temperature 0 too
_TRANSFORMERS = {"": "tiny-llama", "unknown": "unknown"}
WAYS = [
    Way("LiteLLM", "OpenAI", OpenAI, _DIRECT),
    Way("LiteLLM", "OpenAI responses", OpenAI, _BRIDGED, {"api": "responses"}),
    Way("LiteLLM", "OpenAI completions", OpenAI, _DIRECT, {"api": "completions"}),
    Way("LiteLLM", "OpenAI.compatible", _compatible, _DIRECT),
    Way("LiteLLM", "Anthropic", Anthropic, _BRIDGED),
    Way("LiteLLM", "Gemini", Gemini, _BRIDGED),
    Way("LiteLLM", "GeminiLegacy", GeminiLegacy, _BRIDGED),
    Way("transformers serve", "OpenAI", OpenAI, _TRANSFORMERS),
    Way("transformers serve", "OpenAI responses", OpenAI, _TRANSFORMERS, {"api": "responses"}),
    Way("transformers serve", "OpenAI completions", OpenAI, _TRANSFORMERS, {"api": "completions"}),
    Way("transformers serve", "OpenAI.compatible", _compatible, _TRANSFORMERS),
    Way("llama-cpp-python", "OpenAI", OpenAI, _LLAMA, _GREEDY),
    Way("llama-cpp-python", "OpenAI completions", OpenAI, _LLAMA, {"api": "completions", **_GREEDY}),
    Way("llama-cpp-python", "OpenAI.compatible", _compatible, _LLAMA, _GREEDY),
]
