"""Is a function called with the arguments it likes, and never with less than was asked?"""

import asyncio
import functools
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.core.adapt import adapt
from onetwo_like.core.operation import Operation
from onetwo_like.errors import MalformedReplyError, UsageError


def ask(prompt, options, *, temperature=None, stop=None):
    """Two required arguments, two options."""


OPERATION: Operation[..., Any] = Operation(ask)


def answer(function, prompt="p", options="o", temperature=None, stop=None):
    """(the reply, names of the parameters that the function does not take)."""
    handler, refused = adapt(OPERATION, function)
    reply = asyncio.run(call(handler, ot.Request(OPERATION, (prompt, options, temperature, stop), (2,))))
    return reply, [OPERATION.parameters[i] for i in refused]


async def call(handler, request):
    return await handler(request)


class Callable:
    """An object with a method of every kind."""

    def __call__(self, prompt, options):
        return ("called", prompt, options)

    async def method(self, prompt, options):
        return ("awaited", prompt, options)


class AsyncCallable:
    async def __call__(self, prompt, options):
        return ("awaited", prompt, options)


class StreamingCallable:
    async def __call__(self, prompt, options):
        yield prompt
        yield options


async def awaited(prompt, options):
    return ("awaited", prompt, options)


async def streamed(prompt, options):
    yield prompt
    yield options


class TestWhatItIsCalledWith:
    @pytest.mark.parametrize(
        ("function", "value", "refused"),
        [
            (lambda prompt, options: (prompt, options), ("p", "o"), ["temperature", "stop"]),
            (lambda a, b: (a, b), ("p", "o"), ["temperature", "stop"]),
            (lambda options, prompt: (options, prompt), ("o", "p"), ["temperature", "stop"]),
            (lambda request: request.values, ("p", "o", 0.5, None), []),
            (lambda *args: args, ("p", "o"), ["temperature", "stop"]),
            (lambda **kwargs: kwargs, {"prompt": "p", "options": "o", "temperature": 0.5}, []),
            (lambda a, **kwargs: (a, kwargs), ("p", {"options": "o", "temperature": 0.5}), []),
            (lambda *args, **kwargs: (args, kwargs), (("p", "o"), {"temperature": 0.5}), []),
            (lambda prompt, options, temperature: temperature, 0.5, ["stop"]),
            (lambda prompt, options, temperature=9, stop="x": (temperature, stop), (0.5, "x"), []),
            (lambda prompt, options, /, temperature=9: (prompt, temperature), ("p", 0.5), ["stop"]),
            (lambda a, b, unrelated=3: (a, b, unrelated), ("p", "o", 3), ["temperature", "stop"]),
        ],
    )
    def test_it_takes_what_it_names(self, function, value, refused):
        assert answer(function, temperature=0.5) == (ot.Reply(value), refused)

    def test_an_option_that_nobody_gave_is_not_passed_to_who_has_a_default(self):
        assert answer(lambda prompt, options, temperature="own": temperature)[0].value == "own"

    def test_an_option_that_is_required_by_the_function_is_passed_as_none(self):
        assert answer(lambda prompt, options, temperature: temperature)[0].value is None

    def test_it_may_ask_for_the_request(self):
        reply, refused = answer(lambda prompt, options, request: request)
        assert reply.value == ot.Request(OPERATION, ("p", "o", None, None), (2,))
        assert refused == ["temperature", "stop"]

    @pytest.mark.parametrize(
        ("function", "missing"),
        [
            (lambda prompt: 0, "options"),
            (lambda options: 0, "prompt"),
            (lambda: 0, "prompt and options"),
            (functools.partial(awaited, "x"), "prompt"),
        ],
    )
    def test_a_function_that_ignores_what_every_call_passes_is_refused_when_it_is_bound(
        self, function, missing
    ):
        with pytest.raises(UsageError, match=f"ask passes {missing}, which"):
            adapt(OPERATION, function)

    def test_an_argument_that_the_operation_lacks_is_refused_when_it_is_bound(self):
        with pytest.raises(
            UsageError, match=r"ask has no argument 'country'.*prompt, options, temperature, stop"
        ):
            adapt(OPERATION, lambda prompt, options, *, country: country)

    def test_a_function_written_in_c_takes_what_is_required(self):
        assert answer(max)[0].value == "p"


