"""Does content hold what it was given, never change, and never turn into words by accident?"""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.core.content import as_content, as_messages, text_of
from onetwo_like.errors import UsageError

IMAGE = ot.Chunk(b"\x89PNG", "image/png")
texts = st.text(st.characters())
pieces = st.one_of(texts, texts.map(ot.Chunk), st.just(IMAGE))


class Answer(str):
    """What a composable's value is like: a str of a class of its own."""

    __slots__ = ()


class TestChunk:
    def test_bytes_need_a_mime_type(self):
        with pytest.raises(UsageError, match=r'mime_type.*"image/png"'):
            ot.Chunk(b"\x89PNG")

    def test_anything_but_text_and_bytes_is_refused(self):
        with pytest.raises(TypeError, match="not int: 5"):
            ot.Chunk(5)  # type: ignore[arg-type]

    def test_an_unknown_role_is_refused_with_the_roles_there_are(self):
        with pytest.raises(UsageError, match=r"'assistant'.*system, user, model"):
            ot.Chunk("hi", role="assistant")  # type: ignore[arg-type]

    def test_bytes_and_metadata_changed_afterwards_are_not_changed_in_it(self):
        data, metadata = bytearray(b"abc"), {"tags": ["a"]}
        chunk = ot.Chunk(data, "image/png", metadata=metadata)  # type: ignore[arg-type]
        data.clear()
        metadata["tags"].append("b")
        assert chunk.content == b"abc"
        assert chunk.metadata == {"tags": ("a",)}

    def test_it_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            IMAGE.role = "user"  # type: ignore[misc]

    def test_it_is_hashable_with_metadata(self):
        assert hash(ot.Chunk("a", metadata={"x": [1]})) == hash(ot.Chunk("a", metadata={"x": [1]}))

    def test_its_repr_does_not_show_the_bytes(self):
        assert (
            repr(ot.Chunk(b"secret" * 1000, "image/png", "user"))
            == "Chunk(<6000 bytes>, 'image/png', role='user')"
        )

    def test_an_executable_is_not_content(self):
        with pytest.raises(UsageError, match="not Executable"):
            ot.Chunk(ot.make_executable(lambda: "x")())  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", [IMAGE, ot.Chunk("a", metadata={"x": [1]}), ot.ChunkList(["a", IMAGE])])
    def test_it_comes_back_from_a_copy_and_a_pickle(self, value):
        assert copy.deepcopy(value) == value
        assert pickle.loads(pickle.dumps(value)) == value


class TestChunkList:
    def test_strings_chunks_and_lists_join_on_either_side(self):
        joined = "a" + ot.ChunkList([IMAGE]) + "b" + ot.Chunk("c") + ot.ChunkList("d")
        assert joined == ot.ChunkList(["a", IMAGE, "b", "c", "d"])
        assert ot.Chunk("x") + ot.ChunkList(["y"]) == ot.ChunkList(["x", "y"])

    def test_what_is_not_content_does_not_join(self):
        with pytest.raises(TypeError):
            ot.ChunkList("a") + 5  # type: ignore[operator]
        with pytest.raises(TypeError):
            5 + ot.ChunkList("a")  # type: ignore[operator]

    @pytest.mark.parametrize("wrong", [5, b"raw", {"a": 1}, ["a", 5], ["a", None], [["a"]]])
    def test_what_is_not_content_is_refused(self, wrong):
        with pytest.raises(UsageError, match="content"):
            ot.ChunkList(wrong)

    def test_an_executable_inside_is_refused(self):
        with pytest.raises(UsageError, match="not Executable"):
            ot.ChunkList(["a", ot.make_executable(lambda: "x")()])  # type: ignore[list-item]

    def test_it_cannot_be_changed(self):
        chunks = ot.ChunkList("a")
        with pytest.raises(AttributeError, match=r"join with \+"):
            chunks.chunks = ()
        with pytest.raises(AttributeError):
            chunks.append("b")  # type: ignore[attr-defined]

    def test_a_slice_is_a_chunk_list_and_an_item_a_chunk(self):
        chunks = ot.ChunkList(["a", "b", IMAGE])
        assert chunks[1:] == ot.ChunkList(["b", IMAGE])
        assert chunks[-1] is IMAGE

    def test_an_image_is_never_formatted_into_text(self):
        with pytest.raises(UsageError, match="image/png"):
            f"{ot.ChunkList(['Describe ', IMAGE])}"
        assert f"{ot.ChunkList(['a', 'b']):>4}" == "  ab"

    def test_text_that_carries_content_gives_that_content(self):
        class Composed(str):
            content = ot.ChunkList(["a", IMAGE])

        assert ot.ChunkList([Composed("a[image/png]"), "b"]) == ot.ChunkList(["a", IMAGE, "b"])

    @settings(derandomize=True, deadline=None)
    @given(st.lists(pieces), st.lists(pieces), st.lists(pieces))
    def test_joining_is_associative_and_loses_nothing(self, a, b, c):
        left, middle, right = ot.ChunkList(a), ot.ChunkList(b), ot.ChunkList(c)
        assert (left + middle) + right == left + (middle + right) == ot.ChunkList([*a, *b, *c])
        assert len(left + right) == len(left) + len(right)
        assert hash(ot.ChunkList(a)) == hash(left)


