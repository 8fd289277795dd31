import threading
import typing

import pytest

from onetwo_like import ot
from onetwo_like.backends import Batched
from onetwo_like.builtins import llm
from onetwo_like.errors import UnsupportedOptionError, UsageError


class Model:
    """Shouts; notes the lists it was handed."""

    def __init__(self):
        self.asked = []
        self.threads = set()

    def __call__(self, prompts, *, max_tokens=None):
        self.asked.append((prompts, max_tokens))
        self.threads.add(threading.current_thread())
        return [prompt.upper()[:max_tokens] for prompt in prompts]


@pytest.fixture(autouse=True)
def scope():
    with ot.RegistryContext():
        yield


def test_calls_of_a_parallel_are_one_call_of_the_function():
    model = Model()
    Batched({"generate_text": model}, name="shouting").register()
    assert ot.run(ot.parallel(*map(llm.generate_text, "abc"))) == ["A", "B", "C"]
    assert model.asked == [(["a", "b", "c"], None)]


def test_calls_with_other_options_are_in_another_batch():
    model = Model()
    Batched({"generate_text": model}, name="shouting", max_tokens=9).register()
    e = ot.parallel(llm.generate_text("aa"), llm.generate_text("bb", max_tokens=1), llm.generate_text("cc"))
    assert ot.run(e) == ["AA", "B", "CC"]
    assert model.asked == [(["aa", "cc"], 9), (["bb"], 1)]


def test_options_that_python_calls_equal_are_in_other_batches():
    asked = []

    def model(prompts, *, extra=None):
        asked.append((prompts, repr(extra)))
        return prompts

    Batched({"generate_text": model}, name="m").register()
    ot.run(ot.parallel(*[llm.generate_text("a", extra={"x": x}) for x in (1, True, 1.0, 1)]))
    assert asked == [(["a", "a"], "{'x': 1}"), (["a"], "{'x': True}"), (["a"], "{'x': 1.0}")]


def test_types_that_cannot_be_hashed_share_a_batch_if_they_are_the_same():
    asked = []

    def model(prompts, cls):
        asked.append((prompts, cls))
        return [[] for _ in prompts]

    def cities():
        class City(typing.NamedTuple):
            name: str

        return list[typing.Annotated[City, {"unit": "city"}]]

    Batched({"generate_object": model}, name="m").register()
    one, other = cities(), cities()
    assert repr(one) == repr(other)
    ot.run(ot.parallel(*[llm.generate_object("a", cls) for cls in (one, other, one)]))
    assert asked == [(["a", "a"], one), (["a"], other)]


def test_an_option_that_the_function_does_not_take_is_refused():
    Batched({"generate_text": Model()}, name="shouting").register()
    with pytest.raises(UnsupportedOptionError, match="temperature"):
        ot.run(llm.generate_text("a", temperature=1.0))


def test_several_built_ins_may_be_served_async_and_with_replies():
    async def score(prompts, targets):
        return [ot.Reply([float(len(t)) for t in targets], finish_reason="stop") for _ in prompts]

    Batched({"score_text": score, "generate_text": Model()}, name="both").register()
    assert ot.run(llm.score_text("a", ["b", "cc"])) == [1.0, 2.0]
    assert ot.run(llm.generate_text("a")) == "A"


def test_an_exception_in_the_list_is_raised_where_it_was_asked_for():
    Batched(
        {"generate_text": lambda prompts: [KeyError(p) if p == "b" else p for p in prompts]}, name="m"
    ).register()
    outcomes = ot.run(ot.parallel(*map(llm.generate_text, "abc"), on_error="keep"))
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, KeyError)


def test_in_a_thread_it_does_not_hold_up_the_loop():
    model = Model()
    here = []
    Batched({"generate_text": model}, name="shouting", thread=True).register()

    @ot.make_executable
    async def where():
        here.append(threading.current_thread())

    ot.run(ot.parallel(llm.generate_text("a"), where()))
    assert not model.threads & set(here)


def test_its_name_is_the_key_under_which_it_is_cached(tmp_path):
    models = [Model(), Model()]
    with ot.Cache(tmp_path / "cache") as cache:
        for name in ("one", "two", "one"):
            model = models[name == "two"]
            Batched({"generate_text": model}, name=name, cache=cache).register()
            assert ot.run(llm.generate_text("a")) == "A"
    assert [len(model.asked) for model in models] == [1, 1]


@pytest.mark.parametrize(
    ("functions", "options"),
    [
        ({"shout": len}, {"name": "m"}),
        ({"generate_text": 7}, {"name": "m"}),
        ({"generate_text": len}, {"name": ""}),
        ({"generate_text": lambda: ["a"]}, {"name": "m"}),
        ({"generate_text": lambda p: p}, {"name": "m", "max_size": 0}),
    ],
)
def test_what_cannot_work_is_refused_at_once(functions, options):
    with pytest.raises(UsageError):
        Batched(functions, **options)
