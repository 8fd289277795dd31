"""Does `make_executable` take every kind of function, keep its signature, and run it where it should?"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
import time
import warnings
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest

from onetwo_like import ot
from onetwo_like.core.executable import Executable
from onetwo_like.errors import NestedRunError, ProgramError, UsageError
from onetwo_like.testing import FakeClock
from tests.core import held_without_future
from tests.core.probe import Probe

if TYPE_CHECKING:
    from decimal import Decimal as Unknown

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def plain(x, *, y=2):
    """A plain function."""
    return (x, y)


async def awaiting(x, *, y=2):
    return (x, y)


async def generating(x, *, y=2):
    yield "first"
    yield (x, y)


class Object:
    """With methods of every kind."""

    def __init__(self, name="object"):
        self.name = name

    def __call__(self, x, *, y=2):
        return (x, y)

    @ot.make_executable
    def method(self, x: int) -> tuple[str, int]:
        """A method."""
        return self.name, x

    @ot.make_executable()
    async def async_method(self, x):
        return self.name, x

    @ot.make_executable
    async def streamed(self, x):
        yield self.name
        yield x

    @classmethod
    @ot.make_executable
    def of_class(cls, x):
        return cls.__name__, x

    @staticmethod
    @ot.make_executable
    def static(x):
        return x

    @property
    @ot.make_executable
    def prop(self):
        return self.name


class AsyncObject:
    async def __call__(self, x, *, y=2):
        return (x, y)


class StreamingObject:
    async def __call__(self, x, *, y=2):
        yield "first"
        yield (x, y)


class TestKinds:
    @pytest.mark.parametrize(
        "function",
        [
            plain,
            awaiting,
            generating,
            lambda x, *, y=2: (x, y),
            lambda x, *, y=2: awaiting(x, y=y),
            Object(),
            AsyncObject(),
            StreamingObject(),
            Object().__call__,
            functools.partial(plain, y=2),
            functools.partial(awaiting, y=2),
            functools.partial(generating, y=2),
            functools.partial(StreamingObject(), y=2),
            ot.make_executable(plain),
        ],
    )
    def test_any_function_will_do(self, function):
        made = ot.make_executable(function)
        assert ot.run(made(1)) == (1, 2)
        assert ot.run(made(1, y=3)) == (1, 3)
        assert ot.run(made(ot.make_executable(lambda: 1)(), y=3)) == (1, 3)

    def test_with_parentheses_and_without(self):
        assert ot.run(ot.make_executable()(plain)(1)) == ot.run(ot.make_executable(plain)(1)) == (1, 2)

    def test_a_class_makes_its_instances(self):
        assert ot.run(ot.make_executable(Object)("x")).name == "x"

    def test_a_function_written_in_c(self):
        assert ot.run(ot.make_executable(max)(1, 3, 2)) == 3
        assert ot.run(ot.make_executable(len)("abc")) == 3

    def test_methods_of_every_kind(self):
        thing = Object("thing")
        assert ot.run(thing.method(1)) == ("thing", 1)
        assert ot.run(Object.method(thing, x=1)) == ("thing", 1)
        assert ot.run(thing.async_method(1)) == ("thing", 1)
        assert ot.run(thing.streamed(1)) == 1
        assert ot.run(Object.of_class(1)) == ot.run(thing.of_class(1)) == ("Object", 1)
        assert ot.run(Object.static(1)) == ot.run(thing.static(1)) == 1
        assert ot.run(thing.prop) == "thing"

    @pytest.mark.parametrize("wrap", [staticmethod, classmethod, property])
    def test_the_wrong_order_of_decorators_is_refused_with_the_right_one(self, wrap):
        with pytest.raises(UsageError, match=rf"write @{wrap.__name__} above @ot\.make_executable"):
            ot.make_executable(wrap(plain))

    @pytest.mark.parametrize("wrong", [5, "text", ["a"], ot.make_executable(plain)(1)])
    def test_what_is_no_function_is_refused(self, wrong):
        with pytest.raises(TypeError, match="make_executable takes a function"):
            ot.make_executable(wrong)
        with pytest.raises(UsageError):
            ot.make_executable()(wrong)

    def test_a_name_of_its_own(self):
        made = ot.make_executable(name="step")(plain)
        assert (made.__name__, repr(made(1))) == ("step", "step(1)")
        with pytest.raises(UsageError, match="name as a text, not 5"):
            ot.make_executable(name=5)(plain)  # type: ignore[call-overload]

    def test_a_partial_function_and_an_object_have_names(self):
        assert repr(ot.make_executable(functools.partial(plain, y=2))(1)) == "plain(1)"
        assert repr(ot.make_executable(Object())(1)) == "Object(1)"


class TestSignature:
    def test_it_is_kept_with_the_documentation_and_the_function(self):
        made = ot.make_executable(plain)
        assert inspect.signature(made) == inspect.signature(plain)
        assert (made.__name__, made.__doc__, made.__module__) == ("plain", "A plain function.", __name__)
        assert made.__wrapped__ is plain
        assert repr(made) == "<executable function plain(x, *, y=2)>"

    def test_that_of_a_method_is_without_self(self):
        assert list(inspect.signature(Object().method).parameters) == ["x"]
        assert list(inspect.signature(Object.of_class).parameters) == ["x"]
        assert Object.method.__doc__ == "A method."

    def test_a_wrong_argument_is_a_type_error_where_the_call_is_written(self):
        ran = []
        made = ot.make_executable(name="step")(lambda x, *, y=2: ran.append(x))
        for call, words in [
            (lambda: made(), "missing 1 required positional argument: 'x'"),
            (lambda: made(1, 2), "takes 1 positional argument but 2 were given"),
            (lambda: made(1, z=3), "unexpected keyword argument 'z'"),
            (lambda: made(1, x=1), "multiple values for argument 'x'"),
        ]:
            with pytest.raises(TypeError, match=rf"step\(\) .*{words}\. The call is step\(x, \*, y=2\)"):
                call()
        assert issubclass(UsageError, ProgramError)
        assert ran == []

    def test_every_kind_of_parameter_is_passed_on(self):
        @ot.make_executable
        def f(a, /, b, *args, c, d=4, **kwargs):
            return a, b, args, c, d, kwargs

        assert ot.run(f(1, 2, 3, c=5, e=6, a=7)) == (1, 2, (3,), 5, 4, {"e": 6, "a": 7})
        give = ot.make_executable(lambda x: x)
        e = f(give(1), give(2), give(3), c=give(5), e=give(6))
        assert ot.run(e) == (1, 2, (3,), 5, 4, {"e": 6})


@ot.make_executable
def give(x):
    return x


class TestHeld:
    """A parameter annotated `ot.Executable` receives its executable as it is."""

    def test_by_position_by_name_in_args_and_in_kwargs(self):
        @ot.make_executable
        def kinds(a: ot.Executable, b, *more: ot.Executable[int], c: Executable, d, **rest: ot.Executable):
            return [isinstance(x, Executable) for x in (a, b, *more, c, d, *rest.values())]

        e = kinds(give(1), give(2), give(3), give(4), c=give(5), d=give(6), x=give(7))
        assert ot.run(e) == [True, False, True, True, True, False, True]

    @pytest.mark.parametrize(
        "annotation",
        [
            ot.Executable,
            ot.Executable[int],
            Optional[ot.Executable],  # noqa: UP045
            ot.Executable | None,
            ot.Executable[int] | list[int],
            None | ot.Executable[int],
            Annotated[ot.Executable, "a note"],
            "ot.Executable",
            "Executable[int]",
            "Optional[ot.Executable]",
            "ot.Executable[int] | None",
        ],
    )
    def test_however_it_is_written(self, annotation):
        def holds(e):
            return isinstance(e, Executable)

        holds.__annotations__["e"] = annotation
        assert ot.run(ot.make_executable(holds)(give(1))) is True

    @pytest.mark.parametrize(
        "annotation", [int, Any, None, "int", list[ot.Executable], "list[ot.Executable]"]
    )
    def test_no_other_annotation_holds(self, annotation):
        def holds(e):
            return isinstance(e, Executable)

        holds.__annotations__["e"] = annotation
        assert ot.run(ot.make_executable(holds)(give(1))) is False

    def test_beside_an_annotation_that_does_not_exist_at_run_time(self):
        @ot.make_executable
        def holds(e: ot.Executable, other: Unknown | None = None):
            return isinstance(e, Executable)

        assert ot.run(holds(give(1))) is True

    def test_in_a_module_without_the_future_import(self):
        assert ot.run(held_without_future.holds(give(1), give(2))) == (True, False)

    def test_in_a_method_a_callable_object_and_a_generator(self):
        class Holder:
            @ot.make_executable
            async def method(self, e: ot.Executable):
                return isinstance(e, Executable)

            @ot.make_executable
            async def streamed(self, e: ot.Executable):
                yield isinstance(e, Executable)

            def __call__(self, e: ot.Executable):
                return isinstance(e, Executable)

        holder = Holder()
        e = ot.parallel(holder.method(give(1)), holder.streamed(give(1)), ot.make_executable(holder)(give(1)))
        assert ot.run(e) == [True, True, True]

    def test_a_plain_value_passes_as_it_is(self):
        @ot.make_executable
        def holds(e: ot.Executable | int = 5):
            return e

        assert ot.run(ot.parallel(holds(), holds(6), holds(give(7)))) == [5, 6, 7]

    def test_a_combinator_decides_when_and_how_often_it_runs(self):
        @ot.make_executable
        async def until(e: ot.Executable[int], limit: int):
            values: list[int] = []
            for attempt in ot.repeat(e):
                if len(values) == limit:
                    break
                values.append(await attempt)
            return values

        probe = Probe("x", go=True)
        assert ot.run(until(probe(), 3)) == ["x"] * 3
        assert probe.calls == 3


class TestResult:
    def test_an_executable_that_is_returned_is_executed(self):
        for function in (lambda: give(give(1)), asyncio_returning, streaming_returning):
            assert ot.run(ot.make_executable(function)()) == 1

    def test_a_list_of_executables_is_a_list(self):
        e = give(1)
        assert ot.run(ot.make_executable(lambda: [e])()) == [e]

    def test_any_value_comes_back_as_it_is(self):
        for value in (None, 0, "", [], {}, ValueError("a value"), object(), int):
            assert ot.run(ot.make_executable(lambda value=value: value)()) == value

    def test_its_error_is_raised_as_the_same_object(self):
        for function in (raising, raising_async, raising_stream):
            error = KeyError("x")
            with pytest.raises(KeyError) as raised:
                ot.run(ot.make_executable(function)(error))
            assert raised.value is error

    @pytest.mark.parametrize("thread", [False, True])
    def test_a_stop_iteration_is_an_error_and_not_an_end(self, thread):
        e: ot.Executable[Any] = ot.make_executable(thread=thread)(lambda: next(iter(())))()
        with pytest.raises(RuntimeError, match="raised StopIteration") as raised:
            ot.run(e.timeout(30))
        assert isinstance(raised.value.__cause__, StopIteration)


async def asyncio_returning():
    return give(give(1))


async def streaming_returning() -> AsyncIterator[Any]:
    yield give(2)
    yield give(1)


def raising(error):
    raise error


async def raising_async(error):
    raise error


async def raising_stream(error):
    yield 1
    raise error


class TestGenerators:
    def test_each_yield_is_an_update_and_the_last_is_the_value(self):
        @ot.make_executable
        async def count(n):
            for i in range(n):
                yield i

        events: list[Any] = []
        assert ot.run(count(3), on_event=events.append) == 2
        assert [(e.value, e.span) for e in events if isinstance(e, ot.Update)] == [
            (0, "count"),
            (1, "count"),
            (2, "count"),
        ]

    def test_one_that_yields_nothing_has_no_value(self):
        @ot.make_executable
        async def nothing():
            for x in "":
                yield x

        assert ot.run(nothing()) is None

    def test_it_is_closed_before_a_cancellation_goes_on(self):
        async def main():
            probe, closed = Probe(), []

            @ot.make_executable
            async def generate():
                try:
                    yield 1
                    await probe()
                    yield 2
                finally:
                    await asyncio.sleep(5)
                    closed.append(probe.running)

            with pytest.raises(TimeoutError):
                await generate().timeout(1)
            return closed

        assert FakeClock().run(main()) == [0]


class TestThreads:
    def test_a_plain_function_runs_inline(self):
        here = ot.make_executable(threading.get_ident)
        assert ot.run(ot.parallel(here(), here())) == [ot.run(here())] * 2

    def test_with_thread_it_runs_elsewhere_and_others_go_on(self):
        async def main():
            probe, released = Probe(), threading.Event()

            @ot.make_executable(thread=True)
            def wait():
                assert released.wait(30)
                return threading.get_ident()

            running = asyncio.ensure_future(ot.parallel(wait(), probe()))
            await probe.begun.wait()
            probe.go.set()
            released.set()
            return (await running)[0] != threading.get_ident()

        assert asyncio.run(main())

    def test_as_many_run_at_once_as_other_items_of_a_batch(self):
        together = threading.Barrier(50)

        @ot.make_executable(thread=True)
        def meet():
            return together.wait(30)

        assert sorted(ot.run(ot.parallel(*[meet() for _ in range(50)]))) == list(range(50))

    def test_what_is_in_scope_is_visible_there(self):
        @ot.make_executable(thread=True)
        def look():
            ot.emit("from the thread")
            return variable.get(), ot.copy_registry()

        variable.set("set")
        events: list[Any] = []
        with ot.RegistryContext():
            registry = ot.copy_registry()
            assert ot.run(look(), on_event=events.append) == ("set", registry)
        assert "from the thread" in events

    def test_what_is_in_scope_is_visible_in_every_body(self):
        @ot.make_executable
        async def look():
            return variable.get()

        variable.set("of the caller")
        assert ot.run(ot.parallel(look(), look().timeout(5), give(look()))) == ["of the caller"] * 3

    def test_run_inside_it_is_a_nested_run(self):
        @ot.make_executable(thread=True)
        def nested():
            return ot.run(give(1))

        with pytest.raises(NestedRunError, match="await e"):
            ot.run(nested())

    @pytest.mark.parametrize(
        "function", [awaiting, generating, AsyncObject(), functools.partial(awaiting, y=1)]
    )
    def test_what_is_async_cannot_be_moved_to_one(self, function):
        with pytest.raises(UsageError, match="thread=True is for plain functions"):
            ot.make_executable(thread=True)(function)

    def test_an_executable_that_it_returns_is_executed(self):
        assert ot.run(ot.make_executable(thread=True)(lambda: give(1))()) == 1


class TestHolding:
    def test_a_plain_function_that_holds_a_loop_of_the_users_is_named(self):
        @ot.make_executable
        def slow():
            time.sleep(0.26)

        async def main():
            await slow()

        with pytest.warns(
            RuntimeWarning, match=r"slow, a plain function, held the event loop for 0\.\d+ s.*thread=True"
        ):
            asyncio.run(main())

    def test_one_that_does_not_is_not(self):
        async def main():
            await give(1)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            asyncio.run(main())
