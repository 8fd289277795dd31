"""Which of the options does an answer choose?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onetwo_like.experiments.metrics.answers import text_of
from onetwo_like.experiments.metrics.normalising import is_inside_word, mentions, normalised

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WITHOUT_OPTIONS = "ABCDEFGH"  # the next is I, which is seldom an option

_CONCLUSION = re.compile(r"\banswer\b[\s*_\"']*(?:is|would be|must be|should be|:|=)", re.IGNORECASE)
_BEFORE_LABEL = r"[ \t*_#>\"'(\[{$\\]*"
_CLAUSE_END = re.compile(r"[.,;:!?]+(?=\s|$)|[\n。，；！？]")
# A negation, and at most three more words up to here; not in "not B but C".
_DENIED = re.compile(
    r"\b(?:not|never|neither|nor|cannot|(?:is|are|was|were|do|does|did|ca|wo|would|could|should)n['’]?t)"
    r"[^\w.,;:!?\n]+(?:(?!but\b)\w+[^\w.,;:!?\n]+){0,3}$",
    re.IGNORECASE,
)
_DENIED_WITHIN = 80  # characters


def choice_accuracy(
    target: Any, prediction: Any, example: Any, *, options: str = "choices"
) -> tuple[bool, dict[str, str]]:
    """Whether the answer chooses the option that is the target.

    The options are in the field that `options` names: a list of texts (A, B, C, ...), a dict from label to
    text, or a dict of the lists "label" and "text". Without that field, they are the letters A to H. The
    target is a label, the text of an option, or its place in the list as a number from 0; anything else is a
    ValueError.

    The answer chooses the option that it is, by label or text; else the one right after its last "answer is" or
    "answer:", or the only one in that line; else the one with whose label, as in "B)", its only such line
    begins; else the only one that it mentions, by text or label, and does not deny ("not B"). Several are no
    choice. Texts compare as in `normalised_match`; a label within a sentence is one as it is written. The
    details are the choice, or the reason why there is none.

    >>> from onetwo_like.experiments.data.example import Example
    >>> example = Example("1", "Capital of France?", fields={"choices": ["Nice", "Paris"]})
    >>> choice_accuracy("B", "I would say Paris.", example)
    (True, {'choice': 'B'})
    >>> choice_accuracy("B", "Nice or Paris", example)
    (False, {'reason': 'it mentions A and B'})
    """
    known = _options(example.fields.get(options))
    right = _target(target, known, options)
    chosen = _chosen(text_of(prediction), known)
    if isinstance(chosen, str):
        return False, {"reason": chosen}
    return chosen == right, {"choice": known.labels[chosen]}


@dataclass(frozen=True, slots=True)
class _Options:
    """The options: their labels, and their texts, normalised, if these are known."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]


def _options(given: Any) -> _Options:
    if given is None:
        return _Options(tuple(_WITHOUT_OPTIONS), ())
    if isinstance(given, Mapping) and {"label", "text"} <= given.keys():
        labels, texts = given["label"], given["text"]
    elif isinstance(given, Mapping):
        labels, texts = list(given), list(given.values())
    elif isinstance(given, Sequence) and not isinstance(given, str):
        labels, texts = _LETTERS[: len(given)], given
    else:
        raise TypeError(f"options are a list, or a dict from label to text, not {given!r:.80}")
    if not texts or len(labels) != len(texts):
        raise ValueError(f"{len(texts)} options with {len(labels)} labels: {given!r:.80}")
    return _Options(tuple([str(label) for label in labels]), tuple([normalised(text_of(t)) for t in texts]))


def _target(target: Any, options: _Options, field: str) -> int:
    if isinstance(target, int) and not isinstance(target, bool):
        if 0 <= target < len(options.labels):
            return target
    else:
        text = text_of(target).strip()
        named = {options.labels.index(text)} if text in options.labels else _called(text, options)
        if len(named) == 1:
            return named.pop()
    where = f"in the field {field!r}" if options.texts else f"A to H, since there is no field {field!r}"
    raise ValueError(f"the target {target!r:.80} is not one of the options, which are {where}")


