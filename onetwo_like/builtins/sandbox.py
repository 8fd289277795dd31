"""What may a template reach, and how large may what it computes become?

A template's text may come from anywhere. It reads the values that it was given: items of containers,
methods of text, numbers and containers that change nothing, and the declared fields of dataclasses,
NamedTuples, pydantic models and Enums. Attributes of all other Python objects are refused before they
are looked at, since even reading a property runs code. Repetition and powers are bounded; time and
memory as a whole are not.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

# The longest text or list that `*` makes, and the largest number that `*` and `**` make.
MAX_LENGTH = 1_000_000
MAX_BITS = 10_000

_PLAIN = (
    str, bytes, int, float, complex, list, tuple, dict, set, frozenset, range, Mapping,
    datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which knows what data is."""

    intercepted_binops = frozenset({"*", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if _readable(obj, attribute):
            return super().getattr(obj, attribute)
        try:
            return obj[attribute]
        except (TypeError, LookupError, AttributeError):
            return self.unsafe_undefined(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (TypeError, LookupError, AttributeError):
            if isinstance(argument, str):
                return self.getattr(obj, str(argument))
        return self.undefined(obj=obj, name=argument)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        kind = type(obj).__name__
        fields = _fields(obj)
        if isinstance(obj, _PLAIN) and not attribute.startswith("_"):
            return self.undefined(obj=obj, name=attribute)
        if fields:
            hint = f"a template can read the fields of {kind}, {', '.join(fields)}, and not {attribute!r}"
        else:
            hint = f"a template cannot read {attribute!r} of {kind}; give the value as an input of its own"
        return self.undefined(hint, obj=obj, name=attribute, exc=SecurityError)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            _check_product(left, right)
            _check_product(right, left)
        elif isinstance(left, int) and isinstance(right, int) and abs(left) > 1:
            _check_bits(left.bit_length() * right, f"{left} ** {right}")
        return super().call_binop(context, operator, left, right)


def _check_product(left: Any, right: Any) -> None:
    if not isinstance(right, int):
        return
    if isinstance(left, int):
        _check_bits(left.bit_length() + right.bit_length(), "a product")
    elif isinstance(left, str | bytes | list | tuple) and len(left) * right > MAX_LENGTH:
        raise SecurityError(
            f"a template may not make a {type(left).__name__} of {len(left) * right:,} items; "
            f"the limit of * is {MAX_LENGTH:,}"
        )


def _check_bits(bits: int, what: str) -> None:
    if bits > MAX_BITS:
        raise SecurityError(
            f"a template may not compute {what}: the number would have over {MAX_BITS:,} bits"
        )


def _readable(obj: Any, attribute: str) -> bool:
    if attribute.startswith("_"):
        return False
    if type(obj).__module__ in ("jinja2.runtime", "jinja2.utils"):  # loop, namespace(), macros
        return True
    return attribute in _fields(obj) or any(isinstance(obj, t) and hasattr(t, attribute) for t in _PLAIN)


def _fields(obj: Any) -> tuple[str, ...]:
    """The names of the fields that the object's class declares as data."""
    if isinstance(obj, enum.Enum):
        return ("name", "value")
    cls = type(obj)
    for declared in ("__dataclass_fields__", "__pydantic_fields__", "_fields"):
        fields = getattr(cls, declared, None)
        if isinstance(fields, Mapping | tuple):
            return tuple([name for name in fields if not name.startswith("_")])
    return ()
