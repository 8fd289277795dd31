"""Which number, truth value or option does a sentence name, if it names exactly one?

Everything here returns JSON, or raises a ParseError that says why nothing could be read. A wrong guess costs
more than another call to the model, so what leaves a doubt is refused: two numbers, "42 million", "not 42",
"a false alarm? yes".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from onetwo_like.builtins.json_text import excerpt, shortened
from onetwo_like.errors import ParseError

# In a longer text an option is as likely mentioned as chosen.
_SHORT = 200
_AROUND = " \t\r\n\"'`*.“”‘’"

_NEGATION = re.compile(r"\b(?:not|nor|never|neither|cannot)\b|n['’]t\b", re.IGNORECASE)

_NUMBER = re.compile(
    r"(?<![\w.,])(?<![-+−])"  # not the end of a word, a version, a range or "GPT-4"
    r"(?P<sign>[-+−]?)[$€£¥]?"
    r"(?P<digits>(?:[1-9][0-9]{0,2}(?:,[0-9]{3})++|0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)"
    r"(?![\w%‰])(?!\s*-?(?:hundred|thousand|million|billion|trillion|dozen|percent|per\s?cent)\b)",
    re.IGNORECASE,
)
_MINUS_IN_WORDS = re.compile(r"\b(?:minus|negative)\s+$", re.IGNORECASE)

# "no" is an answer at the end of a clause; before a word it is "no doubt".
_TRUTH = re.compile(r"\b(?:(?P<true>yes|true)|(?P<false>false|no(?=\W*(?:$|[.,;:!)\n]))))\b", re.IGNORECASE)
_BEFORE_THE_FIRST_WORD = re.compile(r"\W*")


@dataclass(frozen=True, slots=True)
class Option:
    """One way to name a member of an Enum or a value of a Literal."""

    label: str
    json: str  # the value that it stands for
    is_name: bool  # a member's name, which yields to a value that reads the same


def says_nothing(text: str) -> bool:
    """Whether the text is None in words.

    >>> says_nothing("None.")
    True
    """
    return text.strip(_AROUND).casefold() in ("none", "null")


def read_number(text: str) -> str:
    """The only number in a text, as JSON.

    >>> read_number("That makes $1,250.50.")
    '1250.50'
    """
    match = _NUMBER.search(text)
    others = match is not None and re.search(r"\d", text[: match.start()] + text[match.end() :]) is not None
    if others or (match is None and len(re.findall(r"\d[\d.,]*", text)) > 1):
        raise ParseError(f"There is more than one number in {excerpt(text)}. Answer with one number only.")
    if match is None or _MINUS_IN_WORDS.search(text, 0, match.start()) or _NEGATION.search(text):
        raise ParseError(f"No number stands alone in {excerpt(text)}. Answer with one number only.")
    sign = "-" if match["sign"] in ("-", "−") else ""
    return sign + match["digits"].replace(",", "")


def read_boolean(text: str) -> str:
    """What a text says, yes or no, as JSON.

    >>> read_boolean("No, it isn't.")
    'false'
    """
    matches = list(_TRUTH.finditer(text))
    meanings = {match.lastgroup or "" for match in matches}
    if len(meanings) == 1:
        first_word = _BEFORE_THE_FIRST_WORD.match(text)
        leads = first_word is not None and matches[0].start() == first_word.end()
        if leads or not _NEGATION.search(text):  # "that is not true"
            return meanings.pop()
    doubt = "says both yes and no" if len(meanings) > 1 else "does not say yes or no"
    raise ParseError(f"The answer {excerpt(text)} {doubt}. Answer with true or false only.")


def read_option(text: str, options: Sequence[Option]) -> str:
    """The only option that a text names, as JSON.

    >>> options = [Option("red", "1", False), Option("dark red", "2", False)]
    >>> read_option("Rather Dark Red.", options)
    '2'
    """
    for said in (text.strip(), text.strip(_AROUND)):
        for fold in (str, str.casefold):
            meant = _meant(said, options, fold)
            if len(meant) == 1:
                return meant.pop()
    meant, rest = _mentioned(text, options) if len(text) <= _SHORT else (set(), text)
    if len(meant) == 1 and not _NEGATION.search(rest):
        return meant.pop()
    doubt = "More than one option occurs" if len(meant) > 1 else "It is not clear which option is meant"
    choice = shortened(listed(options), 1000)
    raise ParseError(f"{doubt} in {excerpt(text)}. Answer with exactly one of {choice}.")


def listed(options: Iterable[Option]) -> str:
    """The options as a prompt shows them; a value that is no text with the name that explains it.

    >>> listed([Option("1", "1", False), Option("LOW", "1", True)])
    '1 = LOW'
    """
    names: dict[str, str] = {}
    shown: dict[str, str] = {}
    for option in options:
        (names if option.is_name else shown).setdefault(option.json, option.label)
    return ", ".join(
        json if json.startswith('"') or json not in names else f"{label} = {names[json]}"
        for json, label in shown.items()
    )


def _meant(said: str, options: Iterable[Option], fold: Callable[[str], str]) -> set[str]:
    said = fold(said)
    meant = [option for option in options if fold(option.label) == said]
    return {option.json for option in meant if not option.is_name} or {option.json for option in meant}


def _mentioned(text: str, options: Sequence[Option]) -> tuple[set[str], str]:
    """What the options mean that occur as whole words, and the text without them."""
    # The longest first, so that "dark red" is not "red" as well; and "a" in a sentence is not the option "A".
    labels = sorted({option.label for option in options if option.label}, key=len, reverse=True)
    words = "|".join(f"(?-i:{re.escape(x)})" if len(x) == 1 else re.escape(x) for x in labels)
    pattern = re.compile(rf"(?<![\w-])(?<!\d[.,])(?:{words})(?![\w+#-])(?![.,]\d)", re.IGNORECASE)
    meant: set[str] = set()
    for match in pattern.finditer(text):
        meant |= _meant(match[0], options, str) or _meant(match[0], options, str.casefold)
    return meant, pattern.sub(" ", text)