def _chosen(text: str, options: _Options) -> int | str:
    """The place of the option that a text chooses, or why it chooses none."""
    *_, conclusion = text, *[text[match.end() :] for match in _CONCLUSION.finditer(text)]
    if conclusion is not text:
        line = conclusion.strip().partition("\n")[0]
        for found in (_called(line, options), _begun(line, options), _mentioned(line, options)):
            if len(found) == 1:
                return found.pop()
    for found in (_called(text, options), _labelled(text, options), _mentioned(text, options)):
        if len(found) == 1:
            return found.pop()
        if found:
            return f"it mentions {' and '.join([options.labels[place] for place in sorted(found)])}"
    return "it mentions none of the options"


def _called(text: str, options: _Options) -> set[int]:
    """The options of which this is the label or the text."""
    said = normalised(text)
    return {
        *[place for place, label in enumerate(options.labels) if normalised(label) == said],
        *[place for place, option in enumerate(options.texts) if option == said],
    }


def _begun(text: str, options: _Options) -> set[int]:
    """The options with whose label or text this begins."""
    begins = re.match(_BEFORE_LABEL, text)
    start = begins.end() if begins else 0
    found = {place for place, label in enumerate(options.labels) if start in _labels(text, label)}
    return found | _texts_at_start(normalised(text), options)


def _labelled(text: str, options: _Options) -> set[int]:
    """The option with whose label, as in "B)", the only such line begins; and one whose text follows that."""
    labels = "|".join([re.escape(label) for label in options.labels])
    line = re.compile(rf"^{_BEFORE_LABEL}({labels})[*_]*[)\].:}}](?P<rest>.*)$", re.IGNORECASE | re.MULTILINE)
    found = list(line.finditer(text))
    if len(found) != 1:
        return set()
    labelled = {
        place for place, label in enumerate(options.labels) if label.casefold() == found[0][1].casefold()
    }
    following = _texts_at_start(normalised(found[0]["rest"]), options)
    return labelled if labelled & following else labelled | following


def _texts_at_start(words: str, options: _Options) -> set[int]:
    begun = [place for place, option in enumerate(options.texts) if next(mentions(words, option), None) == 0]
    longest = max([len(options.texts[place]) for place in begun], default=0)
    return {place for place in begun if len(options.texts[place]) == longest}


def _mentioned(text: str, options: _Options) -> set[int]:
    """The options whose text or label, in capitals, stands somewhere and is not denied there."""
    found: set[int] = set()
    clauses = [normalised(clause) for clause in _CLAUSE_END.split(text)]
    words = normalised(text)
    # The longest first, so that "dark red" is not "red" as well; one letter is a word of any sentence.
    for place in sorted(range(len(options.texts)), key=lambda place: -len(options.texts[place])):
        option = options.texts[place]
        if len(option) < 2:
            continue
        denied = sum([_is_denied(c, start) for c in clauses for start in mentions(c, option)])
        if len(list(mentions(words, option))) > denied:
            found.add(place)
        words, clauses = _without(words, option), [_without(clause, option) for clause in clauses]
        text = re.sub(re.escape(option), lambda said: "\n" * len(said[0]), text, flags=re.IGNORECASE)
    for place, label in enumerate(options.labels):
        if not all(_is_denied(text, start) for start in _labels(text, label)):
            found.add(place)
    return found


def _is_denied(text: str, place: int) -> bool:
    return _DENIED.search(text, max(0, place - _DENIED_WITHIN), place) is not None


def _without(words: str, option: str) -> str:
    for start in list(mentions(words, option)):
        words = words[:start] + "\n" * len(option) + words[start + len(option) :]
    return words


def _labels(text: str, label: str) -> list[int]:
    """Where a label stands alone, as it is written; "A" before a word in small letters is an article."""
    article = r"(?!\s+[a-z])" if label in ("A", "I") else ""
    return [
        match.start()
        for match in re.finditer(re.escape(label) + article, text)
        if not is_inside_word(text, match.start()) and not is_inside_word(text, match.end())
    ]
