"""Does a dry run show what would be asked, call nobody, and answer in types that programs can go on with?"""

import dataclasses
import enum
import typing

import pydantic
import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.smallest import smallest
from onetwo_like.errors import NotBoundError, TemplateError, UnsupportedOptionError
from onetwo_like.testing import Scripted


@dataclasses.dataclass
class City:
    name: str
    size: int
    kind: typing.Literal["port", "capital"]
    rivers: list[str] = dataclasses.field(default_factory=list)


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Pair(typing.NamedTuple):
    a: int
    b: str


class Row(typing.TypedDict):
    a: int
    b: typing.NotRequired[int]


class Model(pydantic.BaseModel):
    city: City
    optional: int | None = None


@pytest.fixture(autouse=True)
def model():
    with ot.RegistryContext():
        yield Scripted({}).register()


@ot.make_executable
async def mayor(country):
    city = await llm.generate_text(f"Southernmost city in {country}?", max_tokens=20)
    return await llm.generate_text(f"Mayor of {city}?")


def test_it_shows_the_requests_in_order_and_makes_none(model):
    plan = ot.run(ot.parallel(mayor("France"), *ot.repeat(llm.generate_text("Once"), 2)), dry_run=True)
    assert isinstance(plan, ot.Plan)
    asked = [(r.operation, r.arguments["prompt"], r.sample_path) for r in plan.requests]
    assert asked == [
        ("generate_text", "Southernmost city in France?", ()),
        ("generate_text", "Mayor of ?", ()),
        ("generate_text", "Once", (0,)),
        ("generate_text", "Once", (1,)),
    ]
    assert model.requests == []
    assert (plan.cached, plan.error) == (0, None)
    text = str(plan)
    assert text.startswith("4 requests, 0 in the cache; ")
    assert "[2] generate_text (sample 0)\n    prompt: Once" in text


@pytest.mark.parametrize(
    ("e", "value"),
    [
        (llm.generate_object("x", City), City("", 0, "port")),
        (llm.generate_object("x", list[int]), []),
        (llm.generate_object("x", bool), False),
        (llm.generate_object("x", Colour), Colour.RED),
        (llm.generate_object("x", Model), Model(city=City("", 0, "port"))),
        (llm.select("x", options=["first", "second"]), "first"),
        (llm.rank("x", options=["first", "second"]), ["first", "second"]),
        (llm.generate_texts("x", 3), ["", "", ""]),
        (llm.instruct("x"), ""),
        (llm.chat("x"), ""),
    ],
    ids=lambda value: getattr(getattr(value, "kind", None), "name", ""),
)
def test_the_stand_in_answers_with_the_smallest_value_also_of_what_is_derived(e, value):
    got: list[object] = []
    plan = ot.run(e.map(lambda value: got.append(value)), dry_run=True)
    assert got == [value]
    assert len(plan.requests) == (3 if e.kind.name == "generate_texts" else 1)
    assert plan.error is None


def test_what_is_bound_itself_answers_one_value_per_text():
    llm.embed.configure(lambda texts: 1 / 0)
    llm.score_text.configure(lambda prompt, targets: 1 / 0)
    got: list[object] = []
    ot.run(
        ot.parallel(llm.embed(["a", "b"]), llm.score_text("p", ["x", "y", "z"])).map(
            lambda value: got.append(value)
        ),
        dry_run=True,
    )
    assert got == [[[[], []], [0.0, 0.0, 0.0]]]


def test_a_program_that_fails_at_an_empty_answer_ends_early_and_says_so():
    plan = ot.run(llm.generate_text("6 x 7 =").map(int), dry_run=True)
    assert len(plan.requests) == 1
    assert isinstance(plan.error, ValueError)
    assert "ended early: ValueError: invalid literal" in str(plan)


@pytest.mark.parametrize(
    ("e", "error"),
    [
        (llm.embed(["a"]), NotBoundError),
        (llm.select("x", options=["a"]).map(lambda _: llm.tokenize("x")), NotBoundError),
    ],
)
def test_what_is_wrong_with_the_program_is_raised(e, error):
    with pytest.raises(error):
        ot.run(e, dry_run=True)


def test_an_option_that_cannot_be_honoured_is_raised():
    llm.generate_text.configure(lambda prompt: prompt)
    with pytest.raises(UnsupportedOptionError):
        ot.run(mayor("France"), dry_run=True)


