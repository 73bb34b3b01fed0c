"""Makes the goldens that the worker and the gateway are tested against.

    make_goldens.py MODEL.gguf WORKER_GOLDENS GATEWAY_GOLDENS [NAME...]

WORKER_GOLDENS gets greedy.json, perplexity.json (of the declaration.txt that lies there), layers.json and
sampling.json; GATEWAY_GOLDENS gets tokenization.json. With names, only those are made.

The reference is transformers in float32 on the de-quantised weights of the file; a run of a few minutes on two cores.
"""

import json
import pathlib
import sys

import numpy as np
import torch

import prompts
import sampling
import strings
from reference import Reference

OUTPUT = 64
TOP = 20
EOS = "<|im_end|>"


def greedy(reference):
    """64 greedy ids for each prompt, going on after EOS, and the 20 best of the raw distribution at each step."""
    entries = []
    texts = prompts.TEXTS | {name: reference.render(chat) for name, chat in prompts.CHATS.items()}
    for name, text in texts.items():
        ids = reference.encode(text)
        output, top = generate(reference, ids)
        gaps = [round(step["logprobs"][0] - step["logprobs"][1], 5) for step in top]
        eos = [at for at, token in enumerate(output) if token == reference.tokenizer.token_to_id(EOS)]
        entries.append({"name": name, "text": text, "prompt": ids, "output": output, "eos_at": eos, "gaps": gaps, "top": top})
        print(f"greedy {name}: {len(ids)} ids, smallest gap {min(gaps)}: {reference.tokenizer.decode(output)[:70]!r}", flush=True)
    return {
        "definition": "output: 64 greedy ids (argmax), not stopped by EOS; eos_at: where output holds EOS; "
        "top: for each step the 20 best ids with their natural-log probabilities, best first; gaps: best minus second",
        "prompts": entries,
    }


@torch.inference_mode()
def generate(reference, ids):
    output, top, cache = [], [], None
    step = torch.tensor([ids])
    for _ in range(OUTPUT):
        result = reference.model(step, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = result.past_key_values
        best = torch.log_softmax(result.logits[0, -1].double(), -1).topk(TOP)
        top.append({"ids": best.indices.tolist(), "logprobs": [round(x, 5) for x in best.values.tolist()]})
        output.append(top[-1]["ids"][0])
        step = torch.tensor([[output[-1]]])
    return output, top


@torch.inference_mode()
def perplexity(reference, text):
    ids = reference.encode(text)
    if len(ids) > 2048:
        raise SystemExit(f"the text has {len(ids)} ids, more than the window of 2048")
    logits = reference.model(torch.tensor([ids])).logits[0, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none").numpy()
    mean = float(np.sum(losses, dtype=np.float64)) / len(losses)
    print(f"perplexity: {len(ids)} ids, mean {mean:.6f}, perplexity {np.exp(mean):.6f}", flush=True)
    return {
        "definition": "one window; mean over ids 1..N-1 of -ln p(id | all ids before it); sums in float64",
        "text": "declaration.txt",
        "origin": "The Declaration of Independence of the United States, 4 July 1776, after the engrossed parchment; public domain",
        "mean_nll": round(mean, 8),
        "perplexity": round(float(np.exp(mean)), 8),
        "ids": ids,
        "nll": [round(float(loss), 5) for loss in losses],
    }


@torch.inference_mode()
def layers(reference):
    """The states of one short prompt after every stage, to find the first layer that goes wrong."""
    text = prompts.TEXTS["capital-of-france"]
    ids = reference.encode(text)
    stages = []
    hooks = [reference.model.model.embed_tokens.register_forward_hook(lambda _m, _i, out: stages.append(out[0].clone()))]
    for layer in reference.model.model.layers:
        hooks.append(layer.register_forward_hook(lambda _m, _i, out: stages.append(out[0].clone())))
    final = []
    hooks.append(reference.model.model.norm.register_forward_hook(lambda _m, _i, out: final.append(out[0, -1].clone())))
    logits = reference.model(torch.tensor([ids])).logits[0, -1]
    for hook in hooks:
        hook.remove()
    best = logits.topk(25).indices.tolist()
    spread = [i for i in range(7, logits.numel(), logits.numel() // 26) if i not in best][:25]
    return {
        "definition": "stages: the residual stream after the embedding, then after each layer: L2 norm at every position, and "
        "the first 8 values at the last; final_norm: the last position after the output norm; logits: at the last position",
        "text": text,
        "ids": ids,
        "stages": [
            {"norms": numbers(state.norm(dim=-1)), "head": numbers(state[-1, :8])} for state in stages
        ],
        "final_norm": numbers(final[0]),
        "logits": {str(i): round(float(logits[i]), 4) for i in best + spread},
    }


def tokenization(reference):
    decode = reference.tokenizer.decode
    entries = []
    for text in strings.STRINGS:
        ids = reference.encode(text)
        # Some bytes have no token in this vocabulary: then the text does not come back whole.
        entries.append({"text": text, "ids": ids} | ({} if decode(ids, skip_special_tokens=False) == text else {"lossy": True}))
    print(f"tokenization: {len(entries)} strings, {sum('lossy' in e for e in entries)} lossy", flush=True)
    return {
        "definition": "ids of each text, special tokens inside the text recognised, none added; "
        "lossy: decoding the ids does not give the text again, since the vocabulary lacks a byte of it",
        "strings": entries,
    }


def numbers(tensor):
    return [float(f"{x:.5g}") for x in tensor.tolist()]


def write(path, provenance, golden):
    """JSON with one line for each entry of a list of objects or of lists: small, and a readable diff."""
    parts = []
    for key, value in ({"made_by": provenance} | golden).items():
        if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
            lines = ",\n".join(compact(item) for item in value)
            parts.append(f"{compact(key)}: [\n{lines}\n]")
        else:
            parts.append(f"{compact(key)}: {compact(value)}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size} bytes", flush=True)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def main(model, worker, gateway, *names):
    torch.manual_seed(0)
    reference = Reference(model)
    worker, gateway = pathlib.Path(worker), pathlib.Path(gateway)
    makers = {
        "sampling": (worker, lambda: {"definition": sampling.__doc__.strip(), "cases": sampling.cases()}),
        "tokenization": (gateway, lambda: tokenization(reference)),
        "layers": (worker, lambda: layers(reference)),
        "perplexity": (worker, lambda: perplexity(reference, (worker / "declaration.txt").read_text(encoding="utf-8"))),
        "greedy": (worker, lambda: greedy(reference)),
    }
    for name in names or makers:
        folder, make = makers[name]
        origin = {"numpy": np.__version__, "dtype": "float64"} if name == "sampling" else reference.provenance()
        write(folder / f"{name}.json", origin, make())


if __name__ == "__main__":
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
