"""What does a user see who makes a mistake? Every case that was promised, in one place, through the public names."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from onetwo_like import errors, ot
from onetwo_like.builtins import composables as c
from onetwo_like.builtins import llm
from onetwo_like.testing import Scripted


@pytest.fixture(autouse=True)
def _own_registry():
    with ot.RegistryContext():
        yield


def test_no_backend_says_what_would_serve() -> None:
    with pytest.raises(errors.NotBoundError, match=r"generate_text.*register\(\)"):
        ot.run(llm.generate_text("hello"))


def test_an_unknown_option_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="temprature"):
        llm.generate_text("hello", temprature=0.5)  # type: ignore[call-overload]


def test_an_option_that_the_handler_cannot_honour_is_refused_before_any_call() -> None:
    asked: list[str] = []

    def recording(prompt: str) -> str:
        asked.append(prompt)
        return prompt

    llm.generate_text.configure(recording)
    with pytest.raises(errors.UnsupportedOptionError, match="max_tokens"):
        ot.run(llm.generate_text("hello", max_tokens=3))
    assert asked == []


def test_text_cannot_be_run() -> None:
    with pytest.raises(TypeError, match=r"Executable.*str: 'text'"):
        ot.run("text")  # type: ignore[call-overload]


def test_a_list_given_to_parallel_is_told_to_be_unpacked() -> None:
    with pytest.raises(TypeError, match=r"\*list"):
        ot.parallel([llm.generate_text("hello")])


def test_parallel_names_the_argument_that_is_no_executable() -> None:
    with pytest.raises(TypeError, match="argument 2 is str: 'x'"):
        ot.parallel(llm.generate_text("hello"), "x")  # type: ignore[call-overload]


def test_nothing_unexecuted_gets_into_a_prompt_or_a_condition() -> None:
    e = llm.generate_text("hello")
    with pytest.raises(errors.UsageError, match="f-string"):
        _ = f"Who is {e}?"
    with pytest.raises(errors.UsageError, match="condition"):
        bool(e)
    with pytest.raises(errors.UsageError, match="has not run"):
        llm.generate_text(["Who is ", e])  # type: ignore[list-item]


def test_run_inside_an_executable_says_to_await() -> None:
    @ot.make_executable
    async def nested() -> str:
        return ot.run(llm.generate_text("hello"))

    with pytest.raises(errors.NestedRunError, match="await e"):
        ot.run(nested())


def test_an_undefined_variable_of_a_template_is_named() -> None:
    with pytest.raises(errors.TemplateError, match="'country' is undefined"):
        ot.run(c.j("Capital of {{ country }}?"))


def test_an_unclosed_tag_is_an_error_when_the_template_is_made_with_its_line() -> None:
    with pytest.raises(errors.TemplateError, match="line 2"):
        c.j("fine\n{% for x in y %}")


def test_a_failing_call_in_a_loop_of_a_template_raises_that_error() -> None:
    failure = errors.OverloadedError("busy")
    Scripted(["one", failure]).register()
    with pytest.raises(errors.OverloadedError) as raised:
        ot.run(c.j("{% for x in [1, 2, 3] %}{{ generate_text() }}{% endfor %}"))
    assert raised.value is failure


def test_a_reply_that_is_not_json_is_a_parse_error_that_carries_it() -> None:
    Scripted(["no idea", "still none"]).register()
    with pytest.raises(errors.ParseError) as raised:
        ot.run(llm.generate_object("How many?", dict[str, int]))
    assert raised.value.reply == "still none"


def test_a_folder_that_is_no_cache_is_left_as_it_is(tmp_path: pathlib.Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(errors.CacheError, match=r"holds|not a cache|no cache"):
        ot.Cache(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_cache_from_a_newer_version_says_to_upgrade(tmp_path: pathlib.Path) -> None:
    ot.Cache(tmp_path / "runs").close()
    marker = tmp_path / "runs" / "onetwo-cache.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 99}))
    with pytest.raises(errors.CacheError, match=r"99.*[Uu]pgrade"):
        ot.Cache(tmp_path / "runs")


def test_a_cache_that_is_not_there_cannot_be_replayed_and_is_not_made(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.CacheError), ot.caching(tmp_path / "runs", mode="replay"):
        pass
    assert not (tmp_path / "runs").exists()


INTERRUPTED = """
import asyncio, signal, sys, threading
from onetwo_like import ot
from onetwo_like.builtins import llm

answered = 0

async def model(prompt):
    global answered
    if int(prompt) >= 300:
        await asyncio.sleep(60)
    answered += 1
    return prompt

llm.generate_text.configure(model, fingerprint="model")

@ot.make_executable
async def call(i):
    text = await llm.generate_text(str(i))
    if i == 299:
        print("answered", flush=True)
    return text

with ot.caching(sys.argv[1]):
    ot.run(ot.parallel(call(i) for i in range(1000)))
"""


def test_an_interrupt_in_the_middle_of_1000_calls_ends_at_once_and_what_was_answered_replays(
    tmp_path: pathlib.Path,
) -> None:
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "runs")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "answered\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    took = time.monotonic() - began
    assert stderr.strip().endswith("KeyboardInterrupt")
    assert took < 5  # it returns within 0.5 s; the rest is the end of an interpreter on a busy machine
    llm.generate_text.configure(lambda prompt: prompt, fingerprint="model")
    with ot.caching(tmp_path / "runs", mode="replay") as cache:
        assert ot.run(ot.parallel(llm.generate_text(str(i)) for i in range(300))) == [
            str(i) for i in range(300)
        ]
    assert cache.report().hits == 300
