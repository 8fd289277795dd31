"""Is the number that an answer names read, and nothing that is none?"""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like.errors import UsageError
from onetwo_like.experiments.metrics.number import number_in, numeric_match

DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９"]
INTEGERS = st.integers(min_value=-(10**12), max_value=10**12)


@given(INTEGERS, st.sampled_from(DIGITS), st.sampled_from(["", "-", "The answer is ", "答案是", "x = "]))
def test_a_whole_number_is_read_in_the_digits_of_any_script(n, digits, before):
    written = str(abs(n)).translate(str.maketrans("0123456789", digits))
    sign = "−" if n < 0 and not before.endswith("-") else ""
    expected = -abs(n) if sign or before == "-" else abs(n)
    assert number_in(f"{before}{sign}{written}.")[0] == expected


@given(INTEGERS, st.integers(0, 10**6), st.sampled_from([",", "'", "’", "\u00a0", "\u202f", "_", ""]))
def test_groups_of_three_are_one_number(n, fraction, gap):
    written = f"{n:,}".replace(",", gap) + f".{fraction:06}"
    assert number_in(f"about {written} or so")[0] == Fraction(
        f"{n}.{fraction:06}" if n else f"0.{fraction:06}"
    )


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
def test_a_number_is_its_own_text(n):
    assert number_in(n)[0] == Fraction(n) or "E" in str(n)
    assert number_in(f"{n:f}")[0] == Fraction(n)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e90, max_value=1e90))
def test_a_float_matches_how_it_is_written_and_nothing_else(x):
    assert numeric_match(x, repr(x))[0]
    assert number_in(x)[0] == Fraction(Decimal(repr(x)))
    assert not numeric_match(x, repr(x) + " and then 1e91")[0]


@given(st.lists(INTEGERS, min_size=1, max_size=5))
def test_the_last_number_counts_or_the_only_one(numbers):
    text = ", then ".join(map(str, numbers))
    assert number_in(text)[0] == numbers[-1]
    assert (number_in(text, "only")[0] is None) == (len(numbers) > 1)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_not_without_an_error(text):
    number, read = number_in(text)
    assert number is None or number_in(read)[0] == number


@given(INTEGERS, INTEGERS, st.integers(0, 10**6), st.fractions(min_value=0, max_value=1, max_denominator=100))
def test_tolerances_are_bounds_that_are_included(target, said, tolerance, relative):
    matches = numeric_match(target, said, tolerance=tolerance, relative=float(relative))[0]
    bound = max(Fraction(tolerance), Fraction(float(relative)) * abs(target))
    assert matches == (abs(target - said) <= bound)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It is 42.", 42),
        ("**42**", 42),
        (r"\boxed{42}", 42),
        ("#### 18", 18),
        ("$1,250.00", 1250),
        ("-$5", -5),
        ("$-5", -5),
        ("(-5)", -5),
        ("5-3", 3),
        ("5 - 3", 3),
        ("GPT-4", 4),
        ("50%", 50),
        ("5km, 3rd", 3),
        ("1e-3", Fraction(1, 1000)),
        ("1.5E3", 1500),
        ("1/2", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("-.5", Fraction(-1, 2)),
        ("12,34,567", 1234567),
        ("007", 7),
        (True, None),
        ("mp3", None),
        ("no number", None),
        ("", None),
        (None, None),
        ("3,5", None),
        ("1,23", None),
        ("1,234,56", None),
        ("1.2.3", None),
        ("1/0", None),
        ("1/2/2024", None),
        ("10²", None),
        ("3½", None),
        ("7 is 3,5", None),
        ("1e99999999", None),
        ("9" * 400, None),
    ],
)
def test_what_is_read(text, number):
    assert number_in(text)[0] == number


@pytest.mark.parametrize("piece", ["1e", "1,", "-", "1", "1e99999999999 ", ".", " ", "\n", "$-", "1/"])
def test_a_long_text_of_one_thing_is_read_or_not(piece):
    # An expression that backtracks would not end here.
    number_in(piece * 100_000)


def test_the_details_are_what_was_read_or_why_nothing_was():
    assert numeric_match(1250, "$1,250.00") == (True, {"read": "1,250.00"})
    assert numeric_match(1250, "none") == (False, {"reason": "there is no number"})
    assert numeric_match(1250, "1250,5") == (False, {"reason": "1250,5 is not read as a number"})
    assert numeric_match(7, "7 or 8", pick="only") == (False, {"reason": "there are 2 numbers"})


def test_one_of_several_targets_will_do():
    assert numeric_match(["7", 8], "8")[0]
    assert not numeric_match(["7", 8], "9")[0]


def test_a_target_without_a_number_is_an_error():
    with pytest.raises(ValueError, match="the target 'many' does not say which number: there is no number"):
        numeric_match("many", "3")
    with pytest.raises(UsageError, match="pick='last' or pick='only', not 'first'"):
        numeric_match(3, "3", pick="first")  # type: ignore[arg-type]
