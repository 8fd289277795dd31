"""Is one request always kept under one key, and another never under the same?

`golden_keys.json` pins the keys of known requests with their documents. A change that alters one of them makes
every cache out there miss: do not write the file anew, but raise `key.VERSION` first, and then run
`python -m tests.middleware.test_key --write`.
"""

import dataclasses
import enum
import json
import math
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from onetwo_like import ot
from onetwo_like.backends import NGram, OpenAI, Scripted
from onetwo_like.builtins import llm
from onetwo_like.core.operation import operations
from onetwo_like.core.registry import Binding, scope_in_force
from onetwo_like.core.request import Request
from onetwo_like.errors import UnstorableError
from onetwo_like.middleware.key import VERSION, Keying, key_of

GOLDEN = Path(__file__).with_name("golden_keys.json")

PNG = b"\x89PNG and so on"
# Keys that are no str are none of ours to refuse.
METADATA: Any = {"id": 7, "tags": ["a", None, True], 1: b"x"}
NOW = ot.Tool("now", "The time of day.", {"type": "object", "properties": {"zone": {"type": "string"}}})
CALL = ot.ToolCall("now", {"zone": "CET"}, "a")
SAID = [
    ot.Message("system", "Be brief."), ot.Message("user", "Hello?"), ot.Message("model", "Yes?"),
    ot.Message("user", "Who is there?"),
]  # fmt: skip


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclasses.dataclass
class City:
    name: str
    inhabitants: int | None = None


def sampled(e, *path):
    for index in path:
        e = ot.repeat(e, index + 1)[index]
    return e


def openai(**options):
    return OpenAI(model="gpt-4o-mini", api_key="sk-planted", **options)


CALLS = {
    # name: (the call, and what it is bound to if not the usual backend)
    "a plain prompt": (lambda: llm.generate_text("The capital of France?"), None),
    "every option": (
        lambda: llm.generate_text(
            "Hi", temperature=0.7, max_tokens=20, stop=["Q:", "\n"], top_k=40, top_p=0.95, seed=3
        ),
        None,
    ),
    "temperature 0 as an int": (lambda: llm.generate_text("Hi", temperature=0), None),
    "one stop as a str": (lambda: llm.generate_text("Hi", stop="Q:"), None),
    "no stop": (lambda: llm.generate_text("Hi", stop=[]), None),
    "an empty prompt": (lambda: llm.generate_text(""), None),
    "characters beyond ASCII": (lambda: llm.generate_text('São Paulo, 東京, 🏙, \u2028\x7f\x00"\\'), None),
    "half of a surrogate pair": (lambda: llm.generate_text("\ud83c"), None),
    "an image in the prompt": (
        lambda: llm.generate_text(["What is this?", ot.Chunk(PNG, "image/png")]),
        None,
    ),
    "roles in the prompt": (
        lambda: llm.generate_text([ot.Chunk("Be brief.", role="system"), ot.Chunk("Hi")]),
        None,
    ),
    "metadata": (
        lambda: llm.generate_text([ot.Chunk("Hi", metadata=METADATA)]),
        None,
    ),
    "a sample": (lambda: sampled(llm.generate_text("Hi"), 2), None),
    "a sample of a sample": (lambda: sampled(llm.generate_text("Hi"), 2, 0), None),
    "several texts": (lambda: llm.generate_texts("Hi", 3, temperature=1), None),
    "content": (lambda: llm.generate_content("Draw a city"), None),
    "a conversation": (lambda: llm.chat(SAID, max_tokens=5), None),
    "a conversation of one": (lambda: llm.chat("Who is there?"), None),
    "an instruction": (lambda: llm.instruct("Name a city."), None),
    "an int": (lambda: llm.generate_object("How many?", int), None),
    "a list of str, with repairs": (lambda: llm.generate_object("Which?", list[str], max_repairs=2), None),
    "a literal": (lambda: llm.generate_object("Which?", Literal["yes", "no"]), None),
    "an enumeration": (lambda: llm.generate_object("Which?", Size), None),
    "a dataclass": (lambda: llm.generate_object("Which?", City), None),
    "a selection": (lambda: llm.select("Yes or no?", ["yes", "no"]), None),
    "a ranking": (lambda: llm.rank("Which first?", ["b", "a"]), None),
    "scores": (lambda: llm.score_text("2 + 2 =", [" 4", " 5"]), None),
    "embeddings": (lambda: llm.embed(["one", "two"]), None),
    "tokens": (lambda: llm.tokenize("one two"), None),
    "text of tokens": (lambda: llm.detokenize([1, 2, 3]), None),
    "a count": (lambda: llm.count_tokens("one two"), None),
    "tools, and how much to think": (
        lambda: llm.chat("Hi", tools=[NOW], tool_choice="now", reasoning="low", extra={"a": [1]}),
        None,
    ),
    "a call of a tool, its result and reasoning": (
        lambda: llm.chat(ot.ChunkList([CALL, ot.ToolResult("now", "noon", "a"), ot.Reasoning("Hm")])),
        None,
    ),
    "a default of the backend": (
        lambda: llm.generate_text("Hi"),
        lambda: Scripted([], name="golden", temperature=0.5),
    ),
    "a function with a fingerprint": (lambda: llm.generate_text("Hi"), "yes-man"),
    "the embedded model": (
        lambda: llm.generate_text("Hi", seed=1),
        lambda: NGram(2, "Nice is a city. Nice is by the sea."),
    ),
    "a provider's model": (lambda: llm.generate_text("Hi"), openai),
    "a server of one's own": (lambda: llm.chat("Hi"), lambda: openai(base_url="http://127.0.0.1:8000/v1")),
    "a server with a name": (
        lambda: llm.chat("Hi"),
        lambda: openai(base_url="http://127.0.0.1:8000/v1", name="lab"),
    ),
}


