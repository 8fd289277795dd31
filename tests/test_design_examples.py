"""Does the code with which the package introduces itself run, line by line, as it is promised to?

What is shown here is a public promise: if one of these has to change, so have the README and the guides.
Where the first sketch of the design differs from what is true today, a test says how.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import NGram, OpenAI
from onetwo_like.builtins import composables as c
from onetwo_like.builtins import llm
from onetwo_like.errors import ReplayMiss, UnsupportedOptionError
from onetwo_like.experiments.metrics import exact_match
from onetwo_like.testing import FakeClock
from tests.servers.http_server import say
from tests.servers.loopback import LoopbackServer

e = llm.generate_text("Q: What is the southernmost city in France?\nA:", stop=["Q:"], max_tokens=20)
COUNTRIES = ["France", "Spain", "Peru"]


@ot.make_executable
async def mayor(country):
    city = await llm.generate_text(f"Q: What is the southernmost city in {country}? A:")
    return await llm.generate_text(f"Q: Who is the mayor of {city}? A:")


def mayor_of(country):
    """What a model says that repeats what it is asked."""
    return say(f"Q: Who is the mayor of {say(f'Q: What is the southernmost city in {country}? A:')}? A:")


@pytest.fixture(autouse=True)
def server(tmp_path, monkeypatch):
    """An empty folder, a registry of its own, and what OpenAI's SDK takes for OpenAI."""
    monkeypatch.chdir(tmp_path)
    with LoopbackServer() as running, ot.RegistryContext():
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        OpenAI(model="gpt-4o-mini", cache=ot.Cache("runs/cities")).register()
        yield running


class TestPrograms:
    def test_a_call_is_described_first_and_run_later(self, server):
        assert repr(e).startswith("generate_text('Q: What is")
        assert server.requests == []
        assert ot.run(e) == "You said: "  # it repeats the question, and is stopped at its first "Q:"
        assert server.requests[0].body["stop"] == ["Q:"]

    def test_two_calls_are_one_program_and_programs_run_at_once(self):
        expected = [mayor_of("France"), mayor_of("Spain")]
        assert ot.run(ot.parallel(mayor("France"), mayor("Spain"))) == expected

    def test_many_programs_have_bounds_and_keep_what_they_have(self):
        programs = (mayor(x) for x in COUNTRIES)
        kept = ot.run(ot.parallel(programs, max_concurrency=200, timeout=60, on_error="keep"))
        assert [(o.status, o.value) for o in kept] == [("ok", mayor_of(x)) for x in COUNTRIES]

    def test_five_samples_are_extended_by_five_more(self, server):
        five = ot.run(ot.parallel(*ot.repeat(e, 5)))
        asked = len(server.requests)
        ten = ot.run(ot.parallel(*ot.repeat(e, 10)))
        assert (ten[:5], asked, len(server.requests)) == (five, 5, 10)

    def test_a_trace_is_a_tree(self):
        text, trace = ot.run(e, enable_tracing=True)
        [call] = trace.children
        assert (call.output, call.cache, call.inputs["max_tokens"]) == (text, "made", 20)
        assert call.usage is not None
        assert call.duration is not None

    def test_a_stream_is_read_while_it_runs(self):
        with ot.stream(mayor("France")) as events:
            text = "".join(event.text for event in events if isinstance(event, ot.TextDelta))
        assert text.endswith(events.result)
        assert events.result == mayor_of("France")

    def test_a_stream_is_read_with_async_for_too(self):
        async def main():
            async with ot.stream(mayor("France"), only=ot.TextDelta) as events:
                return "".join([event.text async for event in events]), await events

        text, result = asyncio.run(main())
        assert text.endswith(result)

    def test_a_finished_run_replays_without_a_network(self, server):
        first = ot.run(mayor("France"))
        asked = len(server.requests)
        with ot.caching("runs/cities", mode="replay"):
            assert ot.run(mayor("France")) == first
            with pytest.raises(ReplayMiss):
                ot.run(mayor("Spain"))
        assert len(server.requests) == asked


class TestRegistries:
    def test_a_fake_is_a_function_in_a_block(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: prompt)
            assert ot.run(llm.generate_text("test")) == "test"
        assert ot.run(llm.generate_text("test")) == say("test")

    def test_a_fake_refuses_an_option_of_the_call_that_it_does_not_take(self):
        """The first sketch ran `e`, with its stop and max_tokens, on this function."""
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: prompt, temperature=0.0)
            assert (
                ot.run(llm.generate_text("test")) == "test"
            )  # a default it does not take is not handed to it
            with pytest.raises(UnsupportedOptionError, match=r"max_tokens=20.*does not take 'max_tokens'"):
                ot.run(e)

            def fake(prompt, temperature, stop=None, max_tokens=None):
                return f"{prompt} {temperature} {stop} {max_tokens}"

            llm.generate_text.configure(fake, temperature=0.0)
            assert ot.run(e).endswith("A: 0.0 ('Q:',) 20")

    def test_a_second_model_is_a_second_registry(self):
        with ot.RegistryContext():
            NGram(order=5).register()
            small = ot.copy_registry()
        assert ot.run(ot.with_registry(e, small)) == " Paris"
        assert ot.run(e) != " Paris"


class TestPrompts:
    def test_a_template_has_calls_in_it(self):
        template = c.j("""\
What is the southernmost city in France? {{ generate_text() }}
Who is its mayor? {{ generate_text() }}
""")
        first = "What is the southernmost city in France? "
        second = f"{first}{say(first)}\nWho is its mayor? "
        assert ot.run(template) == f"{second}{say(second)}\n"

    def test_plus_puts_texts_and_calls_in_a_row(self):
        chain = (
            "What is the southernmost city in France?"
            + c.generate_text()
            + "Who is its mayor?"
            + c.generate_text()
        )
        first = "What is the southernmost city in France?"
        second = f"{first}{say(first)}Who is its mayor?"
        assert ot.run(chain) == second + say(second)


