"""How far do a list of answers and a list of targets agree?"""

from __future__ import annotations

import re
from typing import Any

from onetwo_like.experiments.metrics.answers import text_of
from onetwo_like.experiments.metrics.normalising import normalised

# What stands between the elements of a list in a text, and what may stand before each.
SEPARATORS = ",;\n，；、،؛|"
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s+")


def set_f1(target: Any, prediction: Any, *, separators: str = SEPARATORS) -> tuple[float, dict[str, Any]]:
    """The F1 score of the elements of the answer against those of the target, from 0 to 1.

    Either is a list (or tuple or set), or a text whose elements are separated by commas, semicolons,
    vertical bars, line breaks or the like, with bullets or numbers before them or none. Elements are the same apart
    from case and punctuation, as `normalised_match` says; order and repetition count nothing. Two empty
    sets agree. `separators` are the characters that separate elements in a text. The details are precision, recall,
    and what is missing or too much.

    >>> set_f1(["Paris", "Lyon"], "1. Lyon\\n2. Nice")
    (0.5, {'precision': 0.5, 'recall': 0.5, 'missing': ['paris'], 'extra': ['nice']})
    """
    if target is None:
        raise ValueError("the example has no target; target= names the field where the examples are loaded")
    wanted, said = _elements(target, separators), _elements(prediction, separators)
    both = len(wanted.keys() & said.keys())
    details = {
        "precision": both / len(said) if said else float(not wanted),
        "recall": both / len(wanted) if wanted else float(not said),
        "missing": [e for e in wanted if e not in said],
        "extra": [e for e in said if e not in wanted],
    }
    size = len(wanted) + len(said)
    return (2 * both / size if size else 1.0), details


def _elements(value: Any, separators: str) -> dict[str, None]:
    if isinstance(value, list | tuple | set | frozenset):
        elements = [text_of(element) for element in value]
    else:
        text = text_of(value)
        pieces = re.split(f"[{re.escape(separators)}]", text) if separators else [text]
        elements = [_BULLET.sub("", piece, count=1) if _BULLET.match(piece) else piece for piece in pieces]
    return dict.fromkeys(element for e in elements if (element := normalised(e)))
