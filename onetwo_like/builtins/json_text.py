"""Where in a model's chatter is the JSON, and what is it in strict notation?

What is accepted, and turned into strict JSON: trailing commas, `//` comments, strings in single or in
curly double quotes, line breaks and tabs inside strings, Python's escapes `\\'`, `\\xNN` and
`\\UNNNNNNNN`, and the words True, False, None, nan and inf. What strings say is never changed, and nothing
is evaluated. NaN and Infinity stay, as Python and pydantic read them. Everything else is not JSON: a
missing comma, a key without quotes, `...`, an escape that does not exist. Guessing there would invent data.

Which value counts when there are several: one directly after a code fence before one in the prose, and
among equals the last, since models draft first and conclude then. A value inside a broken or truncated
one never counts, and in a text that breaks off inside JSON none does: half an answer must not pass for a
whole one, nor a draft for the conclusion.

The text is read once, and regions that turn out to be broken once more, so time is linear in its length.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from onetwo_like.errors import ParseError

# Nothing that is meant is nested deeper, and pydantic's reader stops at 200.
MAX_DEPTH = 100

# Possessive quantifiers (++, *+) never backtrack: no text can make a match take more than linear time.
_SPACE = r"(?:\s++|//[^\n]*+)*+"
# Curly quotes must not contain an opening one, or a row of openings would each search to the end.
_SCALAR = r"""
      (?P<string>"(?:[^"\\]++|\\.)*+" | '(?:[^'\\\n]++|\\[^\n])*+' | “[^“”]*+”)
    | (?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+(?![\w.]))
    | (?P<word>-?[A-Za-z]++(?!\w))
