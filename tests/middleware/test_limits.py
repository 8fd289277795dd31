import datetime

import pytest

from onetwo_like.middleware.limits import Limit, limits_in


def test_the_headers_of_openai_are_understood():
    headers = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
        "x-ratelimit-limit-tokens": "90000",
        "x-ratelimit-remaining-tokens": "89000",
        "x-ratelimit-reset-tokens": "0.7s",
    }
    assert limits_in(headers) == (Limit(10.0, 599.0), Limit(1500.0, 89_000.0))


def test_the_headers_of_anthropic_are_understood():
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    headers = {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": soon.isoformat(),
    }
    assert limits_in(headers) == (Limit(1.0, 3.0), None)


@pytest.mark.parametrize("reset", ["2h", "1m4s", "86400", "2099-01-01T00:00:00Z"])
def test_what_is_allowed_for_a_day_is_no_rate(reset):
    headers = {"x-ratelimit-limit-requests": "200", "x-ratelimit-reset-requests": reset}
    assert limits_in(headers) == (None, None)


@pytest.mark.parametrize("reset", ["60", "1m", "59.5s", "6ms", "2020-01-01T00:00:00", "whenever", ""])
def test_a_limit_that_is_whole_within_a_minute_is_one_of_a_minute(reset):
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": reset}
    assert limits_in(headers) == (Limit(1.0, None), None)


@pytest.mark.parametrize("limit", ["0", "-1", "many", "", "nan", "inf", "1e3"])
def test_a_limit_that_is_no_number_above_zero_is_none(limit):
    assert limits_in({"x-ratelimit-limit-requests": limit}) == (None, None)


def test_no_headers_are_no_limits():
    assert limits_in({}) == (None, None)
