"""Which model do the real servers serve? One made on the spot, with random weights.

Run by the Python of the environment that has transformers: `make_model.py FOLDER TEXT...`. Writes the model as
transformers reads it, `model.gguf` with the same weights as llama.cpp reads it, and `truth.json`: what the
weights say about some texts, computed here with torch, for the tests to compare with what a server says.
"""

import json
import sys
from pathlib import Path

import gguf
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY = 512
CONTEXT = 512
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
PROMPT = "Nice is"
TARGETS = (" in France.", " a colour", " a word")
LENGTH = 12  # tokens of an answer


def make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte pairs of the texts, split as GPT-2 does, which llama.cpp knows too."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = TEMPLATE
    return fast


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Two layers of noise, larger than an initialisation's, so that tokens differ in probability."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).eval()
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    with torch.no_grad():
        # Bytes that are no text by themselves, and the end, are never the likeliest: answers can be read and compared.
        for index, piece in enumerate(pieces):
            if (
                not (piece.replace("\u0120", "").isascii() and piece.isprintable())
                or index in tokenizer.all_special_ids
            ):
                model.lm_head.weight[index] = 0
    model.generation_config.do_sample = True  # else `transformers serve` is greedy at any temperature
    return model


def score(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, target: str) -> float:
    """The summed log-probability of the target's tokens after the prompt."""
    whole = tokenizer(PROMPT + target).input_ids
    begin = len(tokenizer(PROMPT).input_ids)
    assert whole[:begin] == tokenizer(PROMPT).input_ids, f"a token straddles {PROMPT!r} and {target!r}"
    logprobs = model(torch.tensor([whole])).logits[0].log_softmax(-1)
    total: float = sum(logprobs[at - 1, whole[at]].item() for at in range(begin, len(whole)))
    return total


def answer(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str) -> str:
    """The likeliest token, each time."""
    tokens: list[int] = tokenizer(prompt).input_ids
    begin = len(tokens)
    for _ in range(LENGTH):
        tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    text: str = tokenizer.decode(tokens[begin:])
    return text


def embedding(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> list[float]:
    """The mean of the last layer."""
    states = model.model(torch.tensor([tokenizer(PROMPT).input_ids])).last_hidden_state
    vector: list[float] = states[0].mean(0).tolist()
    return vector


def write_gguf(path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """The same weights and tokens, as llama.cpp reads them."""
    config = model.config
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny-llama")
    out.add_vocab_size(config.vocab_size)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    read = json.loads(tokenizer.backend_tokenizer.to_str())
    special = {token["id"] for token in read["added_tokens"]}
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokenizer.convert_ids_to_tokens(list(range(config.vocab_size))))
    kinds = [gguf.TokenType.NORMAL, gguf.TokenType.CONTROL]
    out.add_token_types([kinds[index in special] for index in range(config.vocab_size)])
    out.add_token_merges([" ".join(merge) for merge in read["model"]["merges"]])
    out.add_bos_token_id(tokenizer.bos_token_id)
    out.add_eos_token_id(tokenizer.eos_token_id)
    out.add_add_bos_token(False)
    out.add_chat_template(TEMPLATE)
    out.add_pooling_type(gguf.PoolingType.MEAN)  # else an embedding is a list of one vector per token
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            tensor = _interleaved(tensor, config.num_attention_heads)
        known = names.get_name(name, try_suffixes=(".weight",))
        assert known is not None, name
        out.add_tensor(known, tensor.float().contiguous().numpy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rotary positions turn pairs of rows: halves of a head apart in transformers, neighbours in llama.cpp."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def main(folder: Path, texts: list[Path]) -> None:
    """Writes it all into the folder."""
    tokenizer = make_tokenizer([text.read_text("utf-8") for text in texts])
    model = make_model(tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_gguf(folder / "model.gguf", model, tokenizer)
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], tokenize=False, add_generation_prompt=True
    )
    with torch.no_grad():
        truth = {
            "prompt": PROMPT,
            "length": LENGTH,
            "continued": answer(model, tokenizer, PROMPT),
            "answered": answer(model, tokenizer, chat),
            "scores": {target: score(model, tokenizer, target) for target in TARGETS},
            "tokens": tokenizer(PROMPT).input_ids,
            "embedding": embedding(model, tokenizer),
        }
    (folder / "truth.json").write_text(json.dumps(truth, indent=1), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(text) for text in sys.argv[2:]])
