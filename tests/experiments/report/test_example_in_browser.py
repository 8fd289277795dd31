"""Does a link open one example of a report, with what each arm answered and how, and does Back close it?"""

import json
import re

from onetwo_like.experiments.showing import figures
from tests.experiments.driving import click, lines_of
from tests.experiments.made import EVIL, made
from tests.pictures.chromium import needs_chromium

pytestmark = needs_chromium


def test_an_address_opens_one_with_the_answers_of_all_arms_side_by_side(opened):
    comparison = made(failing=0)
    chrome = opened(comparison, at="#example=q3&sample=1")
    assert chrome.js("document.querySelector('dialog').open")
    assert chrome.js("document.querySelector('dialog h2').textContent") == "q3, sample 1"
    text = chrome.js("document.querySelector('dialog').innerText")
    for row in lines_of(comparison)["q3", 1].values():
        assert row["prediction"] in text
        assert row["calls"][0]["prompt"] in text
        assert row["calls"][0]["model_version"] in text
        assert figures.seconds(row["latency_s"]) in text
        assert figures.dollars(float(f"{row['cost']:.4g}")) in text
        assert f"{row['input_tokens']} + {row['output_tokens']} tokens" in text
        assert figures.number(row["scores"]["f1"]) in text
    assert row["target"] in text
    a, b = chrome.js(
        "[...document.querySelectorAll('dialog h3')].map((h) => [h.getBoundingClientRect().x, h.getBoundingClientRect().y])"
    )
    assert (a[0] < b[0], a[1]) == (True, b[1])


def test_the_back_button_closes_it_and_forward_opens_it_again(opened):
    chrome = opened(made())
    chrome.js("scrollTo(0, document.querySelector('.rows').getBoundingClientRect().top)")
    before = chrome.js("scrollY")
    click(chrome, ".rows tbody a", 4)
    chrome.until(
        "document.querySelector('dialog').open && document.querySelector('dialog h2').textContent === 'q1, sample 1'"
    )
    chrome.js("history.back()")
    chrome.until("!document.querySelector('dialog').open")
    assert chrome.js("[location.hash, scrollY]") == ["", before]
    chrome.js("history.forward()")
    chrome.until("document.querySelector('dialog').open")


def test_closing_one_that_an_address_opened_stays_on_the_page(opened):
    chrome = opened(made(), at="#example=q3&sample=1")
    click(chrome, "dialog .top .button", 2)
    chrome.until("!location.hash.startsWith('#example=')")
    assert not chrome.js("document.querySelector('dialog').open")
    assert chrome.js("document.querySelectorAll('.rows tbody tr').length") == 50


def test_the_next_one_is_the_next_of_the_table(opened):
    chrome = opened(made())
    click(chrome, ".rows thead button")
    click(chrome, ".rows thead button")  # from the last example to the first
    click(chrome, ".rows tbody a")
    chrome.until("document.querySelector('dialog').open")
    assert chrome.js("document.querySelector('dialog .button').disabled")
    for title in ("q39, sample 1", "q39, sample 2", "q38, sample 0"):
        click(chrome, "dialog .button", 1)
        chrome.until(f"document.querySelector('dialog h2').textContent === {json.dumps(title)}")
    assert chrome.js("document.activeElement.tagName") == "H2"  # clicked by a script, so nothing was focused
    chrome.js("history.back()")  # one step, however many were looked at
    chrome.until("!document.querySelector('dialog').open")


def test_a_link_of_the_lists_above_opens_it_too(opened):
    comparison = made(failing=0.5)
    chrome = opened(comparison)
    click(chrome, "#left-out a")
    chrome.until("document.querySelector('dialog').open")
    name, sample = chrome.js("document.querySelector('#left-out a').textContent").split("/")
    assert chrome.js("document.querySelector('dialog h2').textContent") == f"{name}, sample {sample}"
    assert any(
        text in chrome.js("document.querySelector('dialog').innerText") for text in ("timeout", "error")
    )


def test_any_id_can_be_linked(opened):
    comparison = made(examples=1, failing=1.0, arms=("one",), samples=1)
    comparison["rows"][0]["example"] = odd = "a&b=ü #1/\"<' +%20"
    chrome = opened(comparison)
    for link in ("#left-out a", ".rows tbody a"):
        click(chrome, link)
        chrome.until("document.querySelector('dialog').open")
        assert chrome.js("document.querySelector('dialog h2').textContent") == odd
        chrome.js("history.back()")
        chrome.until("!document.querySelector('dialog').open")


def test_one_that_is_not_there_is_said(opened):
    chrome = opened(made(examples=2), at="#example=gone&sample=0")
    assert chrome.js("document.querySelector('dialog').innerText").startswith("There is no example gone")
    assert chrome.console == []


def test_a_value_that_is_no_text_says_what_it_is(opened):
    comparison = made(arms=("one",), samples=1, failing=0)
    for row, value in zip(comparison["rows"], (1, "1", ["1"]), strict=False):
        row["prediction"] = value
    chrome = opened(comparison)
    said = []
    for i in range(3):
        chrome.js(f"location.hash = '#example=q{i}&sample=0'")
        chrome.until(f"document.querySelector('dialog h2')?.textContent === 'q{i}'")
        said.append(chrome.js("document.querySelector('dialog .sides section div').innerText").split("\n")[0])
    assert said == ["Answer (number)", "Answer", "Answer (list)"]


def test_why_there_is_no_score_stands_with_the_arm_and_the_sample(opened):
    comparison = made(failing=0, unscored=0, examples=9)
    comparison["excluded"] = [
        {"arm": "five-gram", "example": "q3", "metric": "f1", "reason": "sample 1: the judge failed"},
        {"arm": "bigram", "example": "q3", "metric": "exact", "reason": "not in both arms"},
    ]
    chrome = opened(comparison)
    found = []
    for sample in (0, 1):
        chrome.js(f"location.hash = '#example=q3&sample={sample}'")
        chrome.until(f"document.querySelector('dialog h2')?.textContent === 'q3, sample {sample}'")
        said = chrome.js("[...document.querySelectorAll('dialog section')].map((s) => s.innerText)")
        found.append(
            [
                [reason in text for reason in ("No f1: the judge failed", "No exact: not in both arms")]
                for text in said
            ]
        )
    assert found == [[[False, True], [False, False]], [[False, True], [True, False]]]


def test_what_a_judge_said_of_two_answers_stands_below_them(opened):
    comparison = made(failing=0, examples=3)
    pair = {"metric": "judge", "a": "bigram", "b": "five-gram", "example": "q1", "score": 0.75}
    comparison["pairs"] = [
        {**pair, "sample": 0, "details": {"why": EVIL}},
        {**pair, "sample": 1, "details": "not this one"},
    ]
    chrome = opened(comparison, at="#example=q1&sample=0")
    text = chrome.js("document.querySelector('dialog').innerText")
    assert re.search(r"judge\s+five-gram\s+against\s+bigram\s+0\.750", text)
    assert json.dumps(EVIL)[1:40] in text
    assert "not this one" not in text
