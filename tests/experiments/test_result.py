"""Is a result a table, frames, data that comes back, and a picture in which planted markup stays text?"""

import html.parser
import itertools
import json

import pytest

from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import UsageError
from onetwo_like.experiments.statistics.difference import Difference

EVIL = """<script>alert("1")</script>"'&`"""
SUMS = [{"id": f"{a}+{b}", "input": f"{a}+{b}", "target": str(a + b)} for a in range(4) for b in range(5)]


def exact(target, prediction):
    return target == prediction


def near(target, prediction):
    return (abs(int(target) - int(prediction)), {"said": prediction})


def answer(question):
    return llm.generate_text(f"Q: {question}\nA:")


def solves(prompt):
    a, b = prompt.split()[1].split("+")
    return str(int(a) + int(b))


@pytest.fixture(scope="module")
def result():
    sloppy = Scripted(lambda prompt: "x" if "1+1" in prompt else "4", name="sloppy")
    arms = {"sloppy": sloppy, "right": Scripted(solves, name="right")}
    return ot.compare(arms, answer, SUMS, {"exact": exact, "near": near}, samples=2, seed=7)


def test_the_frame_has_one_row_per_arm_example_and_sample_and_these_columns(result):
    frame = result.to_pandas()
    assert list(frame.columns) == [
        *("arm", "example", "sample", "input", "target", "prediction", "status", "error", "exact", "near"),
        *("input_tokens", "output_tokens", "cost", "latency_s", "cache"),
    ]
    assert len(frame) == 2 * 20 * 2
    first = frame.iloc[0]
    assert (first.arm, first.example, first["sample"], first.prediction, first.exact) == (
        "sloppy",
        "0+0",
        0,
        "4",
        0.0,
    )
    assert frame.groupby("arm").exact.mean()["right"] == 1.0


def test_differences_are_a_list_and_a_frame_with_these_columns(result):
    found = result.differences
    assert issubclass(type(found), list)
    assert all(isinstance(d, Difference) for d in found)
    frame = found.to_pandas()
    assert list(frame.columns)[:15] == [
        *("metric", "a", "b", "n", "mean_a", "mean_b", "difference", "ci_low", "ci_high"),
        *("p_value", "p_adjusted", "wins", "ties", "losses", "detectable"),
    ]
    assert {"bca_low", "bca_high", "effect_size", "said"} <= set(frame.columns)
    row = frame.iloc[0]
    assert (row.metric, row.a, row.b, row.n) == ("exact", "sloppy", "right", 20)
    assert row.difference == pytest.approx(row.mean_b - row.mean_a)


def test_numbers_of_which_nothing_is_known_can_be_rounded_and_added():
    few = ot.compare({"a": Scripted(solves), "b": Scripted(solves)}, answer, SUMS[:3], {"exact": exact})
    unknown = few.differences.to_pandas()[["ci_low", "p_value", "detectable"]].round(2)
    assert unknown.isna().all(axis=None)
    frame = few.to_pandas()
    assert frame.cost.round(2).dtype == float
    assert frame.error.tolist() == [None] * 6


def test_disagreements_stand_side_by_side(result):
    found = result.disagreements("sloppy", "right", metric="exact")
    assert len(found) == 2 * sum(row["target"] != "4" for row in SUMS)
    first = found[0]
    assert (first.example, first.sample, first.input, first.target) == ("0+0", 0, "0+0", "0")
    assert (first.prediction_a, first.prediction_b) == ("4", "0")
    assert (first.scores_a["exact"], first.scores_b["exact"]) == (0.0, 1.0)
    assert list(found.to_pandas().columns) == [
        *("example", "sample", "input", "target", "prediction_a", "prediction_b", "exact_a", "exact_b"),
    ]
    assert list(result.disagreements("right", "sloppy").to_pandas().columns)[6:] == [
        "exact_a",
        "exact_b",
        "near_a",
        "near_b",
    ]
    assert found[0].prediction_a == result.disagreements("right", "sloppy")[0].prediction_b
    assert result.disagreements("right", "right") == []


def test_where_one_arm_failed_is_a_disagreement():
    def strategy(n):
        if n == 1:
            raise ValueError("no")
        return n

    arms = {"a": (strategy, Scripted([])), "b": (lambda n: n, Scripted([]))}
    result = ot.compare(
        arms, examples=[{"input": n} for n in range(3)], metrics={"one": lambda prediction: 1}
    )
    [d] = result.disagreements("a", "b")
    assert (d.input, d.prediction_a, d.prediction_b, d.scores_a["one"]) == (1, None, 1, None)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("sloppy", "wright"), "there is no arm 'wright'; there are sloppy, right"),
        (("sloppy", "right", "exakt"), "there is no metric 'exakt'; there are exact, near"),
    ],
)
def test_a_name_that_is_none_is_refused(result, names, said):
    with pytest.raises(UsageError, match=said):
        result.disagreements(*names)


