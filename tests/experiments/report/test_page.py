"""Is a report one page that says everything in plain HTML first, needs nothing else, and is the same each time?"""

import base64
import copy
import hashlib
import json
import random
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from onetwo_like.experiments.report.page import page, write
from tests.experiments.made import EVIL, made

THREE: dict[str, Any] = {"arms": ("a", "b", "c"), "metrics": {"exact": True, "f1": False, "judge": False}}


class Shown(HTMLParser):
    """The text that a reader without scripts sees, and all tags and attributes."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.attributes = "", [], []
        self._hidden = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attrs]
        if tag in ("script", "style", "title"):
            self._hidden = tag

    def handle_endtag(self, tag):
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data):
        if not self._hidden:
            self.text += data


@pytest.fixture(scope="module")
def two():
    return made()


def section(text, place):
    return text.split(f'<section id="{place}"', 1)[1].split("</section>", 1)[0]


def test_it_loads_nothing_and_runs_nothing_but_its_own_script(two):
    text = page(two)
    shown = Shown(text)
    assert shown.tags.count("script") == 2
    assert not {"link", "base", "iframe", "object", "img"} & set(shown.tags)
    assert {tag for tag, name, _ in shown.attributes if name == "src"} == set()
    assert all(value.startswith("#") for _, name, value in shown.attributes if name == "href")
    assert not re.search(r"@import|url\(", text)
    policy = next(value for _, name, value in shown.attributes if name == "content" and "src" in value)
    assert policy.startswith("default-src 'none'; ")
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    own = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{own}'" in policy


def test_the_same_results_give_the_same_bytes(two, tmp_path):
    write(two, tmp_path / "one.html")
    write(json.loads(json.dumps(two)), tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.html").read_bytes().decode() == page(two)


def test_making_it_does_not_change_the_results():
    comparison = made(**THREE)
    before = copy.deepcopy(comparison)
    page(comparison)
    assert comparison == before


@pytest.mark.parametrize("shape", [{}, THREE, {"arms": ("one",)}, {"samples": 1, "complete": False}])
def test_what_a_user_or_a_model_wrote_is_text_everywhere(shape):
    clean, planted = (
        Shown(page(made(planted=text, examples=9, failing=0.3, **shape))) for text in ("plain", EVIL)
    )
    # A longer name takes more lines of a picture, and that is all.
    assert [tag for tag in planted.tags if tag != "text"] == [tag for tag in clean.tags if tag != "text"]
    assert {each[:2] for each in planted.attributes} == {each[:2] for each in clean.attributes}
    assert not [name for _, name, _ in planted.attributes if name.startswith("on")]
    assert EVIL in planted.text


def test_half_a_character_and_control_characters_can_be_written(tmp_path):
    write(made(planted="\ud800\0\x1b", examples=4), tmp_path / "report.html")
    assert "\N{REPLACEMENT CHARACTER}" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_first_thing_said_is_what_was_compared_and_what_it_means(two):
    text = Shown(page(two)).text
    assert re.search(
        r"Comparison\s+bigram against five-gram\s+capitals.jsonl · 40 examples, 3 samples of each", text
    )
    assert text.index(two["summary"]) < text.index("Results")
    assert "not complete" not in text


def test_each_arm_has_its_means_costs_tokens_times_and_failures(two):
    text = Shown(section(page(two), "results")).text
    for arm in two["arms"]:
        rows = [row for row in two["rows"] if row["arm"] == arm["name"]]
        answered = sum(row["status"] == "ok" for row in rows)
        for said in (
            f"{two['means']['f1'][arm['name']]['mean']:.3f}",
            f"{two['means']['f1'][arm['name']]['ci_low']:.3f} to {two['means']['f1'][arm['name']]['ci_high']:.3f}",
            f"{answered} of {len(rows)}",
            f"{sum(row['status'] == 'timeout' for row in rows)} timeout",
            f"{arm['recorded']['input_tokens']:,}",
        ):
            assert said in text
    assert 0 < answered < len(rows)


def test_each_pair_and_metric_has_its_difference():
    comparison = made(**THREE)
    text = section(page(comparison), "differences")
    assert len(comparison["differences"]) == 9
    table = text[text.index("<tbody>") :]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("<tr>")[1:]]
    for cells, d in zip(rows, comparison["differences"], strict=True):
        plain = [re.sub(r"<small>.*|<[^>]*>", "", cell) for cell in cells]
        sign = "+" if d["difference"] > 0 else "−"
        assert plain[:4] == [d["metric"], d["a"], d["b"], str(d["n"])]
        assert plain[6] == f"{sign}{abs(d['difference']):.3f}"
        assert plain[9] == ("< 0.001" if d["p_adjusted"] < 0.001 else f"{d['p_adjusted']:.3f}")
        assert plain[10] == f"{d['wins']} / {d['ties']} / {d['losses']}"
        assert "permutation" in cells[8]


def test_the_exact_test_is_named_where_it_was_used():
    assert "McNemar</small>" in section(page(made(samples=1)), "differences")


def test_a_number_that_cannot_be_given_is_said_in_words():
    comparison = made(examples=5, failing=0)
    text = Shown(section(page(comparison), "differences")).text
    assert text.count("Only 5 pairs: too few for an interval or a p-value.") >= len(comparison["differences"])
    assert "None" not in Shown(page(comparison)).text
    assert "nan" not in Shown(page(comparison)).text


def test_an_evaluation_of_one_arm_has_no_differences():
    text = page(made(arms=("one",)))
    assert 'id="differences"' not in text
    assert 'href="#differences"' not in text
    assert re.search(r"Evaluation\s+one\s", Shown(text).text)


def test_a_run_that_was_stopped_says_so_first():
    comparison = made(complete=False)
    text = Shown(page(comparison)).text
    assert text.index("This run is not complete: the budget of $0.01 is spent") < text.index("Results")
    assert "60 not run" in text


def test_what_failed_and_what_has_no_score_is_listed_with_its_reason():
    comparison = made(failing=0.4, unscored=0.3, examples=40)
    shown = Shown(section(page(comparison), "left-out"))
    for arm in ("bigram", "five-gram"):
        own = [row for row in comparison["rows"] if row["arm"] == arm]
        lost = [row for row in own if row["status"] == "timeout"]
        assert re.search(
            rf"{arm}\s*timeout\s*DeadlineError: no answer within 30 s\s*{len(lost)}\s*q", shown.text
        )
        without = [row for row in own if row["status"] == "ok" and row["scores"]["f1"] is None]
        assert re.search(rf"{arm}\s*f1\s*MetricError: no digit\s*{len(without)}\s*q", shown.text)
        for row in (lost[0], without[0]):
            link = f"#example={row['example']}&sample={row['sample']}"
            assert ("a", "href", link) in shown.attributes
    # What has no answer is not said again in each metric.
    assert shown.text.count("no answer within 30 s") == 2


def test_an_example_that_is_excluded_as_a_whole_is_listed_too():
    comparison = made(failing=0, unscored=0)
    gone = {"arm": "bigram", "example": "q7", "reason": "not in both arms"}
    comparison["excluded"] = [{**gone, "metric": metric} for metric in ("exact", "f1")]
    assert re.search(
        r"bigram\s*exact, f1\s*not in both arms\s*1\s*q7$",
        Shown(section(page(comparison), "left-out")).text.strip(),
    )


def test_what_judges_cost_is_said_apart_from_the_arms(two):
    sums = {"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0}
    scoring = {"recorded": {**sums, "calls": 1200, "cost": 1.5}, "paid": {**sums, "calls": 12, "cost": 0.015}}
    text = Shown(section(page({**two, "scoring": scoring}), "results")).text
    assert "metrics made 1,200 calls of their own, for $1.50, of which $0.0150 was paid now" in text
    assert "calls of their own" not in Shown(page(two)).text


def test_where_nothing_was_left_out_that_is_said():
    assert "every row has an answer" in section(page(made(failing=0, unscored=0)), "left-out")


def test_thousands_of_reasons_do_not_fill_the_page_and_their_number_is_said():
    comparison = made(examples=300, failing=1.0, samples=1)
    for i, row in enumerate(comparison["rows"]):
        row["error"] = f"request {i} failed"
    text = Shown(section(page(comparison), "left-out")).text
    assert text.count("request ") == 20
    assert "580 more for 580 other reasons" in text


def test_a_link_to_an_example_holds_any_id():
    comparison = made(examples=1, failing=1.0, arms=("one",))
    for row in comparison["rows"]:
        row["example"] = "a&b=ü #1/\"<'"
    shown = Shown(section(page(comparison), "left-out"))
    links = [value for tag, name, value in shown.attributes if (tag, name) == ("a", "href")]
    assert links[0] == "#example=a%26b%3D%C3%BC+%231%2F%22%3C%27&sample=0"


def test_where_it_comes_from_is_said_to_the_letter(two):
    text = Shown(section(page(two), "run")).text
    for said in (two["dataset"]["hash"], "seed", "0.2.0", "question", "NGram(order=6)", '"model": "ngram-6"'):
        assert said.lower() in text.lower()
    assert two["rows"][0]["calls"][0]["prompt"] in text


def test_a_cost_that_is_not_known_is_not_drawn_as_nothing():
    comparison = made(arms=("a", "b", "c"))
    for row in comparison["rows"]:
        row["cost"] = None if row["arm"] == "a" else row["cost"]
    comparison["arms"][0]["recorded"]["cost"] = None
    text = section(page(comparison), "pictures")
    assert "Cost against quality" in text
    assert "because it is not known: <code>a</code>" in text
    for row in comparison["rows"]:
        row["cost"] = None
    assert "No cost is drawn: none is known." in section(page(comparison), "pictures")


def test_an_empty_comparison_is_a_page_too():
    for comparison in (
        made(examples=0),
        made(metrics={}),
        made(failing=1.0),
        made(examples=0, arms=("one",)),
    ):
        assert page(comparison).endswith("</html>\n")


def test_a_page_that_would_be_too_large_says_how_many_texts_it_shortened():
    comparison = made(examples=20, samples=1, failing=0)
    chance = random.Random(0)
    for row in comparison["rows"]:
        row["prediction"] = base64.b64encode(chance.randbytes(300_000)).decode()
    text = page(comparison)
    assert 8e6 < len(text.encode()) < 10e6
    said = re.search(
        r"40 of [\d]+ texts are longer than ([\d,]+) letters and are shortened here",
        Shown(section(text, "examples")).text,
    )
    assert said is not None
    assert 150_000 < int(said[1].replace(",", "")) < 300_000
    assert ".to_json()" in section(text, "examples")