class _Noting:
    """A cache that notes the key documents, and answers nothing."""

    def __init__(self):
        self.documents = []

    def handler_for(self, binding):
        keying = Keying(binding)

        async def noted(request):
            self.documents.append(keying.document(request))
            return ot.Reply(None)

        return noted


def document_of(e, bound=None):
    """The key document of the one call that the executable makes."""
    noting = _Noting()
    with ot.RegistryContext():
        if isinstance(bound, str):
            llm.generate_text.configure(lambda prompt: "", fingerprint=bound)
        else:
            (Scripted([], operations=operations(), name="golden") if bound is None else bound()).register()
        scope = scope_in_force.get()
        token = scope_in_force.set(scope.but(cache=noting))
        try:
            ot.run(e)
        finally:
            scope_in_force.reset(token)
    [document] = noting.documents
    return document


def golden(name):
    call, bound = CALLS[name]
    document = document_of(call(), bound)
    return {"key": key_of(document), "document": json.loads(document)}


@pytest.mark.parametrize("name", CALLS)
def test_the_key_of_a_known_request_is_what_it_was(name):
    pinned = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert pinned["version"] == VERSION, "the version was raised: write the file anew, see above"
    found = golden(name)
    assert pinned["requests"][name] == found, "keys have changed: raise key.VERSION, see above"


def test_nothing_is_pinned_that_is_not_asked():
    assert json.loads(GOLDEN.read_text(encoding="utf-8"))["requests"].keys() == CALLS.keys()


def test_no_two_requests_share_a_key_but_those_that_are_spelt_differently():
    names_of: dict[str, list[str]] = {}
    for name in CALLS:
        names_of.setdefault(golden(name)["key"], []).append(name)
    assert [names for names in names_of.values() if len(names) > 1] == []


def test_the_document_is_json_of_one_spelling():
    for name in CALLS:
        document = document_of(CALLS[name][0](), CALLS[name][1])
        again = json.dumps(json.loads(document), ensure_ascii=False, separators=(",", ":"))
        assert document == again
        assert "\n" not in document


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: llm.generate_text("Hi", temperature=0), lambda: llm.generate_text("Hi", temperature=0.0)),
        (lambda: llm.generate_text("Hi", temperature=-0.0), lambda: llm.generate_text("Hi", temperature=0.0)),
        (lambda: llm.generate_text("Hi", stop="Q:"), lambda: llm.generate_text("Hi", stop=["Q:"])),
        (lambda: llm.generate_text("Hi"), lambda: llm.generate_text(["H", ot.Chunk("i")])),
        (lambda: llm.chat("Hi"), lambda: llm.chat([ot.Message("user", "Hi")])),
        (lambda: llm.generate_text("Hi", top_p=None), lambda: llm.generate_text("Hi")),
    ],
)
def test_one_request_in_two_spellings_has_one_key(one, other):
    assert document_of(one()) == document_of(other())


