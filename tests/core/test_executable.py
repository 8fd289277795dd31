"""Is an executable a value: immutable, shown as written, and never taken for what it computes?"""

import asyncio
import copy
import gc
import html
import io
import json
import sys

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.executable import require_executable
from onetwo_like.errors import UsageError


@ot.make_executable
async def give(value, **named):
    return value


E = give("value")


class TestItIsNoValue:
    @pytest.mark.parametrize(
        "use",
        [
            lambda e: f"{e}",
            lambda e: f"{e:>10}",
            lambda e: f"{e!s}",
            lambda e: "{}".format(e),  # noqa: UP032
            lambda e: "%s" % e,  # noqa: UP031
            lambda e: "%d" % e,  # noqa: UP031
            lambda e: str(e),
            lambda e: bool(e),
            lambda e: not e,
            lambda e: e and 1,
            lambda e: 1 if e else 2,
            lambda e: e == "value",
            lambda e: e != "value",
            lambda e: "value" == e,  # noqa: SIM300
            lambda e: e in ["a", "b"],
            lambda e: "a" + e,
            lambda e: e + "a",
            lambda e: "".join([e]),
            lambda e: sum([e, e]),
            lambda e: e < "value",
            lambda e: e[0],
            lambda e: list(e),
            lambda e: len(e),
            lambda e: int(e),
            lambda e: float(e),
            lambda e: json.dumps(e),
            lambda e: print(e, file=io.StringIO()),
            lambda e: [1, 2, 3][e],
            lambda e: {**e},
            lambda e: e.upper(),
            lambda e: e(),
        ],
    )
    @pytest.mark.parametrize("e", [E, llm.generate_text("?"), ot.parallel(E), E.timeout(1)], ids=repr)
    def test_using_it_as_one_is_an_error(self, use, e):
        with pytest.raises((TypeError, AttributeError)):
            use(e)

    @pytest.mark.parametrize(
        ("use", "words"),
        [
            (lambda e: f"{e}", "put into an f-string"),
            (lambda e: f"{e:10}", "put into an f-string"),
            (lambda e: "The mayor of " + e, r"joined to 'The mayor of ' by \+"),
            (lambda e: e + " is mayor", r"joined to ' is mayor' by \+"),
            (lambda e: f"{e!s}", "turned into text"),
            (lambda e: bool(e), "used as a condition"),
            (lambda e: e == "value", "compared with 'value'"),
        ],
    )
    def test_the_error_says_what_to_do(self, use, words):
        with pytest.raises(
            UsageError, match=rf"give\(\.\.\.\) has not run yet.*{words}.*`await` it.*ot\.run"
        ):
            use(E)

    def test_it_equals_itself_only_and_can_be_a_key(self):
        other = give("value")
        for same in (E, copy.copy(E)):
            assert same == E
        for different in (other, None):
            assert different != E
        assert {E: 1, other: 2}[E] == 1
        assert E in [other, E]


class TestItIsImmutable:
    @pytest.mark.parametrize("name", ["args", "kwargs", "kind", "edges", "anything"])
    def test_nothing_can_be_set_or_deleted(self, name):
        with pytest.raises(AttributeError, match=f"does not change.*{name}"):
            setattr(E, name, None)
        with pytest.raises(AttributeError, match="does not change"):
            delattr(E, name)

    def test_a_copy_is_itself(self):
        assert copy.copy(E) is E
        assert copy.deepcopy([E, {"e": E}]) == [E, {"e": E}]

    def test_it_runs_again_and_at_once_with_the_same_result(self):
        async def main():
            return await asyncio.gather(*[give(i % 3) for i in range(30)], *[awaited(E) for _ in range(30)])

        assert ot.run(E) == ot.run(E) == "value"
        assert asyncio.run(main()) == [i % 3 for i in range(30)] + ["value"] * 30

    def test_arguments_changed_after_the_call_do_not_change_it(self):
        listed, named, nested = [1], {"a": [1]}, ([1],)
        e = give((listed, nested), named=named)
        shown = repr(e)
        listed.append(2)
        nested[0].append(2)
        named["a"].append(2)
        assert ot.run(e) == ([1], ([1],))
        assert repr(e) == shown

    def test_a_body_that_changes_its_arguments_does_not_change_it(self):
        @ot.make_executable
        def consume(items, *more, named):
            got = [items.pop(), more[0].pop("k"), named.pop()]
            items.clear()
            return got

        e = consume([1, 2], {"k": 3}, named=[4])
        assert ot.run(e) == ot.run(e) == [2, 3, 4]
        assert ot.run(ot.parallel(*ot.repeat(e, 3))) == [[2, 3, 4]] * 3

    def test_a_mutable_default_is_as_new_in_each_run(self):
        @ot.make_executable
        def collect(items=[]):  # noqa: B006
            items.append(1)
            return items

        assert ot.run(ot.parallel(collect(), collect())) == [[1], [1]]
        assert ot.run(collect()) == [1]

    def test_a_value_that_two_bodies_get_is_each_ones_own(self):
        @ot.make_executable
        def grow(items):
            items.append(1)
            return items

        @ot.make_executable
        def empty():
            return []

        shared = empty()
        assert ot.run(ot.parallel(grow(shared), grow(shared))) == [[1], [1]]


