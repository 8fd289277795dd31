"""What does the main job look like? Two backends, one program, every answer replayed.

`onetwo-like demo` asks both backends two questions about each country, the second about the first one's
answer, and counts what is right. Then it does all of it again from what was recorded, and writes a report.
"""

from __future__ import annotations

import argparse
import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onetwo_like import ot
from onetwo_like.backends.corpus import PHRASINGS, Country, countries
from onetwo_like.builtins import llm
from onetwo_like.cli.options import Choice, add_backend, check_base_url, check_file, chosen
from onetwo_like.cli.plan import Part, agreed, recorded
from onetwo_like.cli.progress import counting
from onetwo_like.errors import ContentRefusedError, MissingExtraError, UsageError
from onetwo_like.experiments.showing.table import aligned

DEFAULT_BACKENDS = ("ngram:2", "ngram:5")
DEFAULT_CACHE = "onetwo-demo.cache"
DEFAULT_REPORT = "onetwo-demo.html"
_CALLS_PER_COUNTRY = 2

# For models that follow instructions; an n-gram does not look back so far.
_INSTRUCTION = "Answer with the name alone.\n\n"
# What the embedded models were taught to answer, up to the answer itself.
_CAPITAL = _INSTRUCTION + PHRASINGS["capital"][0].removesuffix(" {capital}")
_CURRENCY = _INSTRUCTION + PHRASINGS["currency"][1].removesuffix(" {currency}")


