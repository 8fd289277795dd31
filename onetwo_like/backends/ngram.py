"""Which model answers when there is no key, no network and nothing to download?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

from onetwo_like.backends.base import Backend
from onetwo_like.backends.corpus import training_text
from onetwo_like.backends.ngram_model import END, NGramModel, check_order, paragraphs_of, trained
from onetwo_like.backends.ngram_sampling import DEFAULT_MAX_TOKENS, Generation
from onetwo_like.core.content import ChunkList, text_of
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Handler, Reply, Request, Usage
from onetwo_like.errors import UsageError
from onetwo_like.middleware.per_loop import PerLoop

Files: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

DIMENSIONS = 256
"""How long the vectors of `embed` are."""


class NGram(Backend):
    """A small language model inside the process, trained on first use.

    It counts which token follows the last `order` - 1 tokens in a text: by default the corpus that
    ships with the package (facts about 194 countries, see `backends/corpus`), or the `text` given, or
    that of `files`, in UTF-8. Blank lines separate texts; a generated text ends where one would.

    Serves generate_text (temperature 0 unless told otherwise), score_text, tokenize, detokenize,
    count_tokens and embed; select, rank and others follow from these. It continues text and
    follows no instructions. Raises UsageError for an impossible order, a missing file or an empty text.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> with ot.RegistryContext():
    ...     _ = NGram(order=5).register()
    ...     ot.run(llm.generate_text("Q: What is the capital of France?\\nA:"))
    ' Paris'
    """

    provider = "ngram"

    def __init__(
        self,
        order: int = 5,
        text: str | None = None,
        *,
        files: Files | None = None,
        cache: Caching | None = None,
        name: str | None = None,
        **defaults: Any,
    ) -> None:
        check_order(order)
        self.order = order
        self._text = _chosen(text, files)
        digest = hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).hexdigest()
        self._who = {"order": order, "text_sha256": digest}
        self._version = f"{order}-gram-{digest[:12]}"
        self._training = PerLoop(asyncio.Lock)
        super().__init__(cache=cache, name=name, **defaults)

    def wrap(self, handler: Handler) -> Handler:
        """The handler, before whose first call the model is trained, in a thread: it may take a while."""

        async def of_trained(request: Request) -> Reply:
            if "model" not in self.__dict__:
                async with self._training.here():
                    if "model" not in self.__dict__:
                        await asyncio.to_thread(getattr, self, "model")
            return await handler(request)

        return of_trained

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The order, and which text was learnt: models that differ in either never replay each other."""
        return {**super().fingerprint, **self._who}

    @cached_property
    def model(self) -> NGramModel:
        """The model itself, shared with every backend of the same order and text."""
        return trained(self.order, self._text)

    async def generate_text(
        self,
        prompt: str | ChunkList,
        *,
        request: Request,
        temperature: float = 0.0,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        stop: tuple[str, ...] = (),
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> AsyncIterator[str | Reply]:
        """The text token by token, then the Reply.

        What is drawn follows from the seed (or its absence), the prompt and the sample path, and from
        nothing else: samples of one request differ, each comes out the same on every run and
        platform, and a larger `max_tokens` continues the same text.
        """
        text = text_of(prompt)
        generation = Generation(
            self.model,
            text,
            temperature=temperature,
            max_tokens=max_tokens,
            stop=stop,
            top_k=top_k,
            top_p=top_p,
            seed=_seed(seed, text, request.sample_path),
        )
        for piece in generation:
            yield piece
        yield self._reply(None, generation.input_tokens, generation.output_tokens, generation.finish_reason)

    async def score_text(self, prompt: str | ChunkList, targets: tuple[str, ...]) -> Reply:
        """For each target, the summed natural log-probability of its tokens where they stand.

        Prompt and target are tokenized together. A token that begins in the prompt and ends in the
        target counts, so after "A: " the target "Paris" is scored as the word " Paris".
        """
        text = text_of(prompt)
        scores = [_score(self.model, text, target) for target in targets]
        tokens = sum(len(self.model.tokenize(text + target)) for target in targets)
        return self._reply(scores, tokens)

    async def tokenize(self, text: str) -> list[int]:
        """The tokens of a text; a word that the training text lacks is one token per character."""
        return self.model.tokenize(text)

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        """The text of tokens. Raises UsageError for an id that no token has."""
        return self.model.detokenize(tokens)

    async def count_tokens(self, content: str | ChunkList) -> int:
        """How many tokens `tokenize` finds."""
        return len(self.model.tokenize(text_of(content)))

    async def embed(self, texts: tuple[str, ...]) -> Reply:
        """For each text a vector of 256 numbers, none negative, of length 1.

        It counts the words of the text and the groups of three letters in them, ignoring case, each
        hashed to one of the 256 places: texts that share words or parts of words are close, and
        meaning plays no part. The training text plays none either.
        """
        return self._reply([_vector(text) for text in texts], sum(len(self.model.tokenize(t)) for t in texts))

    def _reply(
        self, value: Any, input_tokens: int, output_tokens: int = 0, finish_reason: str | None = None
    ) -> Reply:
        return Reply(
            value,
            usage=Usage(input_tokens, output_tokens, cost=0.0),
            finish_reason=finish_reason,
            model_version=self._version,
        )

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"NGram(order={self.order}{name})"


def _chosen(text: str | None, files: Files | None) -> str:
    """The training text. Raises UsageError if it is empty or cannot be read."""
    if text is not None and files is not None:
        raise UsageError("NGram takes either text= or files=, and both were given. Leave one out.")
    if files is not None:
        paths = [files] if isinstance(files, str | os.PathLike) else list(files)
        text = "\n\n".join(_read(Path(path)) for path in paths)
    if text is None:
        return training_text()
    if not isinstance(text, str):
        raise UsageError(f"NGram takes text= as a str, not {type(text).__name__}. For paths, use files=.")
    paragraphs_of(text)
    return text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"NGram cannot read the training file {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"The training file {str(path)!r} is not UTF-8 (byte {error.start}). Convert it, or give text=."
        ) from error


def _seed(seed: int | None, prompt: str, sample_path: tuple[int | str, ...]) -> int:
    # Not hash(), which differs from process to process.
    drawn_from = json.dumps([seed, prompt, sample_path])
    return int.from_bytes(hashlib.sha256(drawn_from.encode()).digest(), "big")


def _score(model: NGramModel, prompt: str, target: str) -> float:
    tokens = model.tokenize(prompt + target)
    ends = accumulate(len(model.text_of(token)) for token in tokens)
    before = sum(end <= len(prompt) for end in ends)
    context = [END, *tokens]
    places = range(before, len(tokens))
    return math.fsum(model.logprob(context[max(0, i + 1 - model.order) : i + 1], tokens[i]) for i in places)


def _vector(text: str) -> list[float]:
    words = text.casefold().split()
    letters = (f" {word} "[i : i + 3] for word in words for i in range(len(word)))
    features = Counter([*words, *letters] or [""])  # the empty text, too, has a direction
    vector = [0.0] * DIMENSIONS
    for feature, count in features.items():
        place = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=2).digest()
        vector[int.from_bytes(place, "big") % DIMENSIONS] += count
    length = math.sqrt(math.fsum(x * x for x in vector))
    return [x / length for x in vector]
