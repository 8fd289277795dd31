"""Does a generated text follow its options?"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like.backends.corpus import training_text
from onetwo_like.backends.ngram_model import NGramModel, trained
from onetwo_like.backends.ngram_sampling import DEFAULT_MAX_TOKENS, Generation
from onetwo_like.errors import InvalidRequestError

CAPITAL = "Q: What is the capital of France?\nA:"


@pytest.fixture(scope="module")
def five_gram():
    return trained(5, training_text())


@pytest.fixture(scope="module")
def coin():
    """Says heads three times out of four."""
    return NGramModel(1, " heads" * 300 + " tails" * 100)


def written(model, prompt, **options):
    return "".join(Generation(model, prompt, **options))


def one_token(model, seeds, **options):
    return Counter(written(model, "", max_tokens=1, seed=s, **options) for s in range(seeds))


class TestGreedy:
    def test_it_takes_the_most_likely_token_until_the_text_ends(self, five_gram):
        generation = Generation(five_gram, CAPITAL)
        assert list(generation) == [" Paris"]
        assert generation.finish_reason == "stop"
        assert generation.input_tokens == len(five_gram.tokenize(CAPITAL))
        assert generation.output_tokens == 1

    def test_of_equally_likely_tokens_it_takes_the_first_of_the_training_text(self):
        for words in ("b a", "a b"):
            model = NGramModel(1, "\n\n".join(words.split() * 3) + " c c")
            assert written(model, "", max_tokens=1) != " c"
        assert written(NGramModel(2, "b\n\na"), "") == "b"
        assert written(NGramModel(2, "a\n\nb"), "") == "a"

    def test_the_seed_changes_nothing(self, five_gram):
        assert {written(five_gram, CAPITAL, seed=s) for s in range(20)} == {" Paris"}


class TestSampling:
    def test_a_seed_gives_the_same_text_on_every_platform(self, five_gram):
        texts = [written(five_gram, "The", temperature=1.0, seed=s, max_tokens=12) for s in range(4)]
        assert texts == [
            " capital of San Marino?\nModel: San Marino",
            " capital of Luxembourg is Luxembourg.",
            " Gambia shares a border with Indonesia.",
            " capital of Cameroon?\nA: Yaoundé",
        ]

    def test_seeds_give_different_texts(self, five_gram):
        assert len({written(five_gram, "", temperature=1.0, seed=s) for s in range(20)}) > 15

    def test_tokens_are_drawn_as_often_as_they_are_likely(self, coin):
        drawn = one_token(coin, 2000, temperature=1.0)
        assert drawn[" heads"] / 2000 == pytest.approx(300 / 401, abs=0.03)

    def test_a_low_temperature_sharpens_and_a_high_one_flattens(self, coin):
        # Squared, 3 : 1 becomes 9 : 1; as square roots, 1.73 : 1, and the end of the text counts, too.
        assert one_token(coin, 2000, temperature=0.5)[" heads"] / 2000 == pytest.approx(0.9, abs=0.03)
        hot = one_token(coin, 2000, temperature=2.0)
        assert hot[" heads"] / hot[" tails"] == pytest.approx(3**0.5, rel=0.15)
        assert one_token(coin, 200, temperature=1e-9) == {" heads": 200}

    def test_top_k_keeps_that_many_tokens(self, coin):
        assert one_token(coin, 50, temperature=100.0, top_k=1) == {" heads": 50}
        assert set(one_token(coin, 50, temperature=100.0, top_k=2)) == {" heads", " tails"}
        assert set(one_token(coin, 50, temperature=100.0, top_k=99)) == {" heads", " tails", ""}

    def test_top_p_keeps_the_fewest_tokens_with_that_share(self, coin):
        assert one_token(coin, 50, temperature=1.0, top_p=0.7) == {" heads": 50}
        assert set(one_token(coin, 50, temperature=1.0, top_p=0.8)) == {" heads", " tails"}
        assert set(one_token(coin, 50, temperature=1.0, top_p=1e-300)) == {" heads"}

    def test_top_p_is_a_share_of_what_top_k_left(self):
        model = NGramModel(1, " a" * 40 + " b" * 30 + " c" * 30)
        assert set(one_token(model, 50, temperature=1.0, top_k=2, top_p=0.5)) == {" a"}
        assert set(one_token(model, 50, temperature=1.0, top_p=0.5)) == {" a", " b"}

    def test_only_words_of_the_training_text_are_written(self):
        model = NGramModel(2, "ab cd")
        assert {written(model, "x", temperature=5.0, seed=s, max_tokens=1) for s in range(99)} == {
            "ab",
            " cd",
            "",
        }


class TestWhereItEnds:
    def test_max_tokens(self, five_gram):
        generation = Generation(five_gram, "The capital", max_tokens=2)
        assert list(generation) == [" of", " the"]
        assert generation.finish_reason == "length"
        assert generation.output_tokens == 2

    def test_a_text_that_goes_in_circles_ends_after_the_default_number_of_tokens(self):
        generation = Generation(NGramModel(2, "a" + " a" * 50), "")
        assert len(list(generation)) == DEFAULT_MAX_TOKENS
        assert generation.finish_reason == "length"

    def test_the_end_right_after_the_last_allowed_token_is_a_length(self, five_gram):
        generation = Generation(five_gram, CAPITAL, max_tokens=1)
        assert list(generation) == [" Paris"]
        assert generation.finish_reason == "length"

    def test_a_stop_string_is_left_out_and_ends_the_text(self, five_gram):
        generation = Generation(five_gram, "The capital", stop=["."])
        assert "".join(generation) == " of the United States"
        assert generation.finish_reason == "stop"

    def test_a_stop_string_may_span_tokens_and_begin_inside_one(self, five_gram):
        assert written(five_gram, "The capital", stop=["he United S"]) == " of t"

    def test_of_several_stop_strings_the_one_complete_first_counts(self, five_gram):
        assert written(five_gram, "The capital", stop=["States", "the", "zebra"]) == " of "
        assert written(five_gram, "The capital", stop=["the United States", "United"]) == " of the "
        assert written(five_gram, "The capital", stop=["United", "the United"]) == " of "

    def test_what_only_looked_like_a_stop_string_is_written(self, five_gram):
        assert written(five_gram, "The capital", stop=["the United Kingdom"]) == " of the United States."
        assert written(five_gram, CAPITAL, stop=["Paris Match"]) == " Paris"

    @settings(derandomize=True, deadline=None, max_examples=500)
    @given(st.lists(st.text("ab ", min_size=1, max_size=6), max_size=3), st.integers(0, 99))
    def test_pieces_never_take_back_a_stop_string(self, stop, seed):
        model = NGramModel(2, "a b ba ab aa b\n\nbb a a b aab")
        options = {"temperature": 1.0, "seed": seed, "max_tokens": 12}
        whole = written(model, "", **options)
        complete = [(whole.find(s) + len(s), whole.find(s)) for s in stop if s in whole]
        cut = min(complete)[1] if complete else len(whole)
        assert written(model, "", stop=stop, **options) == whole[:cut]


class TestAPromptThatEndsWithASpace:
    def test_is_continued_by_a_word_without_a_space_of_its_own(self, five_gram):
        generation = Generation(five_gram, CAPITAL + " ")
        assert "".join(generation) == "Paris"
        assert generation.input_tokens == len(five_gram.tokenize(CAPITAL + " "))

    def test_is_not_continued_inside_a_word(self):
        model = NGramModel(1, "a" * 1 + ",,,,,, b")
        texts = {written(model, "x ", temperature=1.0, seed=s, max_tokens=1) for s in range(99)}
        assert texts == {"b", ""}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, r"temperature is -0\.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, r"top_p is 0\.0"),
        ({"top_p": 1.1}, r"top_p is 1\.1"),
        ({"top_p": float("nan")}, "top_p is nan"),
        ({"stop": ["a", ""]}, "stop contains the empty string"),
        ({"max_tokens": 0}, "max_tokens is 0"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(five_gram, options, message):
    with pytest.raises(InvalidRequestError, match=message):
        Generation(five_gram, CAPITAL, **options)