"""
_TOKEN = re.compile(rf"{_SPACE}(?:(?P<mark>[\[\]{{}}:,])|{_SCALAR})", re.VERBOSE | re.DOTALL)
_LONE_SCALAR = re.compile(_SCALAR, re.VERBOSE | re.DOTALL)
_AFTER_SPACE = re.compile(_SPACE)

# An opening bracket that what follows does not rule out at once ("/" may begin a comment), or a fenced scalar.
_START = re.compile(
    rf"""\{{(?=\s*+["'“}}/])
      | \[(?=\s*+(?:["'“\[\]{{/0-9-]|(?:true|false|null|True|False|None|NaN|nan|Infinity|inf)\b))
      | ```[\w+-]*+[ \t]*+\n\s*+(?:{_SCALAR})\s*+```""",
    re.VERBOSE | re.DOTALL,
)
_NUMBERS = re.compile(r"\[[\s0-9.,eE+-]*")
_FENCE_BEFORE = re.compile(r"```[\w+-]*\s*$")
# An unclosed string reaches to the end, so that it is read only once.
_BRACKET_OR_STRING = re.compile(
    r"""[\[\]{}] | "(?:[^"\\]++|\\.?)*+(?:"|\Z) | (?<=[\[{,:\s])'(?:[^'\\\n]++|\\[^\n])*+'""",
    re.VERBOSE | re.DOTALL,
)

_WORDS = {
    "true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null",
    "NaN": "NaN", "nan": "NaN", "Infinity": "Infinity", "inf": "Infinity",
    "-Infinity": "-Infinity", "-inf": "-Infinity",
}  # fmt: skip

_NOT_PLAIN = re.compile(r'[\\"\x00-\x1f]')
_TO_REWRITE = re.compile(
    r'\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U(?:000[0-9a-fA-F]|0010)[0-9a-fA-F]{4}|.|\Z)|["\x00-\x1f]',
    re.DOTALL,
)

# What may come next, in the words of the message when it does not.
_ITEM = "a value or the closing ']'"
_KEY = "a key in double quotes or the closing '}'"
_COLON = "':'"
_VALUE = "a value"
_NEXT = "',' or the closing bracket"


@dataclass(frozen=True, slots=True)
class FoundJson:
    """The JSON values in a text in strict notation, best first, and why there are none."""

    values: tuple[str, ...]
    problem: str  # "" if nothing in the text looked like JSON and was broken
    lone: bool = False  # the text is a string, number or word of JSON's and nothing else


class _Broken(Exception):
    """A value that begins here is not JSON; `at` is where it stops being so."""

    def __init__(self, at: int, why: str, *, begun: bool) -> None:
        super().__init__(why)
        self.at = at
        self.why = why  # "" if the text ends there
        self.begun = begun  # more than brackets had been read: this was meant to be JSON


def extract_json(text: str) -> str:
    """The JSON value in a model's text, in strict notation without needless spaces.

    Objects and arrays are found anywhere; a string, number or word only if it is the whole text or alone
    in a code fence. Raises ParseError that says where the JSON is broken, or that there is none.

    >>> extract_json("Sure! ```json\\n{'name': 'Ann', 'tags': [1, 2,],}\\n``` Anything else?")
    '{"name":"Ann","tags":[1,2]}'
    >>> extract_json(" 42\\n")
    '42'
    """
    found = find_json(text)
    if not found.values:
        raise ParseError(found.problem or no_json(text), reply=text)
    return found.values[0]


def find_json(text: str) -> FoundJson:
    """Every outermost JSON value in a text, best first (see the top of this file for the order).

    >>> find_json("First [1], then {'a': [2]}.").values
    ('{"a":[2]}', '[1]')
    >>> find_json("[1, [2").problem
    "The JSON breaks off before its end, after '[1, [2'."
    """
    whole = _LONE_SCALAR.fullmatch(text.strip())
    if whole is not None and (scalar := _lone_scalar(whole)):
        # A string may hold JSON that somebody quoted, or encoded twice; quotes that are not JSON's surely do.
        inner = find_json(json.loads(scalar)).values if scalar.startswith('"') else ()
        values = (scalar, *inner) if whole[0].startswith('"') else (*inner, scalar)
        return FoundJson(values, "", lone=True)
    fenced: list[str] = []
    plain: list[str] = []
    scalars: list[str] = []
    problem, longest, at = "", -1, 0
    while (start := _START.search(text, at)) is not None:
        begin = start.start()
        if start.lastgroup is not None:
            scalars.append(_lone_scalar(start))
            at = start.end()
            continue
        try:
            value, at = _read_value(text, begin)
        except _Broken as broken:
            if broken.at - begin > longest:
                longest, problem = broken.at - begin, _told(text, broken)
            at = broken.at
            # Prose, when nothing but brackets and numbers was read, such as the interval [0, 1). The other
            # brackets that are still open stop at the same place, so none of them is worth an attempt.
            if broken.begun and (not broken.why or _NUMBERS.fullmatch(text, begin, at) is None):
                closing = _closing(text, begin)
                if closing is None:  # what came before was not the last word
                    return FoundJson((), problem)
                at = closing
            continue
        is_fenced = _FENCE_BEFORE.search(text, max(0, begin - 40), begin) is not None
        (fenced if is_fenced else plain).append(value)
    values = (*reversed(fenced), *reversed(plain)) or tuple(filter(None, reversed(scalars)))
    return FoundJson(values, problem)


def excerpt(text: str, length: int = 80) -> str:
    """The text as a quoted literal for a message."""
    return repr(shortened(text, length))


def no_json(text: str) -> str:
    """The problem of a text in which nothing looks like JSON."""
    return f"There is no JSON in {excerpt(text)}. Answer with JSON."


def shortened(text: str, length: int) -> str:
    """The text in at most `length` characters, without its middle.

    >>> shortened("x" * 1000, 20)
    'xxxxxxxx ... xxxxxxx'
    """
    if len(text) <= length:
        return text
    kept = length - len(" ... ")
    return f"{text[: kept - kept // 2]} ... {text[len(text) - kept // 2 :]}"


def _read_value(text: str, begin: int) -> tuple[str, int]:
    """The object or array that opens at `begin`, in strict notation, and where it ends."""
    pieces: list[str] = []
    closers: list[str] = []
    expected, at = _VALUE, begin
    while True:
        token = _TOKEN.match(text, at)
        kind = token.lastgroup if token is not None else None
        if token is None or kind is None:
            at = _space_end(text, at)
            why = f"{expected} was expected there"
            if text.startswith(("'", "“"), at):
                why = "the string that begins there is not closed"
            elif at == len(text) or text[at] == '"':  # a string that nothing closes
                why = ""
            raise _Broken(at, why, begun=len(pieces) > len(closers) or (at < len(text) and not why))
        piece = word = token[kind]
        then = ""  # what may follow; stays empty if this token does not belong here
        if kind != "mark":
            if expected is _KEY and kind == "string":
                piece, then = _strict_string(token), _COLON
            elif expected is _ITEM or expected is _VALUE:
                piece = _strict_scalar(token)
                then = _NEXT if piece else ""
        elif word in "{[":
            if expected is _ITEM or expected is _VALUE:
                then = _KEY if word == "{" else _ITEM
        elif word == ",":
            if expected is _NEXT:
                expected, at = _KEY if closers[-1] == "}" else _ITEM, token.end()
                continue  # written when something follows, so that a trailing comma is not
        elif word == ":":
            if expected is _COLON:
                then = _VALUE
        elif word == closers[-1] and (expected is _NEXT or expected is _KEY or expected is _ITEM):
            then = _NEXT
        if not then:
            begun = len(pieces) > len(closers)  # each open bracket is one piece
            raise _Broken(token.start(kind), f"{expected} was expected there", begun=begun)
        at = token.end()
        if kind == "mark" and word in "]}":
            pieces.append(piece)
            closers.pop()
            if not closers:
                return "".join(pieces), at
        else:
            if (expected is _KEY or expected is _ITEM) and pieces[-1] not in ("{", "["):
                pieces.append(",")
            pieces.append(piece)
            if kind == "mark" and word in "{[":
                closers.append("}" if word == "{" else "]")
                if len(closers) > MAX_DEPTH:
                    raise _Broken(len(text), f"The JSON is nested more than {MAX_DEPTH} deep.", begun=True)
        expected = then


def _space_end(text: str, at: int) -> int:
    space = _AFTER_SPACE.match(text, at)
    return space.end() if space is not None else at


def _told(text: str, broken: _Broken) -> str:
    """The problem as a sentence for the model and for people."""
    if broken.why.startswith("The "):
        return broken.why
    if not broken.why:
        return f"The JSON breaks off before its end, after {text.rstrip()[-12:]!r}."
    line = text.count("\n", 0, broken.at) + 1
    here = text[broken.at : broken.at + 40].splitlines()[0][:20]
    return f"The JSON is broken in line {line} at {here!r}: {broken.why}."


def _closing(text: str, begin: int) -> int | None:
    """Where the bracket that opens at `begin` is closed, by counting; None if it is not."""
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(text, begin):
        mark = match[0]
        if mark in ("{", "["):
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def _lone_scalar(token: re.Match[str]) -> str:
    try:
        return _strict_scalar(token)
    except _Broken:
        return ""


def _strict_scalar(token: re.Match[str]) -> str:
    """A scalar in strict notation; "" for a word that JSON and Python do not know."""
    if (word := token["word"]) is not None:
        return _WORDS.get(word, "")
    return token["number"] or _strict_string(token)


def _strict_string(token: re.Match[str]) -> str:
    quoted = token["string"]
    body = quoted[1:-1]
    if _NOT_PLAIN.search(body) is None:
        return f'"{body}"'
    start = token.start("string") + 1

    def strict(match: re.Match[str]) -> str:
        part = match[0]
        if part[0] != "\\":  # a quote inside other quotes, or a raw line break
            return json.dumps(part)[1:-1]
        if len(part) in (4, 10):  # \xNN and \UNNNNNNNN, which Python writes
            return json.dumps(chr(int(part[2:], 16)))[1:-1]
        if part == "\\'":
            return "'"
        if part[1:2] in tuple('"\\/bfnrt') or len(part) == 6:
            return part
        why = f"the escape {part!r} does not exist; a backslash is written twice"
        raise _Broken(start + match.start(), why, begun=True)

    return f'"{_TO_REWRITE.sub(strict, body)}"'
