"""Does a text model see who said what, and is its answer cut where its turn ends?"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.builtins.formatting import NAMES, STOP, answer_in, as_prompt
from onetwo_like.errors import UsageError

LABEL = re.compile(rf"^({'|'.join(NAMES.values())}): ?", re.MULTILINE)


def read_back(prompt):
    """The conversation that a prompt was written from, told by its labels alone."""
    _, *parts, missing = LABEL.split(prompt + "\n")
    roles = {name: role for role, name in NAMES.items()}
    assert missing == "\n"
    assert parts.pop() == NAMES["model"]
    return [
        ot.Message(roles[name], text.removesuffix("\n"))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def test_each_message_stands_after_the_name_of_who_speaks_and_the_model_is_next():
    conversation = [
        ot.Message("system", "Be terse."),
        ot.Message("user", "Capital of France?"),
        ot.Message("model", "Paris."),
        ot.Message("user", "And of Spain?"),
    ]
    assert as_prompt(conversation) == (
        "System: Be terse.\nUser: Capital of France?\nModel: Paris.\nUser: And of Spain?\nModel:"
    )


MESSAGES = st.builds(
    ot.Message,
    st.sampled_from(sorted(NAMES)),
    st.text().filter(lambda text: LABEL.search(text) is None),
)


@given(st.lists(MESSAGES, min_size=1))
def test_a_prompt_can_be_read_back_unless_a_message_has_a_label_of_its_own(conversation):
    assert read_back(as_prompt(conversation)) == conversation


def test_chunks_of_text_are_text():
    content = ot.ChunkList(["Capital of ", ot.Chunk("France?", metadata={"source": "test"})])
    assert as_prompt([ot.Message("user", content)]) == "User: Capital of France?\nModel:"


def test_an_image_is_refused_and_never_becomes_words():
    content = ot.ChunkList(["What is this?", ot.Chunk(b"...", "image/png")])
    with pytest.raises(
        UsageError, match=r"a chunk of image/png\. Register a backend whose chat takes such content"
    ):
        as_prompt([ot.Message("user", content)])


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" Paris.", "Paris."),
        (" Paris.\n", "Paris."),
        (" Paris.\nUser: And of Spain?\nModel: Madrid.", "Paris."),
        (f" Paris.{STOP}", "Paris."),
        ("\nUser: Hello?", ""),
        ("", ""),
        # What is not the user's turn stays.
        (" Brand: T\nModel: 3\nSystem: Linux", "Brand: T\nModel: 3\nSystem: Linux"),
        (" The label is User: and nothing else", "The label is User: and nothing else"),
    ],
)
def test_the_answer_ends_where_the_user_speaks(text, answer):
    assert answer_in(text) == answer
