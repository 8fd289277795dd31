"""Does an answer name the number that the target names?"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, TypeAlias

from onetwo_like.errors import UsageError
from onetwo_like.experiments.metrics.answers import alternatives, text_of
from onetwo_like.experiments.metrics.normalising import is_inside_word, is_of_word

Pick: TypeAlias = Literal["last", "only"]

_LONGEST = 300  # characters; a longer one is noise, and would take Python long
_SIGNS = str.maketrans("−－＋．٫，٬／⁄", "--+..,,//")
_GAPS = ",'’_\u00a0\u2009\u202f"

# What looks like a number: its sign, and all digits with what may stand between them.
_LOOKS = re.compile(
    rf"(?P<sign>[-+])?(?:[$€£¥₹](?P<sign_after>[-+])?)?"
    rf"(?P<digits>\.?[0-9](?:[0-9./{_GAPS}]*[0-9])?(?:[eE][-+]?[0-9]+)?)"
)
# What is one: 1234, 1,234 with the same sign between all groups, or 12,34,567.
_IS = re.compile(
    rf"(?:[0-9]*|[0-9]{{1,3}}(?P<gap>[{_GAPS}])[0-9]{{3}}(?:(?P=gap)[0-9]{{3}})*|[0-9]{{1,2}}(?:,[0-9]{{2}})+,[0-9]{{3}})"
    r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?"
)
_IS_FRACTION = re.compile(r"[0-9]+/0*[1-9][0-9]*")


def numeric_match(
    target: Any, prediction: Any, *, pick: Pick = "last", tolerance: float = 0.0, relative: float = 0.0
) -> tuple[bool, dict[str, str]]:
    """Whether the last number in the answer is that of the target, or of one in a list of targets.

    A number has a decimal point and, if anything, commas, apostrophes or thin spaces between groups of
    digits: -3, 1,234.5, 1e-3, 1/2, in the digits of any script. Currencies and units count nothing: 50% is
    50, and "3 million" is 3. If what comes last looks like a number and is none (3,5 or 1.2.3), nothing is
    read. With `pick="only"`, nothing is read either where there is more than one. The numbers may differ by
    `tolerance`, or by `relative` times the target; with neither, only 0.10 is 0.1.

    The details are what was read, or the reason why nothing was. A target without a number is a ValueError.

    >>> numeric_match("#### 1,250", "250 a week makes $1,250.00.")
    (True, {'read': '1,250.00'})
    >>> numeric_match(3.14159, "3.14", relative=0.01)[0], numeric_match(8, "7 or 8", pick="only")[0]
    (True, False)
    """
    if pick not in ("last", "only"):
        raise UsageError(f"numeric_match takes pick='last' or pick='only', not {pick!r}")
    targets = []
    for wanted in alternatives(target):
        number, read = number_in(wanted, pick)
        if number is None:
            raise ValueError(f"the target {wanted!r:.80} does not say which number: {read}")
        targets.append(number)
    number, read = number_in(prediction, pick)
    if number is None:
        return False, {"reason": read}
    matches = any(
        abs(number - wanted) <= max(Fraction(tolerance), Fraction(relative) * abs(wanted))
        for wanted in targets
    )
    return matches, {"read": read}


def number_in(value: Any, pick: Pick = "last") -> tuple[Fraction | None, str]:
    """The number that a value is or a text names, exactly, and how it is written; or None, and why.

    >>> number_in("It is −1,234.5 °C.")
    (Fraction(-2469, 2), '-1,234.5')
    >>> number_in("zero")
    (None, 'there is no number')
    """
    text = _in_ascii_digits(text_of(value))
    found = [m for m in _LOOKS.finditer(text) if not _is_part_of_word(text, m)]
    if not found:
        return None, "there is no number"
    if pick == "only" and len(found) > 1:
        return None, f"there are {len(found)} numbers"
    last = found[-1]
    digits = last["digits"]
    sign = "-" if last["sign_after"] == "-" or (last["sign"] == "-" and _is_sign(text, last.start())) else ""
    number = _exactly(digits) if len(digits) <= _LONGEST else None
    if number is None or _has_more(text, last.end()):
        return None, f"{sign}{digits:.40} is not read as a number"
    return (-number if sign else number), sign + digits


def _in_ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    text = text.translate(_SIGNS)
    return "".join([str(unicodedata.decimal(c)) if not c.isascii() and c.isdecimal() else c for c in text])


def _is_part_of_word(text: str, found: re.Match[str]) -> bool:
    """Whether a letter stands directly before, as in mp3; after may stand a unit."""
    return found.start() == found.start("digits") and is_inside_word(text, found.start())


def _is_sign(text: str, place: int) -> bool:
    """Whether what stands here is a minus, and not the one in 5-3 or GPT-4."""
    return place == 0 or not (is_of_word(text[place - 1]) or text[place - 1] in ".,)")


def _has_more(text: str, end: int) -> bool:
    """Whether a power or a fraction follows, as in 10² and 3½."""
    return unicodedata.category(text[end : end + 1] or " ") == "No"


def _exactly(digits: str) -> Fraction | None:
    if _IS_FRACTION.fullmatch(digits):
        return Fraction(digits)
    if not _IS.fullmatch(digits):
        return None
    return Fraction(Decimal(re.sub(f"[{_GAPS}]", "", digits)))
