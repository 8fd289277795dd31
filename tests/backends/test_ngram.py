"""Does the embedded model serve the built-ins as any backend does?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import subprocess
import sys
import threading
from functools import cached_property

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.backends import NGram
from onetwo_like.backends.corpus import countries, training_text
from onetwo_like.backends.ngram import DIMENSIONS
from onetwo_like.builtins import llm
from onetwo_like.errors import InvalidRequestError, UsageError

CAPITAL = "Q: What is the capital of France?\nA:"
OPEN = "Q: Which"


def run(backend, e):
    with ot.RegistryContext():
        backend.register()
        return ot.run(e)


def reply_of(backend, operation, *values):
    """What the backend's own handler answers, before anybody takes the value out."""
    values += (None,) * (len(operation.parameters) - len(values))
    return asyncio.run(backend.bindings()[operation.name].handler(ot.Request(operation, values)))


def sampled(n, prompt=OPEN, backend=None, **options):
    e = llm.generate_text(prompt, temperature=1.0, **options)
    return run(backend or NGram(), ot.parallel(*ot.repeat(e, n)))


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


class TestGenerateText:
    def test_without_options_it_takes_the_most_likely_tokens(self):
        assert run(NGram(), ot.parallel(*ot.repeat(llm.generate_text(CAPITAL), 3))) == [" Paris"] * 3

    def test_two_orders_answer_differently(self):
        e = llm.generate_text(CAPITAL)
        assert run(NGram(order=5), e) == " Paris"
        assert run(NGram(order=2), e) != " Paris"

    def test_it_answers_two_step_programs(self):
        @ot.make_executable
        async def currency_of_the_capital(country):
            capital = await llm.generate_text(f"Q: What is the capital of {country}?\nA: ")
            return await llm.generate_text(f"Q: Which currency do shops in {capital} take?\nA: ")

        asked = ot.parallel(currency_of_the_capital(c.country) for c in countries())
        right = [c.currency for c in countries()]
        answers = run(NGram(), asked)
        assert sum(a == r for a, r in zip(answers, right, strict=True)) > 0.95 * len(right)

    def test_the_reply_tells_usage_why_it_ended_and_which_model_answered(self):
        reply = reply_of(NGram(), llm.generate_text, CAPITAL)
        assert reply.value == " Paris"
        assert reply.usage == ot.Usage(input_tokens=9, output_tokens=1, cost=0.0)
        assert reply.finish_reason == "stop"
        assert reply.model_version.startswith("5-gram-")

    def test_a_text_cut_by_max_tokens_says_so(self):
        reply = reply_of(NGram(), llm.generate_text, "The capital", None, 2)
        assert (reply.value, reply.finish_reason, reply.usage.output_tokens) == (" of the", "length", 2)

    def test_it_streams_token_by_token(self):
        with ot.RegistryContext():
            NGram().register()
            with ot.stream(llm.generate_text("The capital", max_tokens=3), only=ot.TextDelta) as events:
                pieces = [event.text for event in events]
                assert events.result == "".join(pieces)
        assert pieces == [" of", " the", " United"]

    def test_every_option_is_honoured(self):
        backend = NGram()
        assert run(backend, llm.generate_text("The capital", stop="United")) == " of the "
        assert run(backend, llm.generate_text(CAPITAL, temperature=50, top_k=1)) == " Paris"
        assert run(backend, llm.generate_text(CAPITAL, temperature=1, top_p=0.1)) == " Paris"
        hot = [run(backend, llm.generate_text(OPEN, temperature=50, max_tokens=3, seed=s)) for s in (1, 2)]
        assert hot[0] != hot[1]

    def test_defaults_of_the_backend_hold_until_a_call_says_otherwise(self):
        backend = NGram(max_tokens=1, stop=["x"])
        assert run(backend, llm.generate_text("The capital")) == " of"
        assert run(backend, llm.generate_text("The capital", max_tokens=2)) == " of the"

    def test_chunks_of_text_are_a_prompt(self):
        assert (
            run(NGram(), llm.generate_text([ot.Chunk(CAPITAL[:20], role="user"), CAPITAL[20:]])) == " Paris"
        )

    def test_an_image_in_the_prompt_is_an_error(self):
        with pytest.raises(UsageError, match="image/png"):
            run(NGram(), llm.generate_text(["What is this?", ot.Chunk(b"...", "image/png")]))

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"temperature": -1}, "temperature"),
            ({"top_p": 0}, "top_p"),
            ({"top_p": 2}, "top_p"),
        ],
    )
    def test_a_value_that_makes_no_sense_is_an_error(self, options, named):
        with pytest.raises(InvalidRequestError, match=f"cannot generate: {named} "):
            run(NGram(), llm.generate_text(CAPITAL, **options))


