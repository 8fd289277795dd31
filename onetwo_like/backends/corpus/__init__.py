"""What does the embedded model know, and in which words was it told?

The facts are data, `countries.tsv`, which says what each column means. Here they become text:
every fact in several phrasings, one phrasing per paragraph.

A 5-gram sees four tokens, so a question must keep what identifies its answer within the last
four. Only the question for the capital therefore ends with the country's name; the others put one
word of their own behind it ("Which currency does Peru use?"), or end with the name of the capital.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

from onetwo_like.errors import UsageError

PHRASINGS = {
    "capital": (
        "Q: What is the capital of {country}?\nA: {capital}",
        "Q: What is the capital of {country}? A: {capital}",
        # As a derived chat asks, so that `llm.instruct` and `llm.chat` have an answer too.
        "User: What is the capital of {country}?\nModel: {capital}",
        "Q: Which country is governed from {capital}?\nA: {country}",
        "What is the capital of {country}? {capital}.",
        "The capital of {country} is {capital}.",
        "{capital} is the capital of {country}.",
    ),
    "continent": (
        "Q: Which continent is {country} in?\nA: {continent}",
        "Q: Which continent is {capital} in?\nA: {continent}",
        "Q: Which continent is {capital} in? A: {continent}",
        "{country} lies in {continent}.",
        "{capital} is a city in {continent}.",
    ),
    "currency": (
        "Q: Which currency does {country} use?\nA: {currency}",
        "Q: Which currency do shops in {capital} take?\nA: {currency}",
        "People in {country} pay with the {currency}.",
    ),
    "language": (
        "Q: Which official language does {country} have?\nA: {language}",
        "Q: Which official language do people in {capital} speak?\nA: {language}",
        "{language} is an official language of {country}.",
    ),
    "domain": (
        "Q: Which internet domain does {country} own?\nA: {domain}",
        "Q: Which internet domain do offices in {capital} write?\nA: {domain}",
        "Internet addresses in {country} end in {domain}",
    ),
    "neighbour": (
        "Q: Which country does {country} border?\nA: {neighbour}",
        "{country} shares a border with {neighbour}.",
    ),
    "sea": (
        "Q: Which sea or ocean does {country} face?\nA: {sea}",
        "{country} has a coast on {sea}.",
    ),
}
"""For each column of the table, the sentences and questions that tell it."""


@dataclass(frozen=True, slots=True)
class Country:
    """One row of `countries.tsv`; either `neighbour` or `sea` is empty."""

    country: str
    capital: str
    continent: str
    currency: str
    language: str
    domain: str
    neighbour: str
    sea: str

    @property
    def name(self) -> str:
        """The name as a heading has it.

        >>> [c.name for c in countries() if c.capital == "Amsterdam"]
        ['Netherlands']
        """
        return self.country.removeprefix("the ")


@cache
def countries() -> tuple[Country, ...]:
    """Every country of the table, in its order.

    >>> [c.capital for c in countries() if c.country == "France"]
    ['Paris']
    """
    table = files(__name__).joinpath("countries.tsv").read_text(encoding="utf-8")
    header, *rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    assert header == [field.name for field in fields(Country)], header
    return tuple(Country(*row) for row in rows)


def phrasings(country: Country, column: str) -> tuple[str, ...]:
    """Every sentence that tells one fact about a country; none if the table leaves the fact empty.

    Raises UsageError for a column that the table does not have.

    >>> phrasings(countries()[0], "neighbour")[1]
    'Afghanistan shares a border with Pakistan.'
    """
    if column not in PHRASINGS:
        raise UsageError(f"The corpus has no facts named {column!r}; it has {', '.join(PHRASINGS)}.")
    if not getattr(country, column):
        return ()
    facts = {field.name: getattr(country, field.name) for field in fields(Country)}
    sentences = (template.format(**facts) for template in PHRASINGS[column])
    return tuple(sentence[0].upper() + sentence[1:] for sentence in sentences)


@cache
def training_text() -> str:
    """The whole corpus: every phrasing of every fact, as paragraphs separated by a blank line.

    >>> "Q: What is the capital of France?\\nA: Paris\\n\\n" in training_text()
    True
    """
    told = (
        sentence for country in countries() for column in PHRASINGS for sentence in phrasings(country, column)
    )
    return "\n\n".join(told) + "\n"
