"""Is what is kept of a reply the whole of it, and every byte of it guarded?"""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.errors import CacheError, ContentRefusedError, ParseError, UnstorableError
from onetwo_like.middleware.entries import Entry
from onetwo_like.middleware.known_types import KnownTypes
from onetwo_like.middleware.recorded import Recorded

KEY = "ab" * 32
DOCUMENT = (
    '{"version":1,"operation":"generate_text","fingerprint":{},"arguments":{"prompt":"Hi"},"sample_path":[]}'
)
TEXT = KnownTypes(str)


def kept(recorded):
    return Recorded.unpacked(KEY, recorded.packed(KEY))


@given(
    value=st.text() | st.lists(st.floats(allow_nan=False)) | st.dictionaries(st.integers(), st.binary()),
    usage=st.none() | st.builds(ot.Usage, st.integers(0), st.integers(0), st.none(), st.none(), st.none()),
    finish=st.none() | st.sampled_from(["stop", "length", "tool\ncalls"]),
    model=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    at=st.floats(0, 4e9),
    document=st.text(st.characters(exclude_characters="\n")),
)
def test_every_field_of_a_reply_comes_back(value, usage, finish, model, at, document):
    reply = ot.Reply(value, usage, finish, model, at, 0.5, None, "r1")
    recorded = kept(Recorded.of(reply, document, None))
    assert recorded.read(TEXT, True) == reply._replace(replayed=True)
    assert recorded.document == document


@given(st.lists(st.text(), min_size=2))
def test_the_pieces_of_a_stream_come_back(chunks):
    reply = ot.Reply("".join(chunks), chunks=tuple(chunks))
    assert kept(Recorded.of(reply, DOCUMENT, None)).read(TEXT, False).chunks == tuple(chunks)


def test_two_replies_of_one_entry_share_nothing():
    recorded = Recorded.of(ot.Reply([[1]]), DOCUMENT, None)
    one, other = (recorded.read(TEXT, True).value for _ in range(2))
    one[0].append(2)
    assert other == [[1]]


def test_a_value_that_cannot_be_kept_is_an_error_that_names_it():
    with pytest.raises(UnstorableError, match="object"):
        Recorded.of(ot.Reply(object()), DOCUMENT, None)


def test_a_class_that_the_types_do_not_name_is_refused_when_it_is_written():
    Local = dataclasses.make_dataclass("Local", ["x"])
    with pytest.raises(UnstorableError, match="annotate"):
        Recorded.of(ot.Reply(Local(1)), DOCUMENT, TEXT)


def test_a_refusal_comes_back_as_the_error_it_was():
    error = ContentRefusedError("no", provider="p", model="m", request_id="r")
    recorded = kept(Recorded.of_failure(error, DOCUMENT, 5.0, 0.25))
    assert recorded.mark == "refused"
    with pytest.raises(ContentRefusedError, match=r"^no$") as caught:
        recorded.read(TEXT, True)
    assert (caught.value.provider, caught.value.model, caught.value.request_id) == ("p", "m", "r")


def test_a_parse_error_comes_back_with_the_text_that_came():
    recorded = kept(Recorded.of_failure(ParseError("no JSON", "Well"), DOCUMENT, 5.0, 0.25))
    assert recorded.mark == "unparsed"
    with pytest.raises(ParseError, match=r"^no JSON$") as caught:
        recorded.read(TEXT, True)
    assert caught.value.reply == "Well"
    assert Entry(KEY, recorded).reply.value == "Well"


def test_history_is_kept_oldest_first_through_any_number_of_replies():
    recorded = Recorded.of(ot.Reply("reply 0", recorded_at=0.0), DOCUMENT, None)
    for n in range(1, 4):
        recorded = kept(
            Recorded.of(ot.Reply(f"reply {n}", recorded_at=float(n)), DOCUMENT, None).superseding(recorded)
        )
    entry = Entry(KEY, recorded)
    assert entry.reply.value == "reply 3"
    assert [(r.value, r.recorded_at) for r in entry.history] == [(f"reply {n}", float(n)) for n in range(3)]


def test_history_keeps_a_refusal_and_values_that_are_no_text():
    refused = Recorded.of_failure(ContentRefusedError("no"), DOCUMENT, 1.0, 0.5)
    numbers = Recorded.of(ot.Reply((1.5, "\ud83c")), DOCUMENT, None).superseding(refused)
    entry = Entry(KEY, kept(Recorded.of(ot.Reply("done"), DOCUMENT, None).superseding(numbers)))
    assert [reply.value for reply in entry.history] == [None, (1.5, "\ud83c")]
    assert [recorded.mark for recorded in entry.recorded.earlier()] == ["refused", None]


def test_every_flipped_byte_is_an_error_and_never_another_answer():
    raw = Recorded.of(ot.Reply("Paris", ot.Usage(1, 2)), DOCUMENT, None).packed(KEY)
    for place in range(len(raw)):
        for bit in (1, 128):
            flipped = raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :]
            with pytest.raises(CacheError):
                Recorded.unpacked(KEY, flipped)


def test_every_truncation_is_an_error():
    raw = Recorded.of(ot.Reply("Paris"), DOCUMENT, None).packed(KEY)
    for length in range(len(raw)):
        with pytest.raises(CacheError):
            Recorded.unpacked(KEY, raw[:length])


def test_an_entry_of_another_key_is_an_error():
    raw = Recorded.of(ot.Reply("Paris"), DOCUMENT, None).packed(KEY)
    with pytest.raises(CacheError):
        Recorded.unpacked("cd" * 32, raw)


def test_an_entry_can_be_read_by_a_person():
    raw = Recorded.of(ot.Reply("Köln", ot.Usage(1, 2)), DOCUMENT, None).packed(KEY)
    text = raw[13:].decode()
    assert "Köln" in text
    assert json.dumps("Hi") in text
