"""What is said to Gemini, in the words of its REST API."""

import base64
import enum
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends.chat_model import Asked, Output
from onetwo_like.backends.gemini_wire import as_json, wire_body, wire_conversation
from onetwo_like.builtins.tools import Tool
from onetwo_like.errors import InvalidRequestError, UsageError

PNG = b"\x89PNG..."


def parts_of(*pieces: Any, role: Any = "user") -> Any:
    """What a message of these pieces consists of."""
    [content] = wire_conversation([ot.Message(role, ot.ChunkList(pieces))])["contents"]
    assert content["role"] == role
    return content["parts"]


def body_of(n=1, output=None, tools=(), tool_choice=None, path=(), **options):
    asked = Asked((ot.Message("user", "Hi"),), options, n, output, tools, tool_choice)
    body = wire_body(asked, path, lambda tool: {"name": tool.name})
    assert body.pop("contents") == [{"role": "user", "parts": [{"text": "Hi"}]}]
    return body


# Conversations


def test_a_conversation_keeps_its_roles_and_the_system_has_a_field_of_its_own():
    conversation = [
        ot.Message("system", "Be brief."),
        ot.Message("system", "Be kind."),
        ot.Message("user", "Hi"),
        ot.Message("model", "Hi."),
        ot.Message("user", ot.ChunkList(["How ", ot.Chunk(PNG, "image/png")])),
    ]
    assert wire_conversation(conversation) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hi."}]},
            {
                "role": "user",
                "parts": [{"text": "How "}, {"inlineData": {"mimeType": "image/png", "data": PNG}}],
            },
        ],
    }


def test_a_system_message_in_the_middle_is_refused_and_not_moved():
    with pytest.raises(InvalidRequestError, match=r"at the beginning only.*Be brief"):
        wire_conversation([ot.Message("user", "Hi"), ot.Message("system", "Be brief.")])


def test_a_conversation_without_a_message_of_the_users_is_refused():
    with pytest.raises(InvalidRequestError, match="none"):
        wire_conversation([ot.Message("system", "Be brief.")])


@pytest.mark.parametrize(
    "mime", ["image/png", "audio/wav", "video/mp4", "application/pdf", "text/csv"], ids=str
)
def test_files_go_by_their_bytes(mime):
    [part] = parts_of(ot.Chunk(PNG, mime))
    assert part == {"inlineData": {"mimeType": mime, "data": PNG}}
    assert as_json(part)["inlineData"]["data"] == base64.b64encode(PNG).decode()


@pytest.mark.parametrize("address", ["https://example.org/a.jpg", "gs://bucket/a.jpg"])
def test_files_go_by_their_address(address):
    assert parts_of(ot.Chunk(address, "image/jpeg")) == [
        {"fileData": {"mimeType": "image/jpeg", "fileUri": address}}
    ]


def test_a_data_url_goes_by_its_bytes():
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert parts_of(ot.Chunk(url, "image/png")) == [{"inlineData": {"mimeType": "image/png", "data": PNG}}]


@pytest.mark.parametrize(
    ("role", "chunk", "named"),
    [
        ("user", ot.Chunk(b"...", "application/zip"), "application/zip"),
        ("user", ot.Chunk("a picture of a cat", "image/png"), "by bytes, by https:// or by gs://"),
        ("user", ot.Chunk("http://example.org/a.jpg", "image/jpeg"), "by bytes, by https:// or by gs://"),
        ("user", ot.Chunk("data:image/png;base64,?", "image/png"), "by bytes"),
        ("system", ot.Chunk(PNG, "image/png"), "text from the system.*image/png"),
    ],
    ids=str,
)
def test_content_that_gemini_cannot_take_is_an_error_that_names_it(role, chunk, named):
    with pytest.raises(InvalidRequestError, match=named):
        wire_conversation([ot.Message(role, ot.ChunkList([chunk])), ot.Message("user", "Hi")])


# Tools


def test_a_tool_call_and_its_result_have_the_id_that_the_provider_gave():
    assert parts_of(ot.ToolCall("f", {"a": [1, {"b": None}]}, "call-1"), role="model") == [
        {"functionCall": {"id": "call-1", "name": "f", "args": {"a": [1, {"b": None}]}}}
    ]
    assert parts_of(ot.ToolResult("f", "7", "call-1")) == [
        {"functionResponse": {"id": "call-1", "name": "f", "response": {"output": "7"}}}
    ]


def test_where_the_provider_gave_no_id_none_is_sent():
    assert parts_of(ot.ToolCall("f", {}), role="model") == [{"functionCall": {"name": "f", "args": {}}}]
    [result] = parts_of(ot.ToolResult("f", "no such city", failed=True))
    assert result == {"functionResponse": {"name": "f", "response": {"error": "no such city"}}}