class TestWhatItMayBe:
    @pytest.mark.parametrize(
        ("function", "value"),
        [
            (awaited, ("awaited", "p", "o")),
            (functools.partial(awaited, options="x"), ("awaited", "p", "o")),
            (lambda prompt, options: awaited(prompt, options), ("awaited", "p", "o")),
            (Callable(), ("called", "p", "o")),
            (Callable().method, ("awaited", "p", "o")),
            (AsyncCallable(), ("awaited", "p", "o")),
            (StreamingCallable(), "po"),
            (streamed, "po"),
            (functools.partial(streamed, options="x"), "po"),
            (ot.make_executable(awaited), ("awaited", "p", "o")),
            (lambda prompt, options: ot.make_executable(awaited)(prompt, "x"), ("awaited", "p", "x")),
        ],
    )
    def test_any_kind_of_function(self, function, value):
        assert answer(function)[0].value == value

    def test_a_plain_generator_is_refused_when_it_is_bound_and_never_an_answer(self):
        def plain_pieces(prompt, options):
            yield "p"

        for function in (plain_pieces, functools.partial(plain_pieces, options="x")):
            with pytest.raises(UsageError, match=r"plain generator .*\. Write `async def`"):
                adapt(OPERATION, function)
        with pytest.raises(UsageError, match="cannot be answered by the plain generator"):
            answer(lambda prompt, options: plain_pieces(prompt, options))

    def test_a_reply_passes_as_it_is(self):
        reply = ot.Reply("x", usage=ot.Usage(1, 2), finish_reason="stop")
        assert answer(lambda prompt, options: reply)[0] is reply

    def test_its_error_is_raised_as_it_is(self):
        error = KeyError("x")

        async def broken(prompt, options):
            raise error

        with pytest.raises(KeyError) as raised:
            answer(broken)
        assert raised.value is error


class TestStreaming:
    def test_the_pieces_are_joined_kept_and_timed(self):
        reply = answer(streamed)[0]
        assert (reply.value, reply.chunks) == ("po", ("p", "o"))
        assert reply.duration_s is not None

    def test_a_reply_at_the_end_says_more_about_them(self):
        async def with_usage(prompt, options):
            yield "a"
            yield "b"
            yield ot.Reply(None, usage=ot.Usage(1, 2))

        reply = answer(with_usage)[0]
        assert (reply.value, reply.chunks, reply.usage) == ("ab", ("a", "b"), ot.Usage(1, 2))

    def test_a_reply_at_the_end_may_have_a_value_of_its_own(self):
        async def corrected(prompt, options):
            yield "a"
            yield ot.Reply("A")

        assert answer(corrected)[0].value == "A"

    def test_no_pieces_are_an_empty_text(self):
        async def silent(prompt, options):
            for piece in "":
                yield piece

        assert answer(silent)[0].value == ""

    @pytest.mark.parametrize("wrong", [5, None, b"bytes", ["a"]])
    def test_a_piece_that_is_no_text_is_refused(self, wrong):
        async def broken(prompt, options):
            yield "a"
            yield wrong

        with pytest.raises(MalformedReplyError, match="yields strings"):
            answer(broken)

    def test_nothing_may_follow_the_reply(self):
        async def broken(prompt, options):
            yield ot.Reply("x")
            yield "a"

        with pytest.raises(MalformedReplyError):
            answer(broken)

    def test_the_generator_is_closed_when_its_pieces_are_refused(self):
        closed = []

        async def broken(prompt, options):
            try:
                yield 5
            finally:
                closed.append(True)

        async def main():
            handler, _ = adapt(OPERATION, broken)
            with pytest.raises(MalformedReplyError):
                await handler(ot.Request(OPERATION, ("p", "o", None, None)))
            return closed == [True]

        assert asyncio.run(main())