@ot.make_executable
async def capital_and_currency(country: str) -> tuple[str, str]:
    """Asks for the capital of a country, then what one pays with in the city that was named."""
    try:
        capital = await llm.generate_text(_CAPITAL.format(country=country), stop=["\n"], max_tokens=20)
        question = _CURRENCY.format(capital=capital.strip())
        currency = await llm.generate_text(question, stop=["\n"], max_tokens=20)
    except ContentRefusedError:
        return "", ""  # a model that will not say does not know
    return capital.strip(), currency.strip()


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "demo",
        help="compare two backends on one program, and replay the comparison",
        description="Asks two backends for the capital of every country, and for the currency of the city that\n"
        "they named; counts the right answers; does it again from the recorded replies; writes a report.\n"
        "Needs no key: the backends are embedded n-gram models of order 2 and 5, unless you name others.",
        epilog="example:\n"
        "  onetwo-like demo --limit 20\n"
        "  onetwo-like demo --backend openai:gpt-4o-mini --cache runs/cities\n\n"
        "With a model behind a network, the number of calls is shown first, and you have to confirm it.",
    )
    add_backend(
        parser,
        several=True,
        more="given once, it replaces ngram:2; given twice, both",
    )
    parser.add_argument(
        "--cache",
        metavar="PATH",
        default=DEFAULT_CACHE,
        help="the folder of the recorded replies (default: %(default)s); the same command replays them",
    )
    parser.add_argument(
        "--report",
        metavar="PATH",
        default=DEFAULT_REPORT,
        help="the page with the paired comparison of both (default: %(default)s)",
    )
    parser.add_argument("--limit", metavar="N", type=int, help="only the first N countries")
    parser.add_argument("--yes", action="store_true", help="make the calls without asking")
    parser.set_defaults(command=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    choices = _choices(arguments.backend or [], arguments.base_url)
    asked = _limited(countries(), arguments.limit)
    check_file("--report", arguments.report)
    if not agreed(_plan(choices, asked, arguments.cache), yes=arguments.yes):
        return 0
    with ot.Cache(arguments.cache) as cache:
        print(
            f"Two questions about each of {len(asked)} countries: its capital, then the currency of that city."
        )
        first = _compared(choices, asked, cache)
        print(f"\nThe first run; replies are recorded in {arguments.cache}\n\n{_table(first, asked)}")
        print("Replayed calls were recorded before, or are identical to one that was made.")
        _show_a_difference(first, asked)
        # In this mode no backend can be called, so nothing is spent even if something is wrong here.
        replayed = cache.scope("replay")
        again = _compared(choices, asked, replayed)
        print(f"\nThe same again, from what was recorded\n\n{_table(again, asked)}")
        said, code = conclusion(first, again)
        print(f"\n{said}")
        print(_reported(choices, asked, replayed, arguments.report))
    return code


def _choices(written: list[str], base_url: str | None) -> list[Choice]:
    if len(written) > len(DEFAULT_BACKENDS):
        raise UsageError(f"--backend can be given twice, since two are compared; given: {', '.join(written)}")
    choices = [chosen(name, base_url) for name in (*written, *DEFAULT_BACKENDS[len(written) :])]
    check_base_url(base_url, choices)
    return choices


def _plan(choices: Sequence[Choice], asked: Sequence[Country], cache: str) -> list[Part]:
    programs = [capital_and_currency(country.country) for country in asked]
    return [
        Part(choice, _CALLS_PER_COUNTRY * len(asked), recorded(programs, choice, cache))
        for choice in choices
        if choice.remote
    ]


def _limited(all_of_them: Sequence[Country], limit: int | None) -> Sequence[Country]:
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: at least 1 country, at most {len(all_of_them)}")
    return all_of_them[:limit]


# Running


@dataclass(frozen=True)
class Row:
    """What one backend answered, and what that took."""

    name: str
    answers: list[tuple[str, str]]
    made: int
    replayed: int
    seconds: float


def _compared(choices: Sequence[Choice], asked: Sequence[Country], cache: ot.Cache) -> list[Row]:
    """Runs the program for every backend and country, all at once."""
    scopes = [cache.scope() for _ in choices]
    registries = [choice.registry(scope) for choice, scope in zip(choices, scopes, strict=True)]
    with counting(len(choices) * len(asked), "countries") as advance:
        arms = [ot.with_registry(_timed(_of_all(asked, advance)), registry) for registry in registries]
        done = ot.run(ot.parallel(*arms))
    rows = []
    for choice, scope, (answers, seconds) in zip(choices, scopes, done, strict=True):
        report = scope.report()
        rows.append(Row(choice.written, answers, report.made, report.hits, seconds))
    return rows


def _of_all(asked: Sequence[Country], advance: Callable[[], object]) -> ot.Executable[list[tuple[str, str]]]:
    def counted(answers: tuple[str, str]) -> tuple[str, str]:
        advance()
        return answers

    return ot.parallel(*[capital_and_currency(country.country).map(counted) for country in asked])


@ot.make_executable
async def _timed(program: ot.Executable[list[tuple[str, str]]]) -> tuple[list[tuple[str, str]], float]:
    began = time.perf_counter()
    return await program, time.perf_counter() - began


# The report


def _reported(choices: Sequence[Choice], asked: Sequence[Country], cache: ot.Cache, path: str) -> str:
    """Writes the report, from the same replies; what is to be said of it."""
    names = [choice.written for choice in choices]
    if len(set(names)) < len(names):
        return "There is no report: it compares two backends, and both are the same."
    examples = [
        {"id": each.name, "country": each.country, "capital": each.capital, "currency": each.currency}
        for each in asked
    ]
    try:
        result = ot.compare(
            {choice.written: choice.registry() for choice in choices},
            capital_and_currency,
            examples,
            {"both right": _both, "capital": _first, "currency": _second},
            input="country",
            target=["capital", "currency"],
            cache=cache,
        )
    except MissingExtraError as error:
        return f"There is no report: {error}"
    result.report(path)
    return f"The report, with paired differences and every answer: {path}"


def _first(target: dict[str, str], prediction: tuple[str, str]) -> bool:
    return is_right(prediction[0], target["capital"])


def _second(target: dict[str, str], prediction: tuple[str, str]) -> bool:
    return is_right(prediction[1], target["currency"])


def _both(target: dict[str, str], prediction: tuple[str, str]) -> bool:
    return _first(target, prediction) and _second(target, prediction)


def conclusion(first: Sequence[Row], again: Sequence[Row]) -> tuple[str, int]:
    """What is to be said of the second run, and the exit code: 0 if it replayed the first."""
    made, replayed = sum(row.made for row in again), sum(row.replayed for row in again)
    same = [row.answers for row in first] == [row.answers for row in again]
    told = f"{made} calls made, {replayed} replayed; results {'identical' if same else 'DIFFERENT'}."
    return told, 0 if same and made == 0 else 1


# Counting what is right


def is_right(answer: str, expected: str) -> bool:
    """Whether an answer has the expected words in a row; case and accents do not count.

    >>> is_right("It is the Peruvian Sol (PEN).", "sol"), is_right("the solar", "sol")
    (True, False)
    >>> is_right("Brasilia", "Brasília"), is_right("", "")
    (True, False)
    """
    words = _words(expected)
    return bool(words.strip()) and words in _words(answer)


def _words(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", plain)
    return f" {' '.join(words)} "


def _table(rows: Sequence[Row], asked: Sequence[Country]) -> str:
    lines = [["backend", "both right", "capital", "currency", "calls made", "replayed", "seconds"]]
    for row in rows:
        right = [
            (is_right(capital, country.capital), is_right(currency, country.currency))
            for (capital, currency), country in zip(row.answers, asked, strict=True)
        ]
        shares = [
            sum(first and second for first, second in right),
            sum(first for first, _ in right),
            sum(second for _, second in right),
        ]
        lines.append(
            [
                row.name,
                *[f"{100 * share / len(asked):.1f} %" for share in shares],
                f"{row.made}",
                f"{row.replayed}",
                f"{row.seconds:.2f}",
            ]
        )
    return aligned(lines, left=1)


def _show_a_difference(rows: Sequence[Row], asked: Sequence[Country]) -> None:
    """Prints what each says about the first country on which they differ."""
    for country, *answers in zip(asked, *[row.answers for row in rows], strict=True):
        if len(set(answers)) > 1:
            said = [
                f"{row.name} says {' and '.join(map(repr, answer))}"
                for row, answer in zip(rows, answers, strict=True)
            ]
            print(f"For example {country.name}: {'; '.join(said)}.")
            return