class TestSamples:
    def test_samples_of_one_request_differ(self):
        assert len(set(sampled(20))) > 15

    def test_samples_come_out_the_same_on_every_run(self):
        assert sampled(5) == sampled(5)

    def test_more_samples_keep_those_there_were(self):
        assert sampled(5)[:3] == sampled(3)

    def test_samples_are_the_same_in_another_process(self):
        program = (
            "from onetwo_like import ot; from onetwo_like.builtins import llm; from onetwo_like.backends import NGram\n"
            "NGram().register(); e = llm.generate_text('Q: Which', temperature=1.0)\n"
            "import json; print(json.dumps(ot.run(ot.parallel(*ot.repeat(e, 3)))))"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert json.loads(ran.stdout) == sampled(3)

    def test_a_seed_decides_and_its_samples_differ_too(self):
        assert sampled(9, seed=1) == sampled(9, seed=1)
        assert sampled(9, seed=1) != sampled(9, seed=2)
        assert sampled(9, seed=1) != sampled(9)
        assert len(set(sampled(9, seed=1))) > 5

    def test_one_seed_does_not_draw_alike_for_every_prompt(self):
        model = NGram(order=1, text=" heads" * 50 + " tails" * 50, seed=3, max_tokens=1)
        first = {sampled(1, prompt=f"Toss {i}:", backend=model)[0] for i in range(30)}
        assert {" heads", " tails"} <= first

    def test_a_larger_max_tokens_continues_the_same_text(self):
        [short] = sampled(1, max_tokens=4, seed=5)
        [long] = sampled(1, max_tokens=8, seed=5)
        assert long.startswith(short)
        assert long != short


class TestScoreText:
    def test_scores_are_log_probabilities_of_the_whole_target(self):
        backend = NGram(order=2, text="a\n\na")
        # Without a context: a twice and END twice of 4, 2 distinct; after END: a twice, 1 distinct.
        alone = 2 / (4 + 2)
        [score] = run(backend, llm.score_text("", ["a"]))
        assert score == pytest.approx(math.log((2 + 1 * alone) / (2 + 1)))

    def test_the_score_of_a_text_is_the_sum_of_the_scores_of_its_parts(self):
        backend = NGram()
        [whole] = run(backend, llm.score_text("The capital", [" of Papua New Guinea is Port Moresby."]))
        [first] = run(backend, llm.score_text("The capital", [" of Papua New"]))
        [second] = run(backend, llm.score_text("The capital of Papua New", [" Guinea is Port Moresby."]))
        assert whole == pytest.approx(first + second)
        assert whole < first < 0

    def test_the_right_answer_scores_highest(self):
        capitals = [f" {c.capital}" for c in countries()]
        scores = run(NGram(), llm.score_text(CAPITAL, capitals))
        assert capitals[scores.index(max(scores))] == " Paris"

    def test_a_target_after_a_space_is_scored_as_the_word_it_completes(self):
        backend = NGram()
        after_space = run(backend, llm.score_text(CAPITAL + " ", ["Paris", "Lima"]))
        assert after_space == run(backend, llm.score_text(CAPITAL, [" Paris", " Lima"]))

    def test_an_empty_target_is_certain_and_an_unknown_word_is_possible(self):
        empty, unknown = run(NGram(), llm.score_text(CAPITAL, ["", " Entenhausen☃"]))
        assert empty == 0
        assert -300 < unknown < -50

    def test_the_reply_counts_what_was_read(self):
        reply = reply_of(NGram(), llm.score_text, CAPITAL, (" Paris", " Kuala Lumpur"))
        assert reply.usage == ot.Usage(input_tokens=10 + 11, output_tokens=0, cost=0.0)


class TestTokens:
    @settings(derandomize=True, deadline=None, max_examples=20)
    @given(st.text())
    def test_a_text_comes_back_from_its_tokens(self, text):
        tokens = run(NGram(), llm.tokenize(text))
        assert run(NGram(), llm.detokenize(tokens)) == text
        assert run(NGram(), llm.count_tokens(text)) == len(tokens)

    def test_words_are_tokens(self):
        assert run(NGram(), llm.count_tokens(["The capital ", "of France"])) == 4

    def test_an_id_that_no_token_has_is_an_error(self):
        with pytest.raises(UsageError, match="no token -1"):
            run(NGram(), llm.detokenize([-1]))


class TestEmbed:
    @settings(derandomize=True, deadline=None, max_examples=50)
    @given(st.lists(st.text(st.characters()), max_size=3))
    def test_vectors_have_length_one_and_no_negative_number(self, texts):
        vectors = run(NGram(), llm.embed(texts))
        assert len(vectors) == len(texts)
        for vector in vectors:
            assert len(vector) == DIMENSIONS
            assert math.hypot(*vector) == pytest.approx(1)
            assert min(vector) >= 0

    def test_texts_that_share_words_are_closer(self):
        a, b, c = run(NGram(), llm.embed(["a river in France", "The rivers of France", "Buddhist monks"]))
        assert cosine(a, b) > 0.4 > cosine(a, c)

    def test_case_and_spacing_do_not_count_and_the_training_text_does_not_either(self):
        a, b = run(NGram(), llm.embed(["Blue  sky\n", "blue SKY"]))
        assert a == b
        assert run(NGram(order=1, text="x"), llm.embed(["blue sky"])) == [a]

    def test_a_vector_is_the_same_on_every_platform(self):
        [vector] = run(NGram(), llm.embed(["ab"]))
        assert {i: x for i, x in enumerate(vector) if x} == pytest.approx(
            {14: 3**-0.5, 35: 3**-0.5, 108: 3**-0.5}
        )


class TestItsText:
    def test_own_text(self):
        backend = NGram(order=3, text="The sky is green.")
        assert run(backend, llm.generate_text("The sky is")) == " green."

    def test_own_files(self, tmp_path):
        (tmp_path / "sky.txt").write_bytes("The sky is grün.\r\n".encode("utf-8-sig"))
        (tmp_path / "sea.txt").write_text("The sea is salty.", encoding="utf-8")
        one = NGram(order=3, files=tmp_path / "sky.txt")
        assert run(one, llm.generate_text("The sky is")) == " grün."
        both = NGram(order=3, files=[tmp_path / "sky.txt", str(tmp_path / "sea.txt")])
        assert run(both, llm.generate_text("The sky is")) == " grün."
        assert run(both, llm.generate_text("The sea is")) == " salty."
        assert one.fingerprint != both.fingerprint
        assert NGram(order=3, files=str(tmp_path / "sky.txt")).fingerprint == one.fingerprint
        assert NGram(order=3, text="The sky is grün.\n").fingerprint == one.fingerprint

    def test_a_missing_file_is_an_error_that_names_it(self, tmp_path):
        with pytest.raises(UsageError, match=r"cannot read the training file '.*none\.txt': No such file"):
            NGram(files=tmp_path / "none.txt")
        with pytest.raises(UsageError, match="cannot read the training file"):
            NGram(files=tmp_path)

    def test_a_file_that_is_not_utf_8_is_an_error_that_says_where(self, tmp_path):
        (tmp_path / "latin.txt").write_bytes("grün".encode("latin-1"))
        with pytest.raises(UsageError, match=r"latin.txt' is not UTF-8 \(byte 2\)"):
            NGram(files=tmp_path / "latin.txt")

    @pytest.mark.parametrize("arguments", [{"text": ""}, {"text": "\n\n"}, {"files": []}])
    def test_an_empty_text_is_an_error(self, arguments):
        with pytest.raises(UsageError, match="training text is empty"):
            NGram(**arguments)

    def test_text_and_files_together_are_an_error(self, tmp_path):
        with pytest.raises(UsageError, match="both were given"):
            NGram(text="a", files=tmp_path / "a.txt")

    def test_a_path_given_as_text_is_an_error(self, tmp_path):
        with pytest.raises(UsageError, match="For paths, use files="):
            NGram(text=tmp_path / "a.txt")

    @pytest.mark.parametrize("order", [0, -1, 2.5, "5", True])
    def test_an_impossible_order_is_an_error_before_anything_runs(self, order):
        with pytest.raises(UsageError, match="whole number, 1 or above"):
            NGram(order=order)


class TestWhoAnswers:
    def test_the_fingerprint_names_the_order_and_the_text(self):
        digest = hashlib.sha256(training_text().encode()).hexdigest()
        assert NGram(order=3).fingerprint == {"provider": "ngram", "order": 3, "text_sha256": digest}

    def test_models_that_differ_have_different_fingerprints_and_versions(self):
        backends = [NGram(), NGram(order=2), NGram(text="a"), NGram(text="b"), NGram(order=2, text="b")]
        assert len({json.dumps(b.fingerprint) for b in backends}) == len(backends)
        versions = {reply_of(b, llm.embed, ("x",)).model_version for b in backends}
        assert len(versions) == len(backends)

    def test_models_that_are_the_same_have_one_fingerprint_and_share_the_training(self):
        a, b = NGram(), NGram(text=training_text(), temperature=1.0)
        assert a.fingerprint == b.fingerprint
        assert a.model is b.model

    def test_nothing_is_trained_before_it_is_needed(self):
        backend = NGram(order=7)
        with ot.RegistryContext():
            backend.register()
        assert "model" not in vars(backend)

    def test_it_shows_its_order_and_name(self):
        assert repr(NGram(order=2)) == "NGram(order=2)"
        assert repr(NGram(name="small")) == "NGram(order=5, name='small')"

    def test_an_option_it_does_not_have_is_an_error(self):
        with pytest.raises(UsageError, match="no option 'warmth'"):
            NGram(warmth=1)


def test_it_is_trained_once_and_not_on_the_event_loop():
    trained_in = []

    class Watched(NGram):
        @cached_property
        def model(self):
            trained_in.append(threading.current_thread())
            return NGram(self.order).model

    async def ask_many():
        return await asyncio.gather(
            *[llm.generate_text(CAPITAL) for _ in range(20)]
        ), threading.current_thread()

    with ot.RegistryContext():
        Watched(order=4).register()
        _, loop_thread = asyncio.run(ask_many())
    [thread] = trained_in
    assert thread is not loop_thread


def test_an_instruction_has_an_answer_though_it_is_derived():
    with ot.RegistryContext():
        NGram().register()
        assert ot.run(llm.instruct("What is the capital of Spain?")) == "Madrid"
