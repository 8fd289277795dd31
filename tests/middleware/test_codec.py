"""Do values survive the cache exactly, and does data never choose what runs?"""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pickle
import struct
import sys
import typing
import uuid
import zoneinfo
from collections import OrderedDict, namedtuple

import numpy as np
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onetwo_like.core.content import Chunk, ChunkList, Message, Reasoning, ToolCall, ToolResult
from onetwo_like.core.frozen import FrozenDict
from onetwo_like.errors import CacheError, UnstorableError
from onetwo_like.middleware.codec import decode, encode
from onetwo_like.middleware.known_types import KnownTypes


class Size(enum.Enum):
    SMALL = 1
    LARGE = "large"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Mayor:
    name: str
    since: dt.date | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class City:
    name: str
    size: Size
    mayor: Mayor | None = None
    tags: tuple[str, ...] = ()


class Point(typing.NamedTuple):
    x: float
    y: float


Pair = namedtuple("Pair", "left right")


class Country(typing.TypedDict):
    capital: City


class Shop(pydantic.BaseModel):
    name: str
    access: Access = Access.READ
    mayor: Mayor | None = None
    _visits: int = pydantic.PrivateAttr(default=0)


class Bag(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    what: int = 0


@dataclasses.dataclass
class Tree:
    children: "list[Tree]"


def bits(value):
    """The value in a form in which 1, 1.0 and True differ, as do nan and -nan, and orders of dicts."""
    if isinstance(value, float):
        return "float", struct.pack(">d", value)
    if isinstance(value, dict):
        return type(value), [(bits(k), bits(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [bits(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, map(bits, value)))
    if isinstance(value, dt.datetime | dt.time):
        return type(value), repr(value), value.fold, repr(value.tzinfo)
    if isinstance(value, decimal.Decimal):
        return type(value), repr(value)
    return type(value), value


def assert_survives(value, *types):
    known = KnownTypes(*types)
    data = encode(value, known)
    assert bits(decode(data, known)) == bits(value)
    assert encode(decode(data, known), known) == data
    data.decode()  # every entry is text that can be shown


nan_with_payload = st.integers(1, 2**51 - 1).map(
    lambda n: struct.unpack(">d", struct.pack(">Q", 0xFFF8 << 48 | n))[0]
)
zones = st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=1, seconds=1)), zoneinfo.ZoneInfo("Europe/Paris"),
                         dt.timezone(dt.timedelta(hours=2), "CEST"), zoneinfo.ZoneInfo("UTC")])  # fmt: skip
texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["$tuple", "$", "\ud83d\ude00", '"$a']
)
hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | nan_with_payload | texts | st.binary()
    | st.integers(-(10**700), 10**700) | st.dates() | st.timedeltas() | st.uuids() | st.decimals(allow_nan=False)
    | st.datetimes(timezones=zones) | st.times() | st.sampled_from([*Size, *Level, *Access, Access.READ | Access.WRITE])
    | st.builds(Point, st.floats(), st.floats(allow_nan=False)) | st.builds(City, texts, st.sampled_from(Size)),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
values = st.recursive(
    hashable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hashable | texts, inner, max_size=4)
    | st.sets(hashable, max_size=4) | st.tuples(inner),
    max_leaves=10,
)  # fmt: skip


