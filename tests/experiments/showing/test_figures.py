"""Are figures written so that they can be read and compared in a column?"""

import pytest

from onetwo_like.experiments.showing.figures import count, dollars, number, p_value, seconds, signed


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (1.4e-17, "0.000"),
        (-1.4e-17, "0.000"),
        (1, "1.000"),
        (True, "1.000"),
        (9.9996, "10.000"),
        (12.345, "12.35"),
        (512.25, "512.2"),
        (1234567.0, "1,234,567"),
        (-0.000412, "−0.00041"),
        (-0.0000412, "−4.1e-5"),
        (None, "–"),
    ],
)
def test_a_number_has_fewer_decimals_the_larger_it_is(value, written):
    assert number(value) == written


def test_a_difference_of_nothing_has_no_sign():
    assert [signed(0.0), signed(-0.0), signed(0.5), signed(-0.5)] == ["0.000", "0.000", "+0.500", "−0.500"]


def test_what_is_not_known_is_never_nothing():
    assert {write(None) for write in (number, signed, count, dollars, seconds, p_value)} == {"–"}
    assert [dollars(0.0), count(0), seconds(0.0)] == ["$0", "0", "0.00 ms"]


def test_a_small_cost_keeps_three_digits():
    assert [dollars(v) for v in (0.5, 0.012345, 0.0000012345)] == ["$0.500", "$0.0123", "$0.00000123"]


def test_no_p_value_is_zero():
    assert [p_value(0.0), p_value(0.00099), p_value(0.001), p_value(1.0)] == [
        "< 0.001",
        "< 0.001",
        "0.001",
        "1.000",
    ]