async def awaited(e):
    return await e


class TestHowItIsShown:
    def test_its_repr_is_the_call_as_written(self):
        assert repr(give("a", x=1)) == "give('a', x=1)"
        assert repr(give(give("a"), x=give(1))) == "give(give(...), x=give(...))"
        assert repr(give([1, 2], x={"a": 1})) == "give([1, 2], x={'a': 1})"

    def test_its_repr_leaves_out_what_was_not_written(self):
        @ot.make_executable
        def f(a, b=2, *, c=None, d=[]):  # noqa: B006
            return a

        assert [repr(f(1)), repr(f(1, b=3)), repr(f(1, c=3))] == ["f(1)", "f(1, 3)", "f(1, c=3)"]
        assert repr(f(1, 3, c=3, d=[4])) == "f(1, 3, c=3, d=[4])"

        @ot.make_executable
        def g(a=1, b=2, /, c=3, *more, **rest):
            return a

        assert [repr(g()), repr(g(1, 5)), repr(g(c=5))] == ["g()", "g(b=5)", "g(c=5)"]
        assert repr(g(1, 2, 3, 4, x=5)) == "g(1, 2, 3, 4, x=5)"

    def test_its_repr_is_shortened_in_the_middle(self):
        assert repr(give("a" * 50 + "b" * 500 + "c" * 50)) == f"give('{'a' * 39}...{'c' * 15}')"
        assert len(repr(give(*["x"], **{f"n{i}": "x" * 1000 for i in range(3)}))) < 300

    def test_methods_are_shown_as_they_were_called(self):
        assert repr(E.timeout(5)) == "give(...).timeout(5.0)"
        assert repr(E.retry(3).named("n")) == "retry(...).named('n')"
        assert repr(E.fallback("x")) == "give(...).fallback('x')"
        assert repr(E.fallback(E)) == "give(...).fallback(give(...))"
        assert repr(E.map(str.upper)) == "upper(give(...))"
        assert repr(ot.repeat(E, 2)[1]) == "repeat(give(...))[1]"
        assert repr(ot.repeat(E)) == "repeat(give('value'))"

    def test_a_notebook_shows_the_graph_and_does_not_run_it(self):
        ran = []
        body = ot.make_executable(name="body")(lambda *args: ran.append(1))
        shared = body("<script>alert(1)</script>")
        page = ot.parallel(body(shared, E.timeout(5)), shared)._repr_html_()
        text = html.unescape(page)
        assert "<script>" not in page
        for shown in (
            "parallel(body(...), body(...))",
            "give(...).timeout(5.0)",
            "body (see line 3)",
            "has not run",
        ):
            assert shown in text
        assert ran == []

    def test_a_large_graph_is_shown_in_part(self):
        page = ot.parallel(*[give(i) for i in range(1_000)])._repr_html_()
        assert "... and 801 more" in page


class TestRequire:
    @pytest.mark.parametrize("wrong", ["text", None, [E], give, llm.generate_text, awaited])
    def test_what_is_no_executable_is_refused_with_its_type(self, wrong):
        with pytest.raises(
            TypeError, match=f"here takes an Executable, such as .*not {type(wrong).__name__}"
        ):
            require_executable(wrong, "here")

    def test_run_and_stream_refuse_it_where_it_is_written(self):
        with pytest.raises(UsageError, match=r"ot\.run takes an Executable.*not str: 'text'"):
            ot.run("text")  # type: ignore[call-overload]
        with pytest.raises(UsageError, match=r"ot\.stream takes"):
            ot.stream("text")  # type: ignore[arg-type]


def test_a_pending_one_is_small():
    async def body(x): ...

    function = ot.make_executable(body)
    gc.collect()
    e = function(1)
    assert sum(map(sys.getsizeof, (e, e.args))) <= 300