CRITIC = "You are a music critic who writes short reviews of song lyrics"


class TestAFlow:
    @pytest.fixture
    def soundtrack(self):
        return ot.Flow(
            movie_title=ot.prompt("What is a good title of a movie about {{ topic }}?"),
            song_title=ot.prompt(
                "What is a good song title of a soundtrack for a movie called {{ movie_title }}?"
            ),
            main_characters=ot.prompt("What are two main characters for a movie called {{ movie_title }}?"),
            song_lyrics=ot.prompt(
                "Write lyrics of a movie song called {{ song_title }}."
                " The main characters are {{ main_characters }}"
            ),
            **{
                f"song_review_{i}": ot.prompt(
                    "What is your opinion on the following song: {{ song_lyrics }}", system=CRITIC
                )
                for i in range(5)
            },
        )

    def test_is_a_dict_of_every_step_by_name(self, soundtrack):
        result = ot.run(soundtrack(topic="friendship"))
        assert list(result) == list(soundtrack.steps)
        assert result["movie_title"] == say("What is a good title of a movie about friendship?")
        assert result["movie_title"] in result["song_title"]

    def test_is_drawn_before_anything_has_run(self, soundtrack, server):
        soundtrack.draw("soundtrack.html")
        with open("soundtrack.html", encoding="utf-8") as page:
            text = page.read()
        assert "main_characters" in text
        assert 'src="http' not in text
        assert server.requests == []


@dataclass(frozen=True)
class Start:
    sku: str


@dataclass(frozen=True)
class Online:
    sku: str


@dataclass(frozen=True)
class Offline:
    sku: str


@dataclass(frozen=True)
class Trend:
    sku: str


@dataclass(frozen=True)
class OnlineFeedback:
    mood: str


@dataclass(frozen=True)
class OfflineFeedback:
    mood: str


@dataclass(frozen=True)
class TrendFeedback:
    mood: str


@dataclass(frozen=True)
class Trade:
    mood: str


async def start(event: Start) -> list[Online | Offline | Trend]:
    return [Online(event.sku), Offline(event.sku), Trend(event.sku)]


async def online(event: Online) -> OnlineFeedback:
    await asyncio.sleep(3)
    return OnlineFeedback("Good")


async def offline(event: Offline) -> OfflineFeedback:
    await asyncio.sleep(1)
    return OfflineFeedback("Bad")


async def trend(event: Trend) -> TrendFeedback:
    await asyncio.sleep(2)
    return TrendFeedback("Good")


async def decide(a: OnlineFeedback, b: OfflineFeedback, t: TrendFeedback) -> Trade:
    return Trade(Counter([a.mood, b.mood, t.mood]).most_common(1)[0][0])


async def trade(event: Trade) -> ot.Stop:
    return ot.Stop(f"traded as it is {event.mood}")


class TestAWorkflow:
    def test_of_two_teams_talks_through_event_types(self):
        monitor = ot.Workflow(start, online, offline, trend, decide)
        station = ot.Workflow(trade)
        app = monitor | station
        clock = FakeClock()
        assert clock.run(app(Start("Apple"))) == "traded as it is Good"
        assert clock.time() == 3  # a list fans out, several parameters join

    def test_is_called_like_any_executable(self):
        app = ot.Workflow(start, online, offline, trend, decide) | ot.Workflow(trade)
        with pytest.raises(TimeoutError):
            FakeClock().run(app(Start("Apple")).timeout(2))
        assert (
            FakeClock().run(ot.parallel(app(Start("Apple")), app(Start("Pear"))))
            == ["traded as it is Good"] * 2
        )

    def test_has_steps_that_are_functions(self):
        decided = asyncio.run(decide(OnlineFeedback("Bad"), OfflineFeedback("Bad"), TrendFeedback("Good")))
        assert decided == Trade("Bad")


class TestAComparison:
    def test_pairs_its_arms_and_is_reported(self, server):
        with ot.RegistryContext():
            NGram(order=2).register()
            small = ot.copy_registry()
        arms: dict[str, Any] = {"bigram": small, "five-gram": NGram(order=5)}  # a registry, a backend
        capitals = [
            {"input": country, "target": capital}
            for country, capital in (
                *(("Chile", "Santiago"), ("Egypt", "Cairo"), ("France", "Paris"), ("Ghana", "Accra")),
                *(("Italy", "Rome"), ("Japan", "Tokyo"), ("Peru", "Lima"), ("Spain", "Madrid")),
            )
        ]

        @ot.make_executable
        async def answer(country):
            return (await llm.generate_text(f"Q: What is the capital of {country}?\nA:")).strip()

        result = ot.compare(
            arms,
            strategy=answer,
            examples=capitals,
            metrics={"exact": exact_match},
            samples=4,
        )
        [difference] = result.differences
        assert (difference.difference, difference.wins, difference.n) == (1.0, 8, 8)
        assert "five-gram" in result._repr_html_()
        result.report("report.html")
        with open("report.html", encoding="utf-8") as page:
            text = page.read()
        assert "five-gram" in text
        assert 'src="http' not in text
        assert server.requests == []

    def test_compares_prompts_as_it_compares_models(self):
        arms: dict[str, Any] = {
            "plain": (lambda x: llm.generate_text(x), NGram(order=5)),
            "loud": (str.upper, NGram(order=5)),
        }
        result = ot.compare(arms, examples=[{"input": "a", "target": "A"}], metrics={"exact": exact_match})
        assert result.means["exact"]["loud"].mean == 1.0