def test_a_default_that_is_passed_and_one_that_is_resolved_are_one_request():
    resolved = document_of(llm.generate_text("Hi"), lambda: Scripted([], name="golden", temperature=0.5))
    assert resolved == document_of(llm.generate_text("Hi", temperature=0.5))


@pytest.mark.parametrize(
    "changed",
    [
        [ot.Message("system", "Be long."), *SAID[1:]],
        SAID[1:],
        [ot.Message("user", "Be brief."), *SAID[1:]],
        [ot.Message("user", "Be brief.\nHello?"), *SAID[2:]],
    ],
)
def test_the_system_message_is_part_of_the_key(changed):
    assert document_of(llm.chat(SAID)) != document_of(llm.chat(changed))


def test_two_images_that_differ_in_a_byte_have_two_keys():
    one, other = (
        document_of(llm.generate_text(["What?", ot.Chunk(data, "image/png")]))
        for data in (PNG, PNG[:-1] + b"!")
    )
    assert one != other
    assert "PNG and" not in one  # bytes stand there by their hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({1: "a"}, {"1": "a"}),
        ({"a": 1}, {"a": True}),
        ({"a": b"x"}, {"a": "x"}),
        ({"a": {1, 2}}, {"a": [1, 2]}),
    ],
)
def test_metadata_of_other_types_has_another_key(one, other):
    documents = [document_of(llm.generate_text([ot.Chunk("Hi", metadata=each)])) for each in (one, other)]
    assert documents[0] != documents[1]


def test_the_order_of_a_mapping_or_a_set_does_not_matter():
    def of(metadata):
        return document_of(llm.generate_text([ot.Chunk("Hi", metadata=metadata)]))

    assert of({"a": 1, "b": {"x", "y", "z"}}) == of({"b": {"z", "y", "x"}, "a": 1})
    assert of({2: "b", "a": 1, 10: "c"}) == of({10: "c", "a": 1, 2: "b"})


def test_two_servers_have_two_keys():
    first, second = (
        document_of(llm.chat("Hi"), lambda port=port: openai(base_url=f"http://server-{port}/v1"))
        for port in "ab"
    )
    assert first != second


def test_a_server_with_a_name_has_the_same_key_on_any_port():
    first, second = (
        document_of(
            llm.chat("Hi"), lambda port=port: openai(base_url=f"http://127.0.0.1:{port}/v1", name="lab")
        )
        for port in (8000, 8001)
    )
    assert first == second


def test_no_secret_is_part_of_a_key():
    for name in CALLS:
        assert "sk-planted" not in json.dumps(golden(name))


def keyed(metadata):
    operation = operations()["generate_text"]
    values = (ot.ChunkList([ot.Chunk("Hi", metadata=metadata)]),) + (None,) * (len(operation.parameters) - 1)
    return Keying(Binding(None, fingerprint={"provider": "test"})).document(Request(operation, values))


def test_what_cannot_stand_in_a_key_says_which_type_it_is():
    with pytest.raises(UnstorableError, match="a object in metadata cannot be part of a cache key"):
        keyed({"a": object()})
    with pytest.raises(UnstorableError, match="nan"):
        keyed({"a": math.nan})


def test_an_object_may_say_what_it_is_in_a_key():
    class Tagged:
        def __cache_key__(self):
            return {"tag": 1}

    assert '"metadata":{"a":{"tag":1}}' in keyed({"a": Tagged()})


def write():
    """Writes the pinned keys anew."""
    requests = {name: golden(name) for name in CALLS}
    text = json.dumps({"version": VERSION, "requests": requests}, indent=1, ensure_ascii=True)
    GOLDEN.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    write()
