"""How likely is each token after these, judged from a training text?

Tokens are whole words with the space before them, single punctuation marks and white space. Where
a new line, or part of one, starts with a label ("?\\nA:"), the label is one token together with
what ends the line before: it says little about what comes next, and in a context of a few tokens
it would push out the words that do. A word that the training text lacks is spelled as characters,
so that every string has tokens, and they give back exactly that string.

Probabilities are interpolated by the rule of Witten and Bell: a context that was followed c times,
by t different tokens, reserves the share t / (c + t) for what the next shorter context says. It
has no parameter to tune, and its probabilities add up to 1. (I. H. Witten and T. C. Bell, "The
zero-frequency problem", IEEE Transactions on Information Theory 37(4), 1991.)
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain

from onetwo_like.errors import UsageError

CHARACTERS = sys.maxunicode + 1
END = CHARACTERS
"""The token that ends a text. Ids below it are the code points of single characters."""

# The bounds keep the time linear: without them, a long run of dashes would be scanned from each dash.
_TOKEN = re.compile(
    r"[^\w\s]{0,3}\s[A-Z]\w{0,15}:"  # the end of a line and the label that opens the next
    r"| ?\.?\w+(?:['.’-]\w+)*"  # a word: " Paris", " N'Djamena", " Guinea-Bissau", " .fr"
    r"| ?[^\w\s]"
    r"|\s"
)


class NGramModel:
    """A language model that looks at the last `order - 1` tokens.

    The text is any number of paragraphs, separated by blank lines; each is learnt as a text of its
    own, so a generated text ends where a paragraph would. Raises UsageError for an order below 1,
    and for a text without a paragraph.

    >>> model = NGramModel(3, "The sky is blue.\\n\\nThe sea is blue.")
    >>> model.detokenize(model.tokenize("The sky is red."))
    'The sky is red.'
    >>> context = model.tokenize("The sea is")
    >>> model.logprob(context, *model.tokenize(" blue")) > model.logprob(context, *model.tokenize(" sky"))
    True
    """

    def __init__(self, order: int, text: str) -> None:
        check_order(order)
        paragraphs = paragraphs_of(text)
        self.order = order
        self._texts = [""]
        self._ids: dict[str, int] = {}
        self._followers: dict[tuple[int, ...], dict[int, int]] = {}
        for paragraph in paragraphs:
            self._learn(_TOKEN.findall(paragraph))
        unigrams = self._followers[()]
        self._weights_of_all = [unigrams[END + i] for i in range(len(self._texts))]
        self._letters = Counter(chain.from_iterable(paragraphs))
        self._letter_count = self._letters.total()

    def _learn(self, words: list[str]) -> None:
        sequence = [END]
        for word in words:
            token = self._ids.get(word)
            if token is None:
                token = self._ids[word] = END + len(self._texts)
                self._texts.append(word)
            sequence.append(token)
        sequence.append(END)
        for i in range(1, len(sequence)):
            token = sequence[i]
            for start in range(max(0, i - self.order + 1), i + 1):
                counts = self._followers.setdefault(tuple(sequence[start:i]), {})
                counts[token] = counts.get(token, 0) + 1

    @property
    def known(self) -> range:
        """The tokens of the training text, END first; what the model can write."""
        return range(END, END + len(self._texts))

    def tokenize(self, text: str) -> list[int]:
        """The tokens of a text, as ids; unknown words as one id per character."""
        tokens: list[int] = []
        for word in _TOKEN.findall(text):
            token = self._ids.get(word)
            if token is None:
                tokens.extend(map(ord, word))
            else:
                tokens.append(token)
        return tokens

    def text_of(self, token: int) -> str:
        """What a token adds to a text; END adds nothing. Raises UsageError if there is no such token."""
        if 0 <= token < CHARACTERS:
            return chr(token)
        if token in self.known:
            return self._texts[token - END]
        raise UsageError(f"This model has no token {token!r}; its ids are 0 to {self.known[-1]}.")

    def detokenize(self, tokens: Iterable[int]) -> str:
        """The text that has these tokens. Raises UsageError if one of them does not exist."""
        return "".join(map(self.text_of, tokens))

    def logprob(self, context: Sequence[int], token: int) -> float:
        """The natural logarithm of the probability that `token` comes next.

        It is that of the model itself: it adds up to 1 over `known` and every character.
        """
        self.text_of(token)
        probability = 0.0 if token >= END else self._spelled(token)
        for counts in reversed(self._levels(context)):
            distinct = len(counts)
            probability = (counts.get(token, 0) + distinct * probability) / (sum(counts.values()) + distinct)
        return math.log(probability)

    def distribution(self, context: Sequence[int]) -> list[float]:
        """The probability of each known token to come next; the i-th is that of `known[i]`.

        They add up to just under 1: the rest is the share of unknown words.
        """
        remaining = 1.0
        scales = []
        levels = self._levels(context)
        for counts in levels:
            total = sum(counts.values()) + len(counts)
            scales.append(remaining / total)
            remaining *= len(counts) / total
        scale = scales.pop()
        probabilities = [scale * count for count in self._weights_of_all]
        for counts, scale in zip(levels, scales, strict=False):
            for token, count in counts.items():
                probabilities[token - END] += scale * count
        return probabilities

    def _levels(self, context: Sequence[int]) -> list[dict[int, int]]:
        """What followed the context, and each shorter one, in training; the longest known first."""
        found = [self._followers[()]]
        recent = tuple(context[max(0, len(context) - self.order + 1) :])
        for length in range(1, len(recent) + 1):
            counts = self._followers.get(recent[-length:])
            if counts is None:  # then no longer context was seen either
                break
            found.append(counts)
        return found[::-1]

    def _spelled(self, character: int) -> float:
        """The share of one character among unknown words: the same rule, over the letters of the text."""
        distinct = len(self._letters)
        return (self._letters[chr(character)] + distinct / CHARACTERS) / (self._letter_count + distinct)


def check_order(order: object) -> None:
    """Raises UsageError unless this can be the order of a model: a whole number, 1 or above."""
    if not isinstance(order, int) or isinstance(order, bool) or order < 1:
        raise UsageError(
            f"The order of an n-gram model is a whole number, 1 or above, not {order!r}. Try order=5."
        )


def paragraphs_of(text: str) -> list[str]:
    """The texts to learn from. Raises UsageError if there is none."""
    paragraphs = [stripped for paragraph in text.split("\n\n") if (stripped := paragraph.strip("\n"))]
    if not paragraphs:
        raise UsageError(
            "The training text is empty, so there is nothing to learn. Give the model some text."
        )
    return paragraphs


@lru_cache(maxsize=8)
def trained(order: int, text: str) -> NGramModel:
    """The model of this order and text, trained when it is first asked for and then shared."""
    return NGramModel(order, text)
