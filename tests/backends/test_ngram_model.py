"""Are the probabilities of the n-gram model true ones, and its tokens reversible?"""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onetwo_like.backends.corpus import countries, training_text
from onetwo_like.backends.ngram_model import CHARACTERS, END, NGramModel, trained
from onetwo_like.errors import UsageError

reproducible = settings(derandomize=True, deadline=None)
any_text = st.text(st.characters())  # with lone surrogates, which a plain st.text() leaves out
few_words = st.lists(st.sampled_from(["a", " a", " b", "b", ".", "\n", "?\nA:", "\n\n", "ü"])).map("".join)


@pytest.fixture(scope="module")
def five_gram():
    return trained(5, training_text())


def most_likely(model, text):
    """The text a model continues with, one most likely token after the other."""
    context = [END, *model.tokenize(text)]
    written = len(context)
    while len(context) - written < 12:
        probabilities = model.distribution(context)
        token = END + probabilities.index(max(probabilities))
        if token == END:
            break
        context.append(token)
    return model.detokenize(context[written:])


class TestTokens:
    @reproducible
    @given(any_text)
    @example("Q: What is the capital of France?\nA: Paris")
    @example("  two  spaces\t\ttabs\r\nand\x85lines\u2028 end ")
    @example("\ud800 alone, \udc00\ud83d\ude00 swapped, 😀 paired, e\u0301 composed")
    @example("São Tomé, N'Djamena; Washington, D.C.? .fr …—\x00")
    def test_every_string_comes_back_from_its_tokens(self, text):
        model = trained(5, training_text())
        assert model.detokenize(model.tokenize(text)) == text

    def test_a_word_takes_the_space_before_it(self, five_gram):
        [paris] = five_gram.tokenize(" Paris")
        assert five_gram.text_of(paris) == " Paris"
        assert five_gram.tokenize("Paris") != [paris]

    def test_a_label_is_one_token_with_the_end_of_the_line_before_it(self, five_gram):
        pieces = [five_gram.text_of(t) for t in five_gram.tokenize(" of France?\nA: Paris")]
        assert pieces == [" of", " France", "?\nA:", " Paris"]

    def test_an_unknown_word_is_spelled(self, five_gram):
        assert five_gram.tokenize("Zürix") == [ord(c) for c in "Zürix"]

    def test_the_end_adds_nothing(self, five_gram):
        assert five_gram.detokenize([END, *five_gram.tokenize("Paris"), END]) == "Paris"

    @pytest.mark.parametrize("token", [-1, 10**9])
    def test_an_id_that_no_token_has_is_an_error(self, five_gram, token):
        with pytest.raises(UsageError, match=f"no token {token}; its ids are 0 to"):
            five_gram.detokenize([token])
        with pytest.raises(UsageError, match=f"no token {token}"):
            five_gram.logprob([], token)

    def test_a_long_run_of_punctuation_takes_time_in_proportion(self, five_gram):
        # Quadratic time would be minutes here, and end the run.
        assert len(five_gram.tokenize("-" * 300_000)) == 300_000


