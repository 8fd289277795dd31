"""What is left of a text when case, punctuation and other ways to write the same do not count?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_ARTICLES = frozenset({"a", "an", "the"})

# Signs that are read aloud, so a text without them is another text.
_READ_ALOUD = frozenset("%‰#&@")
_QUOTES = frozenset("'\"ʼ՚׳״")  # besides those that Unicode calls opening and closing
_MIDDLE_DOTS = frozenset("·・")  # within words and names, and often left out
_IN_CONTEXT = {"٫": ".", "٬": ",", "−": "-"}  # Arabic separators, and the minus of mathematics

# Signs that stay (group 1): those between digits, and a point or a minus before one.
_IN_NUMBERS = re.compile(
    r"((?<=[0-9])[,:/-](?=[0-9])|\.(?=[0-9])|(?<![^\s!-\-/:-@\[-^`{-~€£¥])-(?=\.?[0-9]))|[.,:/-]"
)


# Between a digit and a power or a fraction: NFKC would make 10² the number 102, and 3½ 31/2.
_RAISED = re.compile("(?<=[0-9])(?=[²³¹⁰⁴-⁹₀-₉¼-¾⅐-⅞])")


# Two characters before and two after a place within a number: 3|.5, 3.|5, -|5, .|5.
_INSIDE_NUMBER = re.compile(r".[0-9][.,:/-][0-9]|[0-9][.,:/-][0-9].|\s[.-][0-9.].", re.DOTALL)


class _Signs(dict[int, str | None]):
    """What each character becomes, for `str.translate`; None for nothing."""

    def __missing__(self, code: int) -> str | None:
        self[code] = became = _sign(chr(code))
        return became


def _sign(character: str) -> str | None:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if character in _READ_ALOUD or character in ".,:/":
        return character
    if character in _IN_CONTEXT:
        return _IN_CONTEXT[character]
    if category in ("Cf", "Pi", "Pf") or character in _QUOTES | _MIDDLE_DOTS:
        return None
    if category == "Pd":
        return "-"
    if category[0] == "P" or category[0] == "Z" or category == "Cc":
        return " "
    return character


_SIGNS = _Signs()


def normalised(text: str, *, articles: bool = False) -> str:
    """The text without what does not count, the same if done twice.

    In this order: Unicode's compatibility form (NFKC) and case folding; the digits of all scripts become
    0 to 9; invisible characters, quotation marks, apostrophes and middle dots go; other punctuation becomes a space, but
    points go ("U.S." is "us"), `% ‰ # & @` stay, and so do `. , : / -` within a number (3.5, 12:30, 1/2,
    -4); white space becomes one space, and none at the ends. With `articles`, the words a, an and the go. A
    text of punctuation only is left as it is.

    >>> normalised("“The  CITY of Nice!”"), normalised("Straße"), normalised("北京，上海。"), normalised("-3.50")
    ('the city of nice', 'strasse', '北京 上海', '-3.50')
    """
    folded = _folded(text)
    words = _IN_NUMBERS.sub(_outside_numbers, folded.translate(_SIGNS)).split()
    if articles:
        words = [word for word in words if word not in _ARTICLES] or words
    left = " ".join(words)
    if not left:
        return " ".join(folded.split())
    return _folded(left)  # an accent may have come to stand after its letter


def _outside_numbers(sign: re.Match[str]) -> str:
    return sign[1] or ("" if sign[0] == "." else " ")


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = _RAISED.sub(" ", text)
    # An acute accent that stands alone is an apostrophe to who typed it; NFKC would make it a space.
    composed = unicodedata.normalize("NFKC", apart.replace("´", "'"))
    # Case folding leaves a dot above the i of İstanbul.
    return unicodedata.normalize("NFKC", composed.casefold().replace("i̇", "i"))


def mentions(text: str, phrase: str) -> Iterator[int]:
    """Where a phrase begins in a text as whole words and numbers; both as they are.

    So 3 is not in 3.5, nor 5 in -5. Where a script puts no spaces between words (Chinese, Japanese, Thai), or joins endings to them
    (Korean), a phrase may begin and end anywhere.

    >>> list(mentions("a cat, not a category", "cat")), list(mentions("首都是北京市", "北京"))
    ([2], [3])
    """
    place = text.find(phrase)
    while place >= 0 and phrase:
        end = place + len(phrase)
        if not (_is_inside(text, place) or _is_inside(text, end)):
            yield place
        place = text.find(phrase, place + 1)


def _is_inside(text: str, place: int) -> bool:
    """Whether the characters before and at a place belong to one word or number."""
    if is_inside_word(text, place):
        return True
    around = text[max(place - 2, 0) : place].rjust(2) + text[place : place + 2].ljust(2)
    return _INSIDE_NUMBER.fullmatch(around) is not None


def is_inside_word(text: str, place: int) -> bool:
    """Whether the characters before and at a place belong to one word."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if unicodedata.category(after)[0] == "M":  # a mark belongs to the letter before it
        return True
    return is_of_word(before) and is_of_word(after)


def is_of_word(character: str) -> bool:
    """Whether it can only be part of a longer word, since its script puts spaces between them."""
    if character.isascii():
        return character.isalnum()
    if unicodedata.east_asian_width(character) in "WF" or _has_no_spaces(ord(character)):
        return False
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _has_no_spaces(code: int) -> bool:
    return 0x0E00 <= code <= 0x0EFF or 0x1000 <= code <= 0x109F or 0x1780 <= code <= 0x17FF  # Thai to Khmer
