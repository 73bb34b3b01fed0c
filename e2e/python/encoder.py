"""A small sentence encoder of made-up weights, as sentence-transformers saves one: `encoder.py FOLDER` writes it."""

import array
import json
import math
import pathlib
import random
import string
import sys

HIDDEN, HEADS, LAYERS, INNER, POSITIONS = 32, 2, 2, 64, 40
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary():
    """Every word of small letters and digits can be written."""
    characters = string.ascii_lowercase + string.digits
    return SPECIAL + list(characters + string.punctuation) + ["##" + character for character in characters]


def tokenizer():
    ids = {token: number for number, token in enumerate(vocabulary())}
    added = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return {
        "version": "1.0",
        # As published encoders have them; a server must neither cut nor pad.
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "added_tokens": [{"id": ids[token], "content": token} | added for token in SPECIAL],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    }


def shapes():
    yield "embeddings.word_embeddings.weight", (len(vocabulary()), HIDDEN)
    yield "embeddings.position_embeddings.weight", (POSITIONS, HIDDEN)
    yield "embeddings.token_type_embeddings.weight", (2, HIDDEN)
    yield from norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        start = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            yield from linear(f"{start}attention.self.{part}", HIDDEN, HIDDEN)
        yield from linear(f"{start}attention.output.dense", HIDDEN, HIDDEN)
        yield from norm(f"{start}attention.output.LayerNorm")
        yield from linear(f"{start}intermediate.dense", INNER, HIDDEN)
        yield from linear(f"{start}output.dense", HIDDEN, INNER)
        yield from norm(f"{start}output.LayerNorm")


def linear(name, rows, columns):
    yield f"{name}.weight", (rows, columns)
    yield f"{name}.bias", (rows,)


def norm(name):
    yield f"{name}.weight", (HIDDEN,)
    yield f"{name}.bias", (HIDDEN,)


def safetensors():
    numbers = random.Random(7)
    header, data = {}, array.array("f")
    for name, shape in shapes():
        begin = 4 * len(data)
        middle = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        data.extend(numbers.gauss(middle, 0.3) for _ in range(math.prod(shape)))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, 4 * len(data)]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data.tobytes()


def write(folder):
    folder = pathlib.Path(folder)
    (folder / "1_Pooling").mkdir(parents=True)
    files = {
        "config.json": {
            "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN,
            "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "intermediate_size": INNER, "layer_norm_eps": 1e-12,
            "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "vocab_size": len(vocabulary()), "pad_token_id": 0,
        },
        "tokenizer.json": tokenizer(),
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": 32, "do_lower_case": False},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "model.safetensors").write_bytes(safetensors())
    return folder


if __name__ == "__main__":
    write(sys.argv[1])