def test_it_comes_back_from_json_equal(result):
    again = ot.Comparison.from_json(result.to_json())
    assert again == result
    assert str(again) == str(result)
    assert again.rows == result.rows
    assert list(again.differences) == list(result.differences)
    assert again._repr_html_() == result._repr_html_()


def test_another_result_is_not_equal(result):
    data = json.loads(result.to_json())
    data["rows"][3]["prediction"] = "5"
    assert ot.Comparison.from_json(json.dumps(data)) != result
    assert result != "a string"


def test_json_has_the_agreed_fields_and_no_nan(result):
    data = json.loads(result.to_json(), parse_constant=pytest.fail)
    assert {
        *(
            "format",
            "kind",
            "metrics",
            "yes_no",
            "samples",
            "seed",
            "complete",
            "stopped",
            "dataset",
            "versions",
        ),
        *("arms", "means", "differences", "summary", "rows", "excluded"),
    } <= set(data)
    assert (data["kind"], data["samples"], data["seed"], data["yes_no"]) == (
        "comparison",
        2,
        7,
        {"exact": True, "near": False},
    )
    assert data["dataset"]["size"] == 20
    assert data["rows"][4]["details"] == {"near": {"said": "4"}}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", '{"format": 99, "kind": "comparison"}', '{"format": 1, "kind": 3}'),
        *('{"format": 1, "kind": "comparison"}', '{"format": 1, "kind": "comparison", "metrics": 3}'),
    ],
)
def test_what_is_no_result_is_refused(text):
    with pytest.raises(UsageError, match=r"to_json wrote|format 99|is an 3|is damaged"):
        ot.Comparison.from_json(text)


def test_an_evaluation_is_no_comparison():
    one = ot.evaluate(str, [{"input": 1}], {"m": lambda prediction: 1})
    assert ot.Evaluation.from_json(one.to_json()) == one
    with pytest.raises(UsageError, match=r"this is an evaluation, to be read by ot\.Evaluation\.from_json"):
        ot.Comparison.from_json(one.to_json())


def test_the_text_has_the_table_the_sentence_and_what_is_missing(result):
    text = str(result)
    lines = text.splitlines()
    assert lines[0] == "Comparison of 2 arms on list: 20 examples, 2 samples of each, seed 7"
    assert lines[2].split()[:4] == ["arm", "exact", "near", "answered"]
    assert lines[3].startswith("sloppy")
    assert result.summary in text
    assert "2 scores are missing:" in text
    assert "sloppy, 1+1, near: sample 0: metric 'near' failed" in text


def test_computed_anew_from_its_rows_it_is_the_same(result):
    assert result.computed_anew() == result


def test_names_with_line_breaks_do_not_break_the_table():
    arms = {"a\nb": (str, Scripted([])), "c" * 100: (str, Scripted([]))}
    text = str(ot.compare(arms, examples=[{"input": 1}], metrics={"m\n1": lambda prediction: 1}))
    assert "a b" in text
    assert max(map(len, text.split("\n\n")[1].splitlines())) < 120


class Tags(html.parser.HTMLParser):
    """Which elements and attributes a page has."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.attributes = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_in_a_notebook_the_table_comes_first_then_the_sentence_then_the_picture(result):
    page = result._repr_html_()
    tags = Tags()
    tags.feed(page)
    order = [tag for tag in tags.tags if tag in ("table", "p", "svg")]
    assert [tag for tag, _ in itertools.groupby(order)][:4] == ["table", "p", "table", "svg"]
    assert "latency" in page
    assert result.summary.split(" (")[0].split(";")[0] in page


def test_planted_markup_stays_text():
    arms = {f"a{EVIL}": (lambda x: EVIL, Scripted([])), "b": (lambda x: x, Scripted([]))}
    examples = [{"id": f"{i}{EVIL}", "input": EVIL, "target": EVIL} for i in range(9)]
    result = ot.compare(
        arms,
        examples=examples,
        metrics={f"m{EVIL}": lambda prediction, target: 1 / (len(prediction) - len(target) + 1)},
    )
    pages = [result._repr_html_(), result.differences._repr_html_(), result.excluded._repr_html_()]
    pages.append(result.disagreements(f"a{EVIL}", "b")._repr_html_())
    for page in pages:
        tags = Tags()
        tags.feed(page)
        assert "script" not in tags.tags
        assert not [name for name in tags.attributes if name.startswith("on")]


def test_it_writes_its_report(result, tmp_path):
    result.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_its_report_names_several_fields_or_none(tmp_path):
    rows = [{"question": "1+1", "context": "sums"}]
    result = ot.evaluate(str, rows, {"m": lambda prediction: 1}, input=["question", "context"], target=None)
    result.report(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "input <code>question</code>, <code>context</code>, target none" in page