@given(values)
@example([1, 1.0, True, 0, 0.0, -0.0, False, None])
@example({1: "int", "1": "str", None: 0, (1, 2): [3], 1.5: 2, False: 3})
@example({"$tuple": [1]})
@example({"a": {"$dict": []}})
@example([math.nan, math.inf, -math.inf, 5e-324, 1e308])
@example("half a pair: \ud800")
@example({"\udc00": "\ud800\udc00"})
@example(10**5000)
@example("")
@example(dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")))
def test_every_value_survives_exactly(value):
    assert_survives(value, Size, Access, Level, Point, City)


@pytest.mark.parametrize(
    "value",
    [
        City("Nice", Size.LARGE, Mayor("C. E.", dt.date(2008, 3, 21)), ("sea",)),
        [Point(1, 2.0)],
        {"capital": City("Paris", Size.LARGE)},
        Pair(1, (2,)),
        Shop(name="Chez Zoé", mayor=Mayor("A")),
        Bag.model_validate({"what": 1, "$odd": {2: "more"}}),
        Tree([Tree([]), Tree([Tree([])])]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_typed_values_are_restored_from_the_types_given(value):
    known = KnownTypes(City, list[Point], Country, Pair, Shop, Bag | None, Tree)
    assert decode(encode(value, known), known) == value


def test_a_model_keeps_its_private_attributes_and_which_fields_were_set():
    shop = Shop(name="a")
    shop._visits = 3
    back = decode(encode(shop), KnownTypes(Shop))
    assert (back._visits, back.model_fields_set) == (3, {"name"})


def test_restoring_runs_no_code_of_the_class():
    @dataclasses.dataclass
    class Counted:
        n: int

        def __post_init__(self) -> None:
            self.n += 1

    assert decode(encode(Counted(1)), KnownTypes(Counted)).n == 2


def test_content_needs_no_types():
    image = Chunk(b"\x89PNG", "image/png", metadata={"alt": ["x"]})
    call, thought = ToolCall("now", {"zones": ["CET"]}, "a"), Reasoning("Hm", {"signature": "x"})
    content = ChunkList(["a ", image, call, ToolResult("now", ChunkList([image]), "a"), thought])
    message = Message("user", content)
    back = decode(encode([content, message]))
    assert back == [content, message]
    assert type(back[0].chunks[1].metadata) is FrozenDict
    assert back[0].chunks[1].metadata == {"alt": ("x",)}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="<f4").reshape(2, 3),
        np.asfortranarray(np.ones((2, 3))),
        np.array(2.5),
        np.array([], dtype=">i2"),
        np.array(["a", "b\0"]),
        np.array([("x", 1)], dtype=[("name", "U3"), ("n", "i4")]),
        np.array(["2024-01-01"], dtype="datetime64[D]"),
    ],
)
def test_arrays_survive_exactly(array):
    back = decode(encode([array]))[0]
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape, back.flags.f_contiguous) == (
        array.dtype,
        array.shape,
        array.flags.f_contiguous,
    )
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "scalar",
    [np.float64(0.1), np.float32(-0.0), np.int8(-1), np.bool_(True), np.str_("a\ud800"), np.bytes_(b"a\0")],
)
def test_numpy_scalars_keep_their_type(scalar):
    back = decode(encode(scalar))
    assert type(back) is type(scalar)
    assert back.tobytes() == scalar.tobytes()


def test_equal_sets_give_equal_bytes():
    one, other = set([0, 8]), set([8, 0])  # noqa: C405  (literals would be folded)
    assert list(one) != list(other)
    assert encode(one) == encode(other)


class Custom:
    pass


class Str(str):
    pass


class Failure(Exception):
    pass


@dataclasses.dataclass
class Holder(list):
    field: int = 0


