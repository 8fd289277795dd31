"""Does an answer say what the target says?"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from onetwo_like.errors import UsageError
from onetwo_like.experiments.metrics.answers import alternatives, text_of
from onetwo_like.experiments.metrics.normalising import mentions, normalised


def exact_match(target: Any, prediction: Any) -> bool:
    """Whether the answer is the target, or one of the targets if that is a list; white space around it does not count.

    Other values than texts are compared by value, and a number with a text by the number's text. A list or a
    record as the answer where the target is a text is a TypeError: it could never be right.

    >>> exact_match("Paris", " Paris\\n"), exact_match("Paris", "paris"), exact_match(4, "4")
    (True, False, True)
    >>> exact_match(["Paris", "Paname"], "Paname")
    True
    """
    if target == prediction and target is not None:
        return True
    said = prediction.strip() if isinstance(prediction, str) else prediction
    return any(_is_same(wanted, said) for wanted in alternatives(target))


def _is_same(wanted: Any, said: Any) -> bool:
    if isinstance(wanted, str):
        return said is not None and wanted.strip() == text_of(said)
    if isinstance(said, str) and isinstance(wanted, int | float):
        return str(wanted) == said
    return bool(wanted == said)


def normalised_match(target: Any, prediction: Any, *, articles: bool = False) -> bool:
    """Whether the answer is the target, or one of a list of targets, apart from case, punctuation and white space.

    Both become the same in NFKC form, in any case and in the digits of any script; quotation marks and
    points count nothing, other punctuation as a space, except within numbers. Accents count. With
    `articles`, the English words a, an and the count nothing: `functools.partial(normalised_match, articles=True)`.

    >>> normalised_match("The U.S.", "the US!"), normalised_match("3.5", "35"), normalised_match("São", "Sao")
    (True, False, False)
    """
    said = normalised(text_of(prediction), articles=articles)
    return said in [normalised(text_of(wanted), articles=articles) for wanted in alternatives(target)]


def contains(target: Any, prediction: Any, *, words: bool = True) -> bool:
    """Whether the target, or one of a list of targets, stands in the answer, apart from case and punctuation.

    It stands there as whole words, so that "cat" is not in "category"; scripts without spaces between words
    have no such bounds. With `words=False` it may stand anywhere. "It is not Paris" contains Paris.

    >>> contains("Paris", "It's PARIS, I think."), contains("cat", "category"), contains("北京", "首都是北京。")
    (True, False, True)
    """
    said = normalised(text_of(prediction))
    for wanted in alternatives(target):
        phrase = normalised(text_of(wanted))
        if not phrase:
            raise ValueError("the target is empty, and that stands in every answer")
        if phrase in said and (not words or next(mentions(said, phrase), None) is not None):
            return True
    return False


def regex_match(pattern: str | re.Pattern[str]) -> Callable[..., Any]:
    """A metric: whether the pattern is found in the answer, as it is written.

    If the pattern has a group `(?P<answer>...)`, what that holds at the last place must be the target, as
    `exact_match` says. The details are what was found. Raises UsageError for a malformed pattern.

    >>> metric = regex_match(r"(?i)answer: *(?P<answer>\\w+)")
    >>> metric(target="Paris", prediction="Not Nice. Answer: Paris")
    (True, 'Paris')
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise UsageError(f"regex_match: {pattern!r} is no regular expression: {error}") from error

    def found(target: Any, prediction: Any) -> tuple[bool, str | None]:
        last = None
        for match in compiled.finditer(text_of(prediction)):
            last = match
        if last is None:
            return False, None
        if "answer" not in compiled.groupindex:
            return True, last[0]
        return exact_match(target, last["answer"]), last["answer"]

    return found
