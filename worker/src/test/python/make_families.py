"""Makes the goldens of families of models: what transformers computes with small models of made-up weights.

    make_families.py GOLDENS [NAME...]

GOLDENS gets NAME.json for each family. No weights are kept: both sides make them from the tensors' names, by `values`.
A golden holds the config.json that transformers wrote and the tensors with the names that it saved them by; what the
same tensors and settings are called in a GGUF file, by the gguf package; and greedy outputs with logprobs.
"""

import functools
import importlib.metadata
import json
import math
import pathlib
import sys
import tempfile

import gguf
import numpy as np
import safetensors
import safetensors.torch
import torch
import transformers

from make_goldens import write

PROMPTS = 8
LENGTHS = [1, 5, 17, 33, 40, 12, 64, 26]
OUTPUT = 12
TOP = 6
# Outputs whose best two are closer than this would tell of rounding, not of mistakes.
GAP = 0.05
ROUTER_GAP = 0.003

SMALL = dict(
    vocab_size=128, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=96, max_position_embeddings=256,
)
LLAMA3 = dict(
    rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
GEMMA_ROPE = {
    "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
}
FAMILIES = {
    "llama": (transformers.LlamaConfig(**SMALL, rms_norm_eps=1e-5, rope_parameters=LLAMA3), "llama"),
    # Its window is in no GGUF file, nor do llama.cpp's converters write one.
    "mistral": (transformers.MistralConfig(**SMALL, head_dim=32, sliding_window=24), None),
    "mixtral": (transformers.MixtralConfig(**SMALL, num_local_experts=8, num_experts_per_tok=2), "llama"),
    "qwen2": (transformers.Qwen2Config(**SMALL, tie_word_embeddings=True), "qwen2"),
    "qwen3": (transformers.Qwen3Config(**SMALL, head_dim=32, tie_word_embeddings=True), "qwen3"),
    "qwen3moe": (
        transformers.Qwen3MoeConfig(
            **SMALL, head_dim=32, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=32, norm_topk_prob=True),
        "qwen3moe",
    ),
    # Not all layers have experts, and weights stay as the softmax over all gave them: no GGUF file says so.
    "qwen3moe-dense": (
        transformers.Qwen3MoeConfig(
            **SMALL, head_dim=32, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=32, norm_topk_prob=False,
            mlp_only_layers=[0]),
        None,
    ),
    "gemma3": (
        transformers.Gemma3TextConfig(
            **SMALL | dict(num_hidden_layers=7), head_dim=32, sliding_window=24, query_pre_attn_scalar=32,
            rope_parameters=GEMMA_ROPE),
        "gemma3",
    ),
}


def values(name, shape, base, scale):
    """Numbers that BF16 holds exactly: of element i, 7 bits of splitmix64(fnv1a(name) + i) as a fraction from -1 to 1."""
    seed = np.uint64(0xCBF29CE484222325)
    with np.errstate(over="ignore"):
        for byte in name.encode():
            seed = (seed ^ np.uint64(byte)) * np.uint64(0x100000001B3)
        z = seed + (np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    fraction = ((z >> np.uint64(56)).astype(np.int32) & 0xFE) / 128.0 - 1
    return (base + scale * fraction).astype(np.float32).reshape(shape)


def base_and_scale(name, config, tensor, shape):
    """A norm is around what it multiplies by, a matrix keeps the size of what it multiplies.

    Rows of a table that is the head too are small, or a token would be followed by itself; the last norm makes up for it.
    """
    gemma = name == "gemma3"
    smaller = (16.0 if gemma else 4.0) if config.tie_word_embeddings else 1.0
    last = (8.0 if gemma else 2.0) if config.tie_word_embeddings else 1.0
    if tensor.endswith("norm.weight"):
        around = last if tensor == "model.norm.weight" else 1.0
        return around - (1.0 if gemma else 0.0), around / 2
    if tensor.endswith("bias"):
        return 0.0, 0.5
    if "embed_tokens" in tensor:
        return 0.0, 1.0 / smaller
    return 0.0, 2.0 ** round(math.log2(math.sqrt(3 / shape[-1])))


def saved_tensors(folder):
    """Names and shapes as they lie on disk."""
    with safetensors.safe_open(folder / "model.safetensors", "np") as file:
        return {name: list(file.get_slice(name).get_shape()) for name in file.keys()}


def gguf_names(architecture, tensors, layers):
    """What the gguf package calls them; experts of a layer share a name."""
    known = gguf.get_tensor_name_map(
        next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture), layers)
    names = {}
    for name in tensors:
        parts = name.split(".")
        if "experts" in parts:
            at = parts.index("experts")
            name_of_all = ".".join([*parts[: at + 1], parts[at + 2], "weight"])
            names[name] = known.get_name(name_of_all, try_suffixes=(".weight",))
        else:
            names[name] = known.get_name(name, try_suffixes=(".weight", ".bias"))
        if names[name] is None:
            raise SystemExit(f"the gguf package has no name for {name}")
    return names


def gguf_keys(architecture, config):
    """The settings of a GGUF file by the gguf package's own writer: key to type and value."""
    writer = gguf.GGUFWriter(None, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if head != config.hidden_size // config.num_attention_heads:
        writer.add_key_length(head)
        writer.add_value_length(head)
    rope = config.rope_parameters
    full = rope.get("full_attention", rope)
    writer.add_rope_freq_base(full["rope_theta"])
    if full["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(full["factor"])
    if architecture == "llama":
        writer.add_rope_dimension_count(head)
    if architecture == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    if hasattr(config, "num_experts_per_tok"):
        writer.add_expert_count(config.num_local_experts if hasattr(config, "num_local_experts") else config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if hasattr(config, "moe_intermediate_size"):
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    return {key: [int(value.type), value.value] for data in writer.kv_data for key, value in data.items()}


def rope_divisors(config):
    """Llama 3's frequencies over the plain ones, as converters store them in rope_freqs.weight."""
    if config.rope_parameters.get("rope_type") != "llama3":
        return None
    frequencies, _ = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    head = config.head_dim
    plain = 1.0 / (config.rope_parameters["rope_theta"] ** (torch.arange(0, head, 2, dtype=torch.float32) / head))
    return [float(f"{x:.8g}") for x in (plain / frequencies).tolist()]


@torch.inference_mode()
def generate(model, ids):
    output, top, cache = [], [], None
    step = torch.tensor([ids])
    for _ in range(OUTPUT):
        result = model(step, past_key_values=cache, use_cache=True)
        cache = result.past_key_values
        best = torch.log_softmax(result.logits[0, -1].double(), -1).topk(TOP)
        top.append({"ids": best.indices.tolist(), "logprobs": [round(x, 4) for x in best.values.tolist()]})
        output.append(top[-1]["ids"][0])
        step = torch.tensor([[output[-1]]])
    return output, top


class Routers:
    """Sees how far the last expert that a token uses is from the first that it does not."""

    def __init__(self, model):
        self.chosen = getattr(model.config, "num_experts_per_tok", None)
        self.gap = math.inf
        if self.chosen:
            for name, module in model.named_modules():
                if name.endswith((".mlp.gate", ".block_sparse_moe.gate")):
                    module.register_forward_hook(self.see)

    def see(self, module, inputs, _):
        logits = torch.nn.functional.linear(inputs[0].reshape(-1, module.weight.shape[-1]), module.weight)
        best = logits.topk(self.chosen + 1).values
        self.gap = min(self.gap, float((best[:, -2] - best[:, -1]).min()))


def prompts(model):
    """Prompts whose outputs do not hang on a rounding, neither of a choice among ids nor of one among experts."""
    random = np.random.default_rng(0)
    routers = Routers(model)
    found = []
    while len(found) < PROMPTS:
        ids = random.integers(0, SMALL["vocab_size"], LENGTHS[len(found)]).tolist()
        routers.gap = math.inf
        output, top = generate(model, ids)
        if routers.gap > ROUTER_GAP and all(step["logprobs"][0] - step["logprobs"][1] > GAP for step in top):
            found.append({"prompt": ids, "output": output, "top": top})
    if routers.chosen and routers.gap == math.inf:
        raise SystemExit("no router was seen")
    return found


def computed(name, kind, config, base_and_scale, compute):
    """A model with made-up weights as it is saved: its tensors, its config.json, and what is computed with it.

    base_and_scale says of a tensor's name and shape how its values lie.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        kind.from_config(config, dtype=torch.float32).save_pretrained(folder)
        tensors = {
            tensor: (shape, *base_and_scale(tensor, shape)) for tensor, shape in saved_tensors(folder).items()
        }
        safetensors.torch.save_file(
            {tensor: torch.from_numpy(values(tensor, *rest)) for tensor, rest in tensors.items()},
            folder / "model.safetensors", {"format": "pt"})
        model, info = kind.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        if any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")):
            raise SystemExit(f"{name}: transformers did not load what it saved: {info}")
        return tensors, json.loads((folder / "config.json").read_text()), compute(model.eval())


def golden(name):
    config, architecture = FAMILIES[name]
    tensors, written, entries = computed(
        name, transformers.AutoModelForCausalLM, config, functools.partial(base_and_scale, name, config), prompts)
    names = gguf_names(architecture, tensors, config.num_hidden_layers) if architecture else {}
    gguf_part = {"keys": gguf_keys(architecture, config), "rope_freqs": rope_divisors(config)} if architecture else None
    return {
        "definition": "tensors: name, shape, base and scale of its values, name in a GGUF file; prompts: greedy ids and "
        "the best of the raw distribution with their natural-log probabilities at each step",
        "config": written,
        "gguf": gguf_part,
        "tensors": [[tensor, shape, base, scale, names.get(tensor)] for tensor, (shape, base, scale) in tensors.items()],
        "prompts": entries,
    }


def write_all(goldens, names, golden):
    """Writes what a function makes of each name."""
    made_by = {
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "gguf": importlib.metadata.version("gguf"),
        "numpy": np.__version__,
        "dtype": "float32",
        "attention": "eager",
    }
    for name in names:
        write(pathlib.Path(goldens) / f"{name}.json", made_by, golden(name))


def main(goldens, *names):
    write_all(goldens, names or FAMILIES, golden)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