def test_another_registry_and_a_cache_inside_the_program_are_stood_in_for_too(tmp_path):
    with ot.RegistryContext():
        other = Scripted({}).register()
        elsewhere = ot.with_current_registry(llm.generate_text("x"))

    @ot.make_executable
    async def inside():
        with ot.caching(tmp_path / "cache"), ot.Budget(calls=0):
            return await llm.generate_text("y"), await elsewhere

    assert len(ot.run(inside(), dry_run=True).requests) == 2
    assert other.requests == []


def test_it_spends_nothing_of_a_budget():
    with ot.Budget(calls=0) as budget:
        assert len(ot.run(mayor("France"), dry_run=True).requests) == 2
    assert budget.calls == 0


class TestCached:
    @pytest.fixture(autouse=True)
    def _recorded(self, model, tmp_path):
        self.model = Scripted({"Southernmost city in France?": "Menton", "Mayor of Menton?": "Y."}).register()
        with ot.caching(tmp_path / "cache"):
            ot.run(mayor("France"))
            yield

    def test_what_the_cache_answers_is_counted_and_goes_on_as_it_would(self):
        plan = ot.run(ot.parallel(mayor("France"), mayor("Spain")), dry_run=True)
        assert [r.arguments["prompt"] for r in plan.requests if "Mayor" in r.arguments["prompt"]] == [
            "Mayor of Menton?",
            "Mayor of ?",
        ]
        assert (len(plan.requests), plan.cached, len(self.model.requests)) == (4, 2, 2)

    def test_where_all_is_there_it_costs_nothing(self):
        plan = ot.run(mayor("France"), dry_run=True)
        assert (plan.cached, plan.tokens, plan.usd) == (2, 0, 0.0)

    def test_what_would_be_asked_anew_is_not_counted_and_not_asked(self, tmp_path):
        with ot.caching(tmp_path / "cache", mode="refresh"):
            plan = ot.run(mayor("France"), dry_run=True)
        assert (plan.cached, len(self.model.requests)) == (0, 2)
        assert ot.run(mayor("France")) == "Y."  # and the stand-in's answer was not kept


class TestEstimate:
    def test_tokens_are_by_length_with_the_bound_on_the_answer(self):
        plan = ot.run(llm.generate_text("x" * 400, max_tokens=20), dry_run=True)
        assert plan.tokens == 120

    def test_the_schemas_of_tools_and_types_are_sent_too(self):
        tool = ot.Tool(
            "now", "x" * 400, {"type": "object", "properties": {"zone": {"description": "y" * 400}}}
        )
        plain, with_tool = (ot.run(llm.chat("Hi", tools=t), dry_run=True).tokens for t in (None, [tool]))
        assert 200 <= with_tool - plain <= 220
        llm.generate_object.configure(lambda prompt, cls: cls)
        assert ot.run(llm.generate_object("Hi", City), dry_run=True).tokens > 30

    def test_the_cost_of_an_unknown_model_is_unknown(self):
        plan = ot.run(llm.generate_text("x", max_tokens=20), dry_run=True)
        assert plan.usd is None
        assert "cost unknown" in str(plan)

    def test_that_of_a_known_one_is_what_it_would_be_at_most(self):
        pytest.importorskip("genai_prices")
        llm.generate_text.configure(lambda prompt, max_tokens=None: prompt)
        registry = ot.copy_registry()
        binding = registry.bindings["generate_text"].but(fingerprint={"model": "gpt-4o-mini"})
        e = llm.generate_text("x" * 4000, max_tokens=100)
        with ot.RegistryContext(registry.replace({"generate_text": binding})):
            assert ot.run(e, dry_run=True).usd == pytest.approx(0.00021, rel=0.5)
            assert ot.run(llm.generate_text("x"), dry_run=True).usd is None  # the answer has no bound


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, ""),
        (int, 0),
        (float, 0.0),
        (bool, False),
        (dict[str, int], {}),
        (tuple[int, str], (0, "")),
        (tuple[int, ...], ()),
        (typing.Annotated[int, "positive"], 0),
        (int | str, 0),
        (str | None, None),
        (typing.Any, None),
        (Colour, Colour.RED),
        (Pair, Pair(0, "")),
        (Row, {"a": 0}),
    ],
    ids=repr,
)
def test_the_smallest_value_of_a_type(kind, value):
    assert smallest(kind) == value
    assert type(smallest(kind)) is type(value)


def test_a_field_that_accepts_nothing_small_is_left_as_it_is():
    class Strict(pydantic.BaseModel):
        name: typing.Annotated[str, pydantic.Field(min_length=3)]

    assert smallest(Strict).name == ""


def test_a_malformed_template_is_raised():
    from onetwo_like.builtins import composables as c

    with pytest.raises(TemplateError):
        ot.run(c.j("{{ missing }}"), dry_run=True)
