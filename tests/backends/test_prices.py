import pytest

from onetwo_like.backends.prices import priced
from onetwo_like.core.request import Reply, Usage


def cost(usage):
    found = priced("gpt-4o-mini", Reply("x", usage)).usage
    assert found is not None
    assert found.cost is not None
    return found.cost


def test_the_price_used_is_said():
    assert "input MTok" in str(priced("gpt-4o-mini", Reply("x", Usage(1, 1))).price)


def test_a_known_model_has_its_price_by_name():
    few, many = (cost(Usage(1_000 * n, 1_000 * n)) for n in (1, 2))
    assert 0 < few < 0.01
    assert many == pytest.approx(2 * few)


def test_tokens_that_the_provider_had_cached_are_cheaper():
    assert cost(Usage(1_000, 0, 900)) < cost(Usage(1_000, 0))


@pytest.mark.parametrize(
    ("model", "usage"),
    [("a model of our own", Usage(1, 1)), ("gpt-4o-mini", Usage()), ("gpt-4o-mini", Usage(1, 1, 5))],
)
def test_what_is_not_known_costs_nobody_knows_what(model, usage):
    reply = Reply("x", usage)
    assert priced(model, reply) == reply
    assert usage.cost is None


def test_a_cost_that_the_provider_told_is_kept():
    assert cost(Usage(1, 1, cost=7.0)) == 7.0
    assert priced("gpt-4o-mini", Reply("x")) == Reply("x")