@pytest.mark.parametrize(
    ("value", "place", "named"),
    [
        (Custom(), "value", "test_codec.Custom"),
        ([1, {"a": (0, Custom())}], "value[1]['a'][1]", "test_codec.Custom"),
        (City("x", Size.SMALL, Mayor(Custom())), "value.mayor.name", "test_codec.Custom"),  # type: ignore[arg-type]
        ({Failure(): 1}, "value, key Failure()", "test_codec.Failure"),
        (Str("text"), "value", "test_codec.Str"),
        (OrderedDict(), "value", "collections.OrderedDict"),
        (Holder(), "value", "test_codec.Holder"),
        (lambda: 1, "value", "function"),
        (Custom, "value", "type"),
        (np.array([Custom()]), "value", "numpy.ndarray"),
        (bytearray(b"x"), "value", "bytearray"),
        (Shop.model_construct(), "value", "Shop"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_place(value, place, named):
    with pytest.raises(UnstorableError) as caught:
        encode(value)
    assert f"{place} " in str(caught.value)
    assert named in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_a_value_that_contains_itself_is_an_error():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(UnstorableError, match="contains itself"):
        encode(loop)


def test_what_was_stored_from_a_shallow_stack_is_read_from_it():
    deep: list[object] = []
    for _ in range(199):
        deep = [deep]
    assert decode(encode(deep)) == deep


def test_a_class_that_the_operation_does_not_name_is_refused_when_stored():
    with pytest.raises(UnstorableError, match=r"value\[0\].*annotate"):
        encode([Mayor("a")], KnownTypes(str))


def test_a_class_that_the_operation_does_not_name_is_refused_when_read():
    with pytest.raises(CacheError, match=r"Mayor.*no class of that name.*Point.* Size"):
        decode(encode([Mayor("a")]), KnownTypes(Size | list[Point]))
    with pytest.raises(CacheError, match=r"Mayor.*no class of that name"):
        decode(encode([Mayor("a")]))


def test_a_class_named_in_data_is_never_imported():
    name = "this_module_is_never_imported_by_anything"
    planted = json.dumps({"$dataclass": "Popen", "module": "antigravity", "fields": {"args": "true"}})
    assert name not in sys.modules
    with pytest.raises(CacheError, match=r"antigravity.Popen"):
        decode(b"j" + planted.encode())
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "data",
    [b"", b"x", pickle.dumps("a"), b"t\xff", b"j{", b'j{"$tuple": 1}', b'j{"$bytes": "?"}', b'j{"$date": "x"}',
     b'j{"$unheard": 1}', b'j{"$enum": "Size"}', b'j{"$enum": "Size", "module": "m", "name": "HUGE"}',
     b'j{"$dataclass": "Size", "module": "m", "fields": {}}', b'j{"$set": [[]]}', b'j{"$decimal": "x"}',
     b'j{"$datetime": "2024-01-01", "zone": "../x"}', b'j{"$ndarray": "gAROLg=="}', b"j" + b"[" * 100_000],
)  # fmt: skip
def test_damaged_bytes_are_a_cache_error(data):
    with pytest.raises(CacheError):
        decode(data, KnownTypes(Size))


def test_a_planted_pickle_in_an_array_never_runs(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    planted = json.dumps({"$ndarray": __import__("base64").b64encode(pickle.dumps(Bomb())).decode()})
    with pytest.raises(CacheError):
        decode(b"j" + planted.encode())
    assert not (tmp_path / "ran").exists()


def test_a_class_that_has_changed_since_is_an_error_that_names_both_shapes():
    old = encode(Mayor("a")).replace(b'"since"', b'"from"')
    with pytest.raises(CacheError, match=r"name, since.*name, from.*refresh"):
        decode(old, KnownTypes(Mayor))


def test_a_class_is_found_again_when_its_module_has_moved():
    moved = encode(Size.SMALL).replace(__name__.encode(), b"__main__")
    assert b"__main__" in moved
    assert decode(moved, KnownTypes(Size)) is Size.SMALL


def test_namesakes_are_told_apart_by_their_module():
    class Other(enum.Enum):
        SMALL = 1

    Other.__qualname__, Other.__module__ = "Size", "another"
    known = KnownTypes(Size, Other)
    assert decode(encode(Other.SMALL), known) is Other.SMALL
    assert decode(encode(Size.SMALL), known) is Size.SMALL
    with pytest.raises(CacheError):
        decode(encode(Size.SMALL).replace(__name__.encode(), b"a_third"), known)


def test_types_are_found_through_every_kind_of_annotation():
    T = typing.TypeVar("T", bound=Mayor)
    Id = typing.NewType("Id", Pair)

    @dataclasses.dataclass
    class Local:
        missing: "Nowhere"  # type: ignore[name-defined]  # noqa: F821
        itself: "Local | None" = None
        size: "Size | None" = None

    known = KnownTypes(
        typing.Union[dict[str, typing.Annotated[list[Local], "why"]], None],  # noqa: UP007
        typing.Literal[Level.LOW],
        T,
        Id,
    )
    assert {Local, Size, Level, Mayor, Pair} <= set(known)
    assert City not in known


def test_plain_text_and_json_are_what_a_person_reads():
    assert encode("Nice – über") == "tNice – über".encode()
    assert encode({"city": ["Nice", 1, 2.5, None]}) == b'j{"city":["Nice",1,2.5,null]}'
    assert encode(City("Nice", Size.SMALL)).decode() == (
        f'j{{"$dataclass":"City","module":"{__name__}","fields":{{"name":"Nice",'
        f'"size":{{"$enum":"Size","module":"{__name__}","name":"SMALL"}},"mayor":null,"tags":{{"$tuple":[]}}}}}}'
    )


def test_an_odd_value_between_plain_ones_changes_nothing_else():
    plain = [uuid.UUID(int=5), decimal.Decimal("1.10"), "a", {"b": (1, 2)}]
    assert decode(encode([*plain, math.inf])) == [*plain, math.inf]
