"""Does normalising take away what does not count, and nothing else?"""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like.experiments.metrics.normalising import mentions, normalised

# Characters that meet in surprising ways, between characters of any kind.
TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="a1.,:/-−'\" \u0301İſßéA½²٫٣ﬁ(_$%～·‘ㄱ한ก\u200d\u0345"),
)


@settings(deadline=None)
@given(TEXTS)
def test_doing_it_twice_changes_nothing(text):
    once = normalised(text)
    assert normalised(once) == once


@settings(deadline=None)
@given(TEXTS)
def test_how_a_text_is_encoded_counts_nothing(text):
    assert normalised(unicodedata.normalize("NFC", text)) == normalised(unicodedata.normalize("NFD", text))


@settings(deadline=None)
@given(TEXTS)
def test_no_white_space_is_left_at_the_ends_or_twice(text):
    assert normalised(text).split(" ") == normalised(text).split() or normalised(text) == ""


@settings(deadline=None)
@given(st.lists(st.text(st.characters(categories=["Ll", "Lo"], max_codepoint=0xFAFF), min_size=1)))
def test_words_stay_apart(words):
    assert len(normalised(", ".join(words)).split()) == len(words)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("  The\tCITY\n of Nice! ", "the city of nice"),
        ("“Nice”, ‘Nice’ and «Nice»", "nice nice and nice"),
        ("U.S.", "us"),
        ("don't", "dont"),
        ("don’t", "dont"),
        ("L´Aquila", "laquila"),
        ("well-known", "well known"),
        ("snake_case and/or x", "snake case and or x"),
        ("**Paris**", "paris"),
        ("3.50", "3.50"),
        ("1,000", "1,000"),
        ("12:30", "12:30"),
        ("1/2", "1/2"),
        ("2024-01-05", "2024-01-05"),
        ("-5", "-5"),
        ("−5", "-5"),
        ("(-.5)", "-.5"),
        ("€-5", "€-5"),
        ("GPT-4", "gpt 4"),
        ("5.", "5"),
        ("a, b", "a b"),
        ("5%", "5%"),
        ("C#", "c#"),
        ("C++", "c++"),
        ("R&D", "r&d"),
        ("$5", "$5"),
        ("10²", "10 2"),
        ("3½", "3 1⁄2"),
        ("m²", "m2"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("São Paulo", "são paulo"),
        ("Sa\u0303o Paulo", "são paulo"),
        ("İstanbul", "istanbul"),
        ("Ὀδυσσεύς", "ὀδυσσεύσ"),
        ("МОСКВА.", "москва"),
        ("１２３ＡＢＣ", "123abc"),
        ("٣٫٥", "3.5"),
        ("१२३", "123"),
        ("北京，上海。", "北京 上海"),
        ("レオナルド・ダ・ヴィンチ", "レオナルドダヴィンチ"),
        ("col·lecció", "collecció"),
        ("「東京」", "東京"),
        ("नई दिल्ली।", "नई दिल्ली"),
        ("القاهرة؟", "القاهرة"),
        ("\u200fباريس\u200e", "باريس"),
        ("می\u200cخواهم", "میخواهم"),
        ('צה"ל', "צהל"),
        ("צה״ל", "צהל"),
        ("?", "?"),
        ("...", "..."),
        (" ?  ! ", "? !"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_what_is_left(text, left):
    assert normalised(text) == left


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3.5", "35"),
        ("-5", "5"),
        ("1/2", "12"),
        ("10²", "102"),
        ("5%", "5"),
        (".5", "5"),
        ("São", "Sao"),
        ("a", "á"),
    ],
)
def test_texts_that_differ_still_do(one, other):
    assert normalised(one) != normalised(other)


def test_english_articles_go_where_asked():
    assert normalised("The capital of a Theban, an A", articles=True) == "capital of theban"
    assert normalised("The The", articles=True) == "the the"
    assert normalised("The city") == "the city"


@pytest.mark.parametrize(
    ("text", "phrase", "places"),
    [
        ("a cat, not a category", "cat", [2]),
        ("cat cats concat cat", "cat", [0, 16]),
        ("cat", "cat", [0]),
        ("route 66 and 660", "66", [6]),
        ("caf\u0301e", "caf", []),
        ("кот и котлета", "кот", [0]),
        ("首都是北京市", "北京", [3]),
        ("서울은 수도다", "서울", [0]),
        ("กรุงเทพมหานคร", "กรุงเทพ", [0]),
        ("กี", "ก", []),
        ("दिल्ली", "दिल", []),
        ("答案是B。", "B", [3]),
        ("anything", "", []),
        ("aaa", "aa", []),
    ],
)
def test_a_phrase_is_found_as_whole_words(text, phrase, places):
    assert list(mentions(text, phrase)) == places
