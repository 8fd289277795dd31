"""How is a figure of a comparison written for people?

The minus sign is a real one, as wide as a digit where figures stand below each other. What is not known is
an en dash, never 0.
"""

from __future__ import annotations

UNKNOWN = "–"
_MINUS = "\N{MINUS SIGN}"
_NOISE = 1e-12  # what is left of 0 after sums in another order


def number(value: float | None) -> str:
    """A mean, a score or an effect, with three decimals where it is small and fewer where it is large.

    >>> number(0.5), number(-12.345), number(123456.7), number(0.00042), number(None)
    ('0.500', '−12.35', '123,457', '0.00042', '–')
    """
    if value is None:
        return UNKNOWN
    size = abs(value)
    if _NOISE < size < 0.001:
        text = f"{size:.2g}" if size >= 0.0001 else f"{size:.1e}".replace("e-0", "e-")
    else:
        text = f"{size:,.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"
    return _MINUS + text if value < 0 and size > _NOISE else text


def signed(value: float | None) -> str:
    """A difference: also a positive one has its sign.

    >>> signed(0.12), signed(-0.12), signed(0.0)
    ('+0.120', '−0.120', '0.000')
    """
    return f"+{number(value)}" if value is not None and value > _NOISE else number(value)


def interval(low: float | None, high: float | None) -> str:
    """An interval, or a dash where there is none.

    >>> interval(-0.04, 0.2), interval(None, None)
    ('−0.040 to 0.200', '–')
    """
    return UNKNOWN if low is None or high is None else f"{number(low)} to {number(high)}"


def p_value(value: float | None) -> str:
    """A probability; below one in a thousand the exact figure says nothing more.

    >>> p_value(0.0421), p_value(0.0000003), p_value(None)
    ('0.042', '< 0.001', '–')
    """
    if value is None:
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(value: float | None) -> str:
    """How many: calls, tokens, examples.

    >>> count(60000), count(None)
    ('60,000', '–')
    """
    return UNKNOWN if value is None else f"{value:,.0f}"


def dollars(value: float | None) -> str:
    """A cost in US dollars, with three significant digits below one dollar.

    >>> dollars(12.5), dollars(0.0001234), dollars(0.0), dollars(None)
    ('$12.50', '$0.000123', '$0', '–')
    """
    if value is None:
        return UNKNOWN
    if value == 0:
        return "$0"
    if value >= 1:
        return f"${value:,.2f}"
    digits = 2
    while digits < 12 and value < 10.0 ** (2 - digits):
        digits += 1
    return f"${value:.{digits}f}"


def seconds(value: float | None) -> str:
    """A time that was waited.

    >>> seconds(0.0004), seconds(0.42), seconds(12.345), seconds(340.0), seconds(None)
    ('0.40 ms', '420 ms', '12.3 s', '340 s', '–')
    """
    if value is None:
        return UNKNOWN
    amount, unit = (value * 1000, "ms") if value < 1 else (value, "s")
    decimals = 2 if amount < 10 else 1 if amount < 100 and unit == "s" else 0
    return f"{amount:,.{decimals}f} {unit}"
