"""Does an answer say what the target says?"""

from __future__ import annotations

from typing import Any


def exact_match(target: Any, prediction: Any) -> bool:
    """Whether the answer is the target; white space around either does not count.

    What is no text is compared as a value or, with a text, by its own text: 4 matches "4".

    >>> exact_match("Paris", " Paris\\n"), exact_match("Paris", "paris"), exact_match(4, "4")
    (True, False, True)
    """
    if isinstance(target, str) or isinstance(prediction, str):
        return str(target).strip() == str(prediction).strip()
    return bool(target == prediction)