def test_a_tool_may_return_an_image():
    [part] = parts_of(ot.ToolResult("draw", ot.ChunkList(["A cat: ", ot.Chunk(PNG, "image/png")])))
    assert part["functionResponse"] == {
        "name": "draw",
        "response": {"output": "A cat: "},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}],
    }


def test_a_signature_goes_back_on_the_part_it_came_with():
    signed = {"thoughtSignature": "AbC+/w=="}
    call = ot.Chunk(ot.ToolCall("f", {}), metadata=signed)
    thought = ot.Reasoning("", {"text": "", **signed})
    assert parts_of(thought, "text", call, role="model") == [
        {"text": "", **signed},
        {"text": "text"},
        {"functionCall": {"name": "f", "args": {}}, **signed},
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        ot.Reasoning("Hm."),
        ot.Reasoning("Hm.", {"type": "reasoning", "id": "rs_1", "summary": []}),
        ot.Reasoning("Hm.", {"type": "thinking", "thinking": "Hm.", "signature": "abc"}),
    ],
    ids=["without data", "OpenAI's", "Anthropic's"],
)
def test_thoughts_that_are_not_geminis_own_are_left_out(foreign):
    assert parts_of(foreign, "Hi.", role="model") == [{"text": "Hi."}]
    messages = [ot.Message("user", "Hi"), ot.Message("model", ot.ChunkList([foreign]))]
    assert len(wire_conversation(messages)["contents"]) == 1


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        ("f", {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_choice_of_tools_in_geminis_words(choice, calling):
    tools = tuple([Tool(name, "", {"type": "object"}) for name in "fg"])
    assert body_of(tools=tools, tool_choice=choice) == {
        "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}],
        "toolConfig": {"functionCallingConfig": calling},
    }
    assert body_of(tools=tools).keys() == {"tools"}


# Options


def test_options_have_geminis_names():
    body = body_of(
        temperature=0.0,
        max_tokens=5,
        stop=("c",),
        top_k=3,
        top_p=0.5,
        seed=7,
        reasoning=None,
        extra=None,
        n=2,
    )
    assert body == {
        "generationConfig": {
            "temperature": 0.0,
            "maxOutputTokens": 5,
            "stopSequences": ["c"],
            "topK": 3,
            "topP": 0.5,
            "seed": 7,
            "candidateCount": 2,
        }
    }
    assert body_of() == {}


def test_samples_of_a_seeded_request_have_seeds_of_their_own():
    seeds = [body_of(seed=7, path=path)["generationConfig"]["seed"] for path in [(), (0,), (1,), (0,)]]
    assert seeds[0] == 7
    assert len(set(seeds)) == 3
    assert seeds[1] == seeds[3]


@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        (0, {"thinkingBudget": 0}),
        (2048, {"thinkingBudget": 2048, "includeThoughts": True}),
        ("minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("high", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_how_much_to_think_is_a_budget_or_a_level(reasoning, thinking):
    assert body_of(reasoning=reasoning) == {"generationConfig": {"thinkingConfig": thinking}}


def test_extra_options_are_joined_with_what_stands_there_and_sent_as_they_are():
    extra = {
        "safetySettings": ({"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},),
        "generationConfig": {"presencePenalty": 0.5, "thinkingConfig": {"some_new": {"field_of": 1}}},
    }
    assert body_of(temperature=1.0, reasoning=0, extra=extra) == {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "generationConfig": {
            "temperature": 1.0,
            "presencePenalty": 0.5,
            "thinkingConfig": {"thinkingBudget": 0, "some_new": {"field_of": 1}},
        },
    }


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"contents": []}, "'contents'"),
        ({"generationConfig": {"temperature": 1}}, "'generationConfig.temperature'"),
        ({"generationConfig": 1}, "'generationConfig'"),
    ],
    ids=str,
)
def test_extra_options_replace_nothing(extra, named):
    with pytest.raises(UsageError, match=named):
        body_of(temperature=0.0, extra=extra)


class Color(enum.Enum):
    RED = "red"


def test_an_object_is_asked_for_by_its_schema_or_as_json():
    schema = body_of(output=Output(Color, "schema"))["generationConfig"]
    assert schema["responseMimeType"] == "application/json"
    assert schema["responseJsonSchema"]["properties"]["value"]["enum"] == ["red"]
    assert body_of(output=Output(Color, "json")) == {
        "generationConfig": {"responseMimeType": "application/json"}
    }
