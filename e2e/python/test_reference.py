"""The default model against the goldens that transformers made of the same weights, through the whole stack."""

import json

import pytest

from server import ROOT

WORKER = ROOT / "worker/src/test/resources/goldens"
GATEWAY = ROOT / "gateway/src/test/resources/goldens"
PATH = "/v1/completions"


def golden(path):
    return json.loads(path.read_text(encoding="utf-8"))


def score(http, model, ids):
    """The log-probability of each id but the first, given all before it."""
    body = {"model": model, "prompt": ids, "echo": True, "logprobs": 0, "max_tokens": 0}
    answer = http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["logprobs"]["token_logprobs"][1:]


@pytest.mark.parametrize("entry", golden(WORKER / "greedy.json")["prompts"], ids=lambda entry: entry["name"])
def test_log_probabilities_of_the_greedy_outputs(http, model, entry):
    scored = score(http, model, entry["prompt"] + entry["output"])[-len(entry["output"]):]
    assert scored == pytest.approx([step["logprobs"][0] for step in entry["top"]], abs=0.05)


def test_perplexity(http, model):
    reference = golden(WORKER / "perplexity.json")
    scored = score(http, model, reference["ids"])
    mean = -sum(scored) / len(scored)
    # 0.2 % of a perplexity is 0.002 of its logarithm.
    assert mean == pytest.approx(reference["mean_nll"], abs=0.002)


def test_chats_are_rendered_and_tokenized_alike(http):
    entries = {entry["name"]: entry for entry in golden(WORKER / "greedy.json")["prompts"]}
    messages = [{"role": "user", "content": "What is the capital of Italy?"}]
    assert http.post("/tokenize", json={"messages": messages}).json()["tokens"] == entries["chat-fact"]["prompt"]


def test_strings_are_tokenized_alike(http):
    for entry in golden(GATEWAY / "tokenization.json")["strings"]:
        answer = http.post("/tokenize", json={"prompt": entry["text"], "add_special_tokens": False})
        assert answer.json()["tokens"] == entry["ids"], entry["text"]
        back = http.post("/detokenize", json={"tokens": entry["ids"]}).json()["prompt"]
        assert (back != entry["text"]) == entry.get("lossy", False), entry["text"]
