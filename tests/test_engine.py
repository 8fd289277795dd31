"""Does the engine of docs/engine.md lose nothing but what failed, and take no longer than its slowest reply?"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.testing import FakeClock
from tests.test_docs import blocks

PAGE = Path(__file__).parents[1] / "docs" / "engine.md"


@pytest.fixture
def engine():
    """The names of the page's first block."""
    names: dict[str, Any] = {}
    exec(next(blocks(PAGE.read_text(encoding="utf-8"))).text, names)
    with ot.RegistryContext():
        yield names


def run(engine, reply, timeout=60):
    """The facts from 40 chunks, and how long that took. `reply(i)` is (seconds, text)."""

    async def model(prompt):
        seconds, text = reply(int(prompt.rsplit(" ", 1)[1]))
        await asyncio.sleep(seconds)
        return text

    llm.generate_text.configure(model)
    clock = FakeClock()

    async def timed():
        began = clock.time()
        facts = await engine["document_facts"]("rugs", [f"chunk {i}" for i in range(40)], timeout)
        return facts, clock.time() - began

    return clock.run(timed())


def chatter(*facts):
    return f"Sure!\n```json\n{json.dumps({'documentFacts': facts})}\n```\nAnything else?"


def test_facts_come_in_the_order_of_the_chunks_after_the_slowest_reply(engine):
    facts, took = run(engine, lambda i: (4.25 - i / 10, chatter(f"{i}a", f"{i}b")))
    assert facts == [f"{i}{x}" for i in range(40) for x in "ab"]
    assert took == pytest.approx(4.25)


def test_at_the_deadline_what_has_come_is_there(engine):
    facts, took = run(engine, lambda i: (1e9 if i % 2 else 1, chatter(i)), timeout=10)
    assert facts == list(range(0, 40, 2))
    assert took == pytest.approx(10)


def test_a_chunk_without_facts_is_skipped_and_a_fact_with_that_word_is_kept(engine):
    facts, _ = run(engine, lambda i: (0, chatter("NONE of the rugs") if i == 1 else "NONE"))
    assert facts == ["NONE of the rugs"]


@pytest.mark.parametrize(
    "bad", ["", "no JSON", '{"documentFacts": ["x"', '{"other": 1}', "}{", '{"documentFacts": 3}']
)
def test_a_reply_that_cannot_be_read_loses_only_itself(engine, bad):
    facts, _ = run(engine, lambda i: (0, bad if i == 7 else chatter(i)))
    assert facts == [i for i in range(40) if i != 7]
