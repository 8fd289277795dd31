"""Are examples loaded as they are, and known again by their hash?"""

import dataclasses
import json
import random
from collections import OrderedDict
from typing import Any

import pydantic
import pytest

from onetwo_like.core.content import Chunk, ChunkList
from onetwo_like.errors import DatasetError, UsageError
from onetwo_like.experiments.data.dataset import Dataset, load
from onetwo_like.experiments.data.example import Example

ROWS = [
    {"id": "fr", "input": "Capital of France?", "target": "Paris", "continent": "Europe"},
    {"id": "jp", "input": "Capital of Japan?", "target": "Tokyo", "continent": "Asia"},
    {"id": "pe", "input": "Capital of Peru?", "target": "Lima", "continent": "America"},
]


@dataclasses.dataclass
class Question:
    id: str
    input: str
    target: str
    continent: str


class Model(pydantic.BaseModel):
    id: str
    input: str
    target: str
    continent: str


def test_an_example_has_its_input_target_id_and_the_whole_record():
    assert list(load(ROWS)) == [Example(r["id"], r["input"], r["target"], r) for r in ROWS]


@pytest.mark.parametrize(
    "source",
    [
        [Question(**row) for row in ROWS],
        [Model(**row) for row in ROWS],
        tuple(ROWS),
        [OrderedDict(reversed(row.items())) for row in ROWS],
        [ROWS[0], Question(**ROWS[1]), Model(**ROWS[2])],
    ],
)
def test_rows_of_any_class_and_order_of_keys_are_the_same_data(source):
    data = load(source)
    assert list(data) == list(load(ROWS))
    assert data.hash == load(ROWS).hash


def test_an_iterable_is_read_once_and_named_after_its_class():
    data = load(row for row in ROWS)
    assert (len(data), data.name) == (3, "generator")
    assert data.hash == load(ROWS).hash


def test_fields_are_named_and_several_are_one_dict():
    rows = [{"question": "Who?", "context": "Ann came.", "answer": "Ann"}]
    data = load(rows, input=["question", "context"], target="answer")
    assert data[0].input == {"question": "Who?", "context": "Ann came."}
    assert data[0].target == "Ann"
    assert (data.input, data.target) == (("question", "context"), "answer")
    assert list(data[0].input) == ["question", "context"]


def test_a_number_is_an_id_as_text():
    assert [e.id for e in load([{"n": 1, "input": "a"}, {"n": 2, "input": "b"}], id="n")] == ["1", "2"]


def test_without_ids_they_follow_from_the_content_alone():
    rows = [{"input": "a", "target": 1}, {"input": "b", "target": 2}]
    ids = [e.id for e in load(rows)]
    assert len(set(ids)) == 2
    assert all(len(id) == 12 for id in ids)
    assert [e.id for e in load([{"target": 2, "input": "b"}, {"target": 1, "input": "a"}])] == ids[::-1]
    assert [e.id for e in load([{**row, "id": None} for row in rows], id=None)] != ids
    assert load(ROWS, id=None)[0].id != "fr"


def test_targets_may_be_left_out_as_a_whole():
    data = load([{"input": "a"}, {"input": "b", "target": None}])
    assert [e.target for e in data] == [None, None]
    assert data.target is None
    assert load(ROWS, target=None)[0].target is None


def test_an_empty_text_is_an_input_and_a_target():
    assert load([{"input": "", "target": ""}])[0] == Example(
        load([{"input": "", "target": ""}])[0].id,
        "",
        "",
        {
            "input": "",
            "target": "",
        },
    )


def test_what_is_loaded_does_not_change_with_what_it_was_loaded_from():
    words, numbers = ["a"], [1]
    data = load([{"input": words, "target": {"b": numbers}}])
    words.append("c")
    numbers.append(2)
    assert (data[0].input, data[0].target) == (["a"], {"b": [1]})
    with pytest.raises(TypeError, match="frozen"):
        data[0].fields["input"] = "other"  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        data[0].input = "other"  # type: ignore[misc]


