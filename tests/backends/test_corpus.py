"""Are the facts complete and consistent, and is each of them told?"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import astuple, fields
from importlib.resources import files

import pytest

from onetwo_like.backends import corpus
from onetwo_like.backends.corpus import PHRASINGS, Country, countries, phrasings, training_text
from onetwo_like.errors import UsageError

CONTINENTS = {"Africa", "Asia", "Europe", "North America", "South America", "Oceania"}


def by_name(name: str) -> Country:
    [found] = [c for c in countries() if c.name == name]
    return found


def test_there_are_the_193_members_of_the_united_nations_and_vatican_city():
    assert len(countries()) == 194
    assert by_name("Vatican City").capital == "Vatican City"


@pytest.mark.parametrize("column", ["country", "name", "capital", "domain"])
def test_no_two_countries_share(column):
    values = [getattr(c, column) for c in countries()]
    assert sorted(set(values)) == sorted(values)


def test_every_field_is_filled_but_neighbour_or_sea():
    for c in countries():
        empty = [field.name for field in fields(Country) if not getattr(c, field.name)]
        assert empty in (["neighbour"], ["sea"]), c


def test_values_have_no_stray_white_space_and_one_spelling_per_letter():
    for c in countries():
        for value in astuple(c):
            assert value == unicodedata.normalize("NFC", " ".join(value.split())), c


def test_continents_are_the_six_inhabited_ones():
    assert {c.continent for c in countries()} == CONTINENTS


def test_domains_are_a_dot_and_two_letters():
    assert [c.domain for c in countries() if not re.fullmatch(r"\.[a-z]{2}", c.domain)] == []


def test_neighbours_are_other_countries_of_the_table_on_the_same_or_the_adjoining_continent():
    continent = {c.country: c.continent for c in countries()}
    adjoining = ({"Europe", "Asia"}, {"Asia", "Oceania"}, {"North America", "South America"})
    for c in countries():
        if c.neighbour:
            assert c.neighbour in continent, c
            assert c.neighbour != c.country
            both = {c.continent, continent[c.neighbour]}
            assert len(both) == 1 or both in adjoining, c


def test_seas_are_seas_oceans_or_gulfs():
    assert [c.sea for c in countries() if c.sea and not re.fullmatch("the .* (Sea|Ocean|Gulf)", c.sea)] == []


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("Netherlands", ("Amsterdam", "Europe", "euro", "Dutch", ".nl", "Belgium", "")),
        ("Japan", ("Tokyo", "Asia", "yen", "Japanese", ".jp", "", "the Pacific Ocean")),
        ("Brazil", ("Brasília", "South America", "real", "Portuguese", ".br", "Uruguay", "")),
        ("United States", ("Washington, D.C.", "North America", "US dollar", "English", ".us", "Canada", "")),
    ],
)
def test_columns_are_read_in_their_order(name, facts):
    assert astuple(by_name(name))[1:] == facts


def test_a_heading_drops_the_article():
    assert by_name("Gambia").country == "the Gambia"
    assert by_name("Thailand").country == "Thailand"


@pytest.mark.parametrize("column", list(PHRASINGS))
def test_every_phrasing_tells_its_fact_and_whom_it_is_about(column):
    told = 0
    for c in countries():
        for sentence in phrasings(c, column):
            told += 1
            plain = sentence.casefold()
            assert getattr(c, column).casefold() in plain
            assert c.country.casefold() in plain or c.capital.casefold() in plain
            assert "{" not in sentence
            assert not sentence[0].islower()
    assert told == len(PHRASINGS[column]) * sum(bool(getattr(c, column)) for c in countries())


def test_every_kind_of_fact_has_several_phrasings():
    assert set(PHRASINGS) == {field.name for field in fields(Country)} - {"country"}
    assert min(map(len, PHRASINGS.values())) >= 2


def test_a_fact_the_table_leaves_empty_is_not_told():
    assert phrasings(by_name("Japan"), "neighbour") == ()
    assert phrasings(by_name("France"), "sea") == ()


def test_an_unknown_column_is_an_error_that_lists_those_there_are():
    with pytest.raises(UsageError, match="no facts named 'anthem'; it has capital, continent"):
        phrasings(by_name("France"), "anthem")


def test_the_text_is_every_phrasing_once_in_paragraphs():
    paragraphs = training_text().rstrip("\n").split("\n\n")
    expected = [s for c in countries() for column in PHRASINGS for s in phrasings(c, column)]
    assert paragraphs == expected
    assert "Q: What is the capital of France?\nA: Paris" in paragraphs
    assert "Q: Which continent is Paris in?\nA: Europe" in paragraphs
    assert "The Gambia shares a border with Senegal." in paragraphs


def test_the_last_word_of_a_question_says_what_it_asks():
    asked = {
        (question.split("?")[0].split(" ")[-1], column, "{country}" in question.split("?")[0])
        for column, questions in PHRASINGS.items()
        for question in questions
        if question.startswith("Q:")
    }
    # Countries and capitals share names, so a last word may serve both only if the answer is the same.
    assert len({last for last, *_ in asked}) == len({(last, column) for last, column, _ in asked})
    assert {(column, of_country) for last, column, of_country in asked if last[0] == "{"} == {
        ("capital", True),
        ("capital", False),
    }


def test_the_table_says_what_its_columns_mean():
    table = files(corpus).joinpath("countries.tsv").read_text(encoding="utf-8").splitlines()
    described = {line.split()[1] for line in table if line.startswith("# ")}
    assert {field.name for field in fields(Country)} <= described