class TestMessage:
    def test_an_unknown_role_is_refused(self):
        with pytest.raises(UsageError, match=r"'assistant'.*system, user, model"):
            ot.Message("assistant", "hi")  # type: ignore[arg-type]

    def test_its_content_is_content(self):
        assert ot.Message("user", ["a", "b"]) == ot.Message("user", "ab")  # type: ignore[arg-type]
        assert ot.Message("user", ["a", IMAGE]).content == ot.ChunkList(["a", IMAGE])  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="not Executable"):
            ot.Message("user", ot.make_executable(lambda: "x")())  # type: ignore[arg-type]

    def test_it_has_text_unless_there_is_an_image(self):
        assert ot.Message("model", ot.ChunkList(["a", "b"])).text == "ab"
        with pytest.raises(UsageError, match="image/png"):
            _ = ot.Message("user", ot.ChunkList(["a", IMAGE])).text


class TestOneSpelling:
    @settings(derandomize=True, deadline=None)
    @given(st.lists(texts))
    def test_plain_text_is_one_str_however_it_was_cut(self, parts):
        whole = "".join(parts)
        for spelling in (whole, parts, ot.ChunkList(parts), [ot.Chunk(p) for p in parts], Answer(whole)):
            content = as_content(spelling)
            assert content == whole
            assert type(content) is str

    def test_a_chunk_of_another_str_class_is_plain_text_too(self):
        assert type(as_content(ot.Chunk(Answer("a")))) is str

    def test_a_role_or_a_mime_type_is_kept(self):
        assert as_content(ot.Chunk("a", role="system")) == ot.ChunkList([ot.Chunk("a", role="system")])
        assert as_content(ot.Chunk("a", "text/html")) == ot.ChunkList([ot.Chunk("a", "text/html")])

    def test_a_conversation_is_split_by_role(self):
        chunks = ot.ChunkList([ot.Chunk("s", role="system"), "a", IMAGE, ot.Chunk("m", role="model"), "b"])
        assert as_messages(chunks) == (
            ot.Message("system", "s"),
            ot.Message("user", ot.ChunkList(["a", IMAGE])),
            ot.Message("model", "m"),
            ot.Message("user", "b"),
        )

    def test_text_is_one_message_of_the_user(self):
        assert as_messages("hi") == (ot.Message("user", "hi"),) == as_messages(["h", "i"])
        assert as_messages(ot.Message("model", "hi")) == (ot.Message("model", "hi"),)

    @pytest.mark.parametrize(
        "wrong", [[], [ot.Message("user", "a"), "b"], [{"role": "user", "content": "a"}], 5]
    )
    def test_what_is_not_a_conversation_is_refused(self, wrong):
        with pytest.raises(UsageError):
            as_messages(wrong)

    def test_text_of_an_image_is_refused(self):
        assert text_of(ot.Chunk("a")) == "a"
        with pytest.raises(UsageError, match="image/png"):
            text_of(IMAGE)


# What passes between a model and its tools


CALL = ot.ToolCall("weather", {"city": "Nice", "days": [1, 2]}, "call-1")
RESULT = ot.ToolResult("weather", "sunny", "call-1")
THOUGHT = ot.Reasoning("Hm", {"signature": "x"})


def test_calls_results_and_reasoning_are_pieces_of_content():
    content = ot.ChunkList(["Look.", CALL, RESULT, THOUGHT])
    assert [chunk.kind for chunk in content] == ["text/plain", "tool call", "tool result", "reasoning"]
    assert content.tool_calls == [CALL]
    assert content.text == "Look."
    assert str(content) == "Look.[tool call][tool result][reasoning]"
    assert content + "!" == ot.ChunkList(["Look.", CALL, RESULT, THOUGHT, "!"])


def test_they_do_not_change_and_can_be_hashed():
    arguments = {"days": [1, 2]}
    call = ot.ToolCall("weather", arguments)
    arguments["days"].append(3)
    assert call.arguments == {"days": (1, 2)}
    assert (
        len({CALL, RESULT, THOUGHT, ot.ToolCall("weather", {"city": "Nice", "days": (1, 2)}, "call-1")}) == 3
    )
    with pytest.raises(UsageError, match="arguments by name"):
        ot.ToolCall("weather", "Nice")  # type: ignore[arg-type]


def test_they_are_no_text():
    for piece, named in ((CALL, "tool call"), (RESULT, "tool result"), (THOUGHT, "reasoning")):
        with pytest.raises(UsageError, match=f"text is needed here, and the content has a chunk of {named}"):
            text_of(ot.ChunkList(["a", piece]))


def test_the_address_of_an_image_is_no_text():
    image = ot.Chunk("https://example.org/a.png", "image/png")
    assert not image.is_text
    assert ot.Chunk("# Title", "text/markdown").is_text
    with pytest.raises(UsageError, match="image/png"):
        text_of(image)


def test_a_call_is_the_models_and_a_result_the_users():
    assert as_messages([CALL, RESULT, "And tomorrow?"]) == (
        ot.Message("model", ot.ChunkList([CALL])),
        ot.Message("user", ot.ChunkList([RESULT, "And tomorrow?"])),
    )
