"""Makes the goldens of models that embed: what transformers computes with small models of made-up weights.

    make_embeddings.py GOLDENS [NAME...]

GOLDENS gets NAME.json for each, which holds what those of make_families.py do, but for its texts: each has ids and what
poolings make of the last states, not normalised.
"""

import math
import sys

import gguf
import numpy as np
import torch
import transformers

from make_families import SMALL, computed, gguf_keys, gguf_names, write_all

LENGTHS = [1, 2, 17, 33, 40, 12, 100, 16]
DIGITS = 5

ENCODER = dict(
    vocab_size=128, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
    max_position_embeddings=100, type_vocab_size=2,
)
MODELS = {
    "bert": (transformers.BertConfig(**ENCODER), "bert"),
    # No GGUF file says which GELU it is.
    "bert-tanh": (transformers.BertConfig(**ENCODER, hidden_act="gelu_new", layer_norm_eps=1e-5), None),
    "qwen3-embedding": (transformers.Qwen3Config(**SMALL, head_dim=32, tie_word_embeddings=True), "qwen3"),
}


def base_and_scale(tensor, shape):
    if tensor.lower().endswith("norm.weight"):
        return 1.0, 0.5
    if tensor.endswith("bias"):
        return 0.0, 0.5
    if "embed" in tensor:
        return 0.0, 1.0
    return 0.0, 2.0 ** round(math.log2(math.sqrt(3 / shape[-1])))


def keys(architecture, config):
    if architecture != "bert":
        return gguf_keys(architecture, config)
    writer = gguf.GGUFWriter(None, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_token_type_count(config.type_vocab_size)
    return {key: [int(value.type), value.value] for data in writer.kv_data for key, value in data.items()}


@torch.inference_mode()
def texts(model):
    random = np.random.default_rng(0)
    found = []
    for length in LENGTHS:
        ids = random.integers(0, model.config.vocab_size, length).tolist()
        states = model(torch.tensor([ids])).last_hidden_state[0].double()
        poolings = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}
        found.append({"ids": ids} | {name: [round(x, DIGITS) for x in vector.tolist()] for name, vector in poolings.items()})
    return found


def golden(name):
    config, architecture = MODELS[name]
    tensors, written, entries = computed(name, transformers.AutoModel, config, base_and_scale, texts)
    part = {"keys": keys(architecture, config), "rope_freqs": None} if architecture else None
    # No converter writes what only pre-training needed.
    kept = {tensor: rest for tensor, rest in tensors.items() if not tensor.startswith("pooler.")}
    names = gguf_names(architecture, kept, config.num_hidden_layers) if architecture else {}
    return {
        "definition": "tensors: name, shape, base and scale of its values, name in a GGUF file; texts: ids, and the mean of "
        "their last states, the first's and the last's",
        "config": written,
        "gguf": part,
        "tensors": [[tensor, shape, base, scale, names.get(tensor)] for tensor, (shape, base, scale) in tensors.items()],
        "texts": entries,
    }


def main(goldens, *names):
    write_all(goldens, names or MODELS, golden)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