class TestProbabilities:
    @reproducible
    @given(
        st.integers(1, 6),
        st.lists(few_words | any_text, min_size=1, max_size=4)
        .map("\n\n".join)
        .filter(lambda s: s.strip("\n")),
        few_words | any_text,
        st.sampled_from([[], [END]]),
    )
    def test_they_add_up_to_one(self, order, text, prompt, beginning):
        model = NGramModel(order, text)
        context = beginning + model.tokenize(prompt)
        known = math.fsum(math.exp(model.logprob(context, token)) for token in model.known)
        seen = set(text)
        spelled = math.fsum(math.exp(model.logprob(context, ord(c))) for c in seen)
        unseen = next(c for c in range(CHARACTERS) if chr(c) not in seen)
        spelled += (CHARACTERS - len(seen)) * math.exp(model.logprob(context, unseen))
        assert known + spelled == pytest.approx(1, abs=1e-9)

    def test_every_single_one_adds_up_to_one(self):
        model = NGramModel(2, "aab\n\nab c")
        total = math.fsum(
            math.exp(model.logprob([], token)) for token in range(CHARACTERS + len(model.known))
        )
        assert total == pytest.approx(1, abs=1e-9)

    @reproducible
    @given(few_words)
    def test_the_distribution_holds_the_same_numbers(self, prompt):
        model = NGramModel(4, "a b a b. a a\n\nb a b\n\na?\nA: b")
        context = [END, *model.tokenize(prompt)]
        expected = [math.exp(model.logprob(context, token)) for token in model.known]
        assert model.distribution(context) == pytest.approx(expected, rel=1e-12)

    def test_they_are_those_of_witten_and_bell(self):
        model = NGramModel(2, "a b\n\na c")
        a, b = model.tokenize("a b")
        # Seen: 2 x a, b, c once each, 2 x END, and after a: b once, c once.
        alone = 1 / (6 + 4)
        assert math.exp(model.logprob([], b)) == pytest.approx(alone)
        assert math.exp(model.logprob([a], b)) == pytest.approx((1 + 2 * alone) / (2 + 2))

    def test_only_the_last_tokens_of_the_context_count(self, five_gram):
        [paris] = five_gram.tokenize(" Paris")
        context = five_gram.tokenize("The capital of France is")
        far = five_gram.tokenize("Peru and Chile") + context
        assert five_gram.logprob(far, paris) == five_gram.logprob(context, paris)
        assert five_gram.logprob(context[-3:], paris) < five_gram.logprob(context, paris)

    def test_an_unknown_context_says_what_no_context_says(self, five_gram):
        [paris] = five_gram.tokenize(" Paris")
        assert five_gram.logprob([ord("☃")], paris) == five_gram.logprob([], paris)

    def test_an_order_of_one_ignores_the_context(self):
        model = NGramModel(1, "a b b")
        a, b, _ = model.tokenize("a b b")
        assert model.logprob([a], b) == model.logprob([b], b) == model.logprob([], b)
        assert model.logprob([], b) > model.logprob([], a)

    def test_paragraphs_are_texts_of_their_own(self):
        model = NGramModel(2, "\n\na\n\n\n\nb\n")
        assert [model.text_of(t) for t in model.known] == ["", "a", "b"]
        a, b = model.tokenize("a") + model.tokenize("b")
        assert model.logprob([a], END) > model.logprob([a], b)
        assert model.logprob([END], a) == model.logprob([END], b)


class TestTheDefaultCorpus:
    def right_answers(self, order):
        model = trained(order, training_text())
        return sum(
            most_likely(model, f"Q: What is the capital of {c.country}?\nA:") == f" {c.capital}"
            for c in countries()
        ) / len(countries())

    def test_a_five_gram_knows_the_capitals(self):
        assert self.right_answers(5) > 0.95

    def test_a_bigram_does_not(self):
        assert self.right_answers(2) < 0.05

    @pytest.mark.parametrize(
        ("question", "column"),
        [
            ("Which country is governed from {}?", "country"),
            ("Which continent is {} in?", "continent"),
            ("Which currency do shops in {} take?", "currency"),
            ("Which official language do people in {} speak?", "language"),
            ("Which internet domain do offices in {} write?", "domain"),
        ],
    )
    def test_a_five_gram_answers_questions_about_a_capital(self, five_gram, question, column):
        wrong = [
            c.capital
            for c in countries()
            if most_likely(five_gram, f"Q: {question.format(c.capital)}\nA:") != f" {getattr(c, column)}"
        ]
        assert len(wrong) < 0.05 * len(countries()), wrong

    def test_a_five_gram_completes_sentences(self, five_gram):
        assert most_likely(five_gram, "The capital of Spain is") == " Madrid."
        assert most_likely(five_gram, "What is the capital of Spain?") == " Madrid."
        assert most_likely(five_gram, "Q: What is the capital of Spain? A:") == " Madrid"


class TestWrongArguments:
    @pytest.mark.parametrize("order", [0, -2, 2.5, True, "5", None])
    def test_an_order_that_is_not_a_positive_whole_number_is_an_error(self, order):
        with pytest.raises(UsageError, match=f"whole number, 1 or above, not {order!r}"):
            NGramModel(order, "text")

    @pytest.mark.parametrize("text", ["", "\n", "\n\n\n\n"])
    def test_an_empty_text_is_an_error(self, text):
        with pytest.raises(UsageError, match="training text is empty"):
            NGramModel(2, text)


def test_a_model_is_trained_once():
    assert trained(3, training_text()) is trained(3, "".join(list(training_text())))
    assert trained(3, training_text()) is not trained(4, training_text())
    assert trained(3, training_text()) is not trained(3, training_text() + "More.")