def test_the_hash_tells_any_difference_and_the_order():
    changes = [
        [ROWS[1], ROWS[0], ROWS[2]],
        ROWS[:2],
        [{**ROWS[0], "target": "paris"}, *ROWS[1:]],
        [{**ROWS[0], "continent": "europe"}, *ROWS[1:]],
        [{**ROWS[0], "id": "FR"}, *ROWS[1:]],
        [{**ROWS[0], "target": 1}, *ROWS[1:]],
        [{**ROWS[0], "target": "1"}, *ROWS[1:]],
        [{**ROWS[0], "target": 1.0}, *ROWS[1:]],
        [{**ROWS[0], "target": True}, *ROWS[1:]],
    ]
    hashes = {load(rows).hash for rows in changes}
    hashes.add(load(ROWS).hash)
    hashes.add(load(ROWS, input="target", target="input").hash)
    assert len(hashes) == len(changes) + 2


def test_the_hash_is_what_it_was_in_earlier_versions():
    # A published result names it: if this fails, every hash in the world has changed.
    assert load(ROWS).hash == "664157cfb69a126f8db50141778ea3c6a2d65d0e777952f54a9e0a41d483a3ec"


def test_content_with_images_has_an_id_and_a_hash():
    rows = [{"input": ChunkList(["What is this? ", Chunk(data, "image/png")])} for data in (b"1", b"2")]
    data = load(rows)
    assert data[0].input == rows[0]["input"]
    assert data[0].id != data[1].id


def test_what_cannot_be_hashed_is_named_with_its_row():
    with pytest.raises(DatasetError, match=r"list: row 2 cannot be hashed: <object .* is a object\. Give it"):
        load([{"input": "a"}, {"input": object()}])
    with pytest.raises(DatasetError, match="the example 'b' cannot be hashed"):
        load([{"id": "a", "input": "a"}, {"id": "b", "input": object()}])


def test_the_first_examples_are_a_dataset_of_their_own():
    data = load(ROWS)
    assert list(data.limited(2)) == list(data)[:2]
    assert data.limited(2).hash == load(ROWS[:2]).hash
    assert (data.limited(2).name, data.limited(2).input) == ("list", "input")
    assert len(data.limited(10)) == 3
    assert isinstance(data[1:], Dataset)
    wrong: list[Any] = [0, -1, True, 1.5]
    for n in wrong:
        with pytest.raises(UsageError, match="at least 1"):
            data.limited(n)


def test_a_dataset_is_returned_as_it_is():
    data = load([{"q": "a", "a": "b"}], input="q", target="a")
    assert load(data) is data
    assert load(data, input="q", target="a") is data
    with pytest.raises(UsageError, match="loaded already, with input='q' and target='a'"):
        load(data, input="a")


def test_examples_that_were_filtered_or_shuffled_are_examples():
    data = load(ROWS)
    some = load([e for e in data if e.fields["continent"] != "Asia"])
    assert list(some) == [data[0], data[2]]
    assert load(random.Random(1).sample(list(data), 3)).hash != data.hash
    assert load(list(data)).hash == data.hash
    with pytest.raises(DatasetError, match="id='fr' in rows 1 and 2"):
        load([data[0], data[0]])
    with pytest.raises(DatasetError, match="some are loaded examples, and row 2 not"):
        load([data[0], ROWS[1]])


def test_nothing_is_no_dataset():
    with pytest.raises(DatasetError, match="list: there are no examples in it"):
        load([])


def test_its_repr_is_one_line():
    assert repr(load(ROWS)) == (
        f"Dataset('list', 3 examples, input='input', target='target', hash='{load(ROWS).hash[:12]}...')"
    )


def test_in_a_notebook_it_is_a_table_of_the_first_rows_in_which_text_stays_text():
    rows = [{"id": f"{n}<i>", "input": f"<script>{n}</script>", "target": ["&"]} for n in range(12)]
    shown = load(rows)._repr_html_()
    assert "<script>" not in shown
    assert "<i>" not in shown
    assert "<td>0&lt;i&gt;</td><td>&lt;script&gt;0&lt;/script&gt;</td><td>[&#x27;&amp;&#x27;]</td>" in shown
    assert shown.count("<tr>") == 11
    assert "and 2 more" in shown
    assert len(load([{"input": "x" * 100_000}])._repr_html_()) < 2_000


def test_its_examples_go_through_json():
    data = load(ROWS)
    assert json.loads(json.dumps(data[0].fields)) == ROWS[0]
