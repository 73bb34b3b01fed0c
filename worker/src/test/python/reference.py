"""Loads a llama-architecture GGUF into transformers in float32, and proves that every weight arrived unchanged."""

import hashlib
import importlib.metadata
import pathlib

import gguf
import numpy as np
import tokenizers
import torch
import transformers

# GGUF name of a layer's tensor -> transformers' name, both without the layer's prefix.
LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL_TOKEN = 3  # the value of tokenizer.ggml.token_type that marks special tokens


class Reference:
    """The model, its tokenizer and what a golden has to say about where it comes from."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.reader = gguf.GGUFReader(str(self.path))
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            str(self.path.parent), gguf_file=self.path.name, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        self.check_weights()
        self.tokenizer = self.build_tokenizer()

    def field(self, name):
        return self.reader.fields[name].contents()

    def provenance(self):
        """What made a golden; every golden carries it."""
        return {
            "model": self.path.name,
            "model_sha256": hashlib.sha256(self.path.read_bytes()).hexdigest(),
            "torch": torch.__version__.split("+")[0],
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
            "gguf": importlib.metadata.version("gguf"),
            "numpy": np.__version__,
            "dtype": "float32",
            "attention": "eager",
        }

    def check_weights(self):
        """Every GGUF tensor, de-quantised by the gguf package, must be bit-equal to the loaded parameter."""
        state = self.model.state_dict()
        unseen = {name for name in state if name != "lm_head.weight"}
        for tensor in self.reader.tensors:
            name = self.parameter_name(tensor.name)
            expected = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            if ".attn_q." in tensor.name:
                expected = half_split(expected, self.field("llama.attention.head_count"))
            elif ".attn_k." in tensor.name:
                expected = half_split(expected, self.field("llama.attention.head_count_kv"))
            if not np.array_equal(expected, state[name].numpy()):
                raise SystemExit(f"{tensor.name}: transformers loaded other values than the file holds")
            unseen.discard(name)
        if unseen:
            raise SystemExit(f"parameters that the file does not hold: {sorted(unseen)}")
        config = self.model.config
        tied = not any(tensor.name == "output.weight" for tensor in self.reader.tensors)
        embedding = self.model.get_input_embeddings().weight
        if tied and self.model.get_output_embeddings().weight.data_ptr() != embedding.data_ptr():
            raise SystemExit("the file has no output.weight, yet transformers did not tie the output head")
        facts = {
            "rms_norm_eps": (config.rms_norm_eps, self.field("llama.attention.layer_norm_rms_epsilon")),
            "rope_theta": (config.rope_parameters["rope_theta"], self.field("llama.rope.freq_base")),
            "layers": (config.num_hidden_layers, self.field("llama.block_count")),
        }
        for name, (loaded, stored) in facts.items():
            if loaded != stored:
                raise SystemExit(f"{name}: transformers has {loaded}, the file {stored}")

    @staticmethod
    def parameter_name(name):
        whole = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
        stem = name.removesuffix(".weight")
        if stem in whole:
            return whole[stem] + ".weight"
        _, layer, tensor = stem.split(".")
        return f"model.layers.{layer}.{LAYER_TENSORS[tensor]}.weight"

    def build_tokenizer(self):
        """The byte-level BPE tokenizer of the file, with the pre-tokenizer that `tokenizer.ggml.pre` names.

        Built by hand: transformers' own conversion of llama-architecture GGUF files ignores `tokenizer.ggml.pre` and
        sets plain ByteLevel, which cuts spaces before a digit otherwise ("  2" becomes three ids). "smollm" means:
        every digit alone, then ByteLevel with its usual pattern and no prefix space.
        """
        if self.field("tokenizer.ggml.model") != "gpt2" or self.field("tokenizer.ggml.pre") != "smollm":
            raise SystemExit("only byte-level BPE with the smollm pre-tokenizer is known here")
        tokens = self.field("tokenizer.ggml.tokens")
        merges = [tuple(merge.split(" ")) for merge in self.field("tokenizer.ggml.merges")]
        vocabulary = {token: number for number, token in enumerate(tokens)}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=merges))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ])
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        types = self.field("tokenizer.ggml.token_type")
        tokenizer.add_special_tokens([
            tokenizers.AddedToken(token, special=True, normalized=False)
            for token, kind in zip(tokens, types) if kind == CONTROL_TOKEN
        ])
        return tokenizer

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def render(self, messages):
        """The model's chat template over the messages, with the assistant's turn opened."""
        text, _ = transformers.utils.chat_template_utils.render_jinja_template(
            [messages], chat_template=self.field("tokenizer.chat_template"), add_generation_prompt=True
        )
        return text[0]


def half_split(weight, heads):
    """Undoes llama.cpp's reordering of q and k rows.

    In the file rotary pairs are neighbours (2i, 2i+1); transformers rotates (i, i + d/2).
    """
    rows, columns = weight.shape
    dimension = rows // heads
    return weight.reshape(heads, dimension // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
