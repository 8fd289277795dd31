"""How wide is a text in a drawing, and how is a long one broken?

There is no font to ask, so drawings are set in a fixed-width one: names of steps are code anyway.
"""

from __future__ import annotations

import math
import re
import unicodedata

# Font sizes in pixels: of a label, and of the details below it.
LABEL = 13.0
SMALL = 11.0
# The widest of the usual fixed-width fonts takes 0.61 of its size per letter.
_LETTER = 0.61
# Where a name may be broken: after a space or a sign, before a capital that follows a small letter.
_BREAKS = re.compile(r"(?<=[\s_\-./:,|›])|(?<=[a-z])(?=[A-Z])")


def text_width(text: str, size: float) -> float:
    """The width in pixels of one line at a font size."""
    return size * math.fsum(map(_cell, text))  # the same in every Python, unlike `sum`


def _cell(char: str) -> float:
    if unicodedata.combining(char) or unicodedata.category(char) == "Cf":
        return 0.0
    return 1.05 if unicodedata.east_asian_width(char) in "WF" else _LETTER


def wrapped(text: str, letters: int, lines: int) -> list[str]:
    """At most `lines` lines of about `letters` letters; what does not fit ends in "…".

    >>> wrapped("a_song_about_friendship_and_the_sea", 16, 2)
    ['a_song_about_', 'friendship_and_…']
    """
    limit = letters * _LETTER
    text = " ".join(text.split()) or " "
    pieces = [piece for piece in _BREAKS.split(text) if piece]
    made = [""]
    while pieces:
        piece = pieces.pop(0)
        if text_width((made[-1] + piece).rstrip(), 1) <= limit + 0.01:
            made[-1] += piece
        elif made[-1]:
            made.append("")
            pieces.insert(0, piece)
        else:  # one word longer than a line
            cut = len(piece)
            while cut > 1 and text_width(piece[:cut], 1) > limit + 0.01:
                cut -= 1
            made[-1] = piece[:cut]
            made.append("")
            if piece[cut:]:
                pieces.insert(0, piece[cut:])
        if len(made) > lines and (pieces or made[-1]):
            last = made[lines - 1].rstrip()
            while last and text_width(last + "…", 1) > limit + 0.01:
                last = last[:-1]
            return [*(line.rstrip() for line in made[: lines - 1]), last + "…"]
    return [line.rstrip() for line in made if line.strip()] or [" "]
