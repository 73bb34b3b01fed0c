"""Everything around generation: models, tokens, health, metrics, and text that is split over tokens."""

import pytest

from server import chunks, until

PATH = "/v1/completions"


def test_models(client, http, model):
    listed = http.get("/v1/models").json()
    card = listed["data"][0]
    assert listed["object"] == "list"
    assert card["object"] == "model"
    assert card["id"] == model
    assert card["max_model_len"] > 0
    assert {"created", "owned_by", "root", "parent", "permission"} <= card.keys()
    assert [entry.id for entry in client.models.list()] == [entry["id"] for entry in listed["data"]]


def test_health_ping_version(http):
    assert http.get("/health").status_code == 200
    assert http.get("/health").content == b""
    assert http.get("/ping").status_code == http.post("/ping").status_code == 200
    assert http.get("/version").json()["version"]


def test_tokenize_and_back(http):
    for text in ("Hello world", "  two  spaces\n\n", "2024-06-07", "naïve 你好 👩‍👩‍👧‍👦", "def f(x):\n\treturn x**2\n"):
        answer = http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()
        assert answer["count"] == len(answer["tokens"])
        assert answer["max_model_len"] > 0
        assert http.post("/detokenize", json={"tokens": answer["tokens"]}).json() == {"prompt": text}


def test_tokenize_strings(http):
    answer = http.post("/tokenize", json={"prompt": "Hello world", "return_token_strs": True}).json()
    assert len(answer["token_strs"]) == answer["count"]
    assert not http.post("/tokenize", json={"prompt": "Hello world"}).json().get("token_strs")


def test_tokenize_messages(http):
    messages = [{"role": "user", "content": "Hi"}]
    ids = http.post("/tokenize", json={"messages": messages}).json()["tokens"]
    bare = http.post("/tokenize", json={"messages": messages, "add_generation_prompt": False}).json()["tokens"]
    assert ids[:len(bare)] == bare and len(ids) > len(bare)


@pytest.mark.parametrize("name", [
    "num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "prompt_tokens_total", "generation_tokens_total",
    "num_preemptions_total", "request_success_total", "time_to_first_token_seconds_bucket", "inter_token_latency_seconds_bucket",
    "e2e_request_latency_seconds_bucket", "request_queue_time_seconds_bucket", "request_prefill_time_seconds_bucket",
    "request_decode_time_seconds_bucket", "request_inference_time_seconds_bucket", "request_prompt_tokens_bucket",
    "request_generation_tokens_bucket", "request_params_n_bucket", "request_params_max_tokens_bucket",
    "iteration_tokens_total_bucket", "cache_config_info",
])
def test_metric_names(server, http, model, name):
    http.post(PATH, json={"model": model, "prompt": "x", "max_tokens": 2})
    assert server.metric("vllm:" + name) is not None


def test_metrics_are_prometheus_text_and_count(server, http, model):
    page = http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert "# TYPE vllm:num_requests_running gauge" in page.text
    assert "# TYPE vllm:time_to_first_token_seconds histogram" in page.text
    assert 'model_name="' + model in page.text
    names = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total", "vllm:request_success_total")
    before = [server.metric(name) for name in names]
    done = http.post(PATH, json={"model": model, "prompt": "one two three", "max_tokens": 5, "ignore_eos": True}).json()
    expected = [before[0] + 5, before[1] + done["usage"]["prompt_tokens"], before[2] + 1]
    assert until(lambda: [server.metric(name) for name in names] == expected)


@pytest.mark.parametrize("prompt", ["I had a great day 😀🎉👩‍👩‍👧‍👦! 🌱🌱🌱🌱", "北京是中国的", "昔々、あるところに、おじいさんと", "สวัสดี ฉันชื่อ"])
def test_text_split_over_tokens_never_shows_a_replacement_character(http, model, prompt):
    """Only where max_tokens cuts a character in two, one stands for the half, as the very last character."""
    body = {"model": model, "prompt": prompt, "temperature": 0, "max_tokens": 40, "ignore_eos": True}
    whole = http.post(PATH, json=body).json()["choices"][0]["text"]
    parts = [chunk["choices"][0]["text"] for chunk in chunks(http, PATH, body)]
    assert "".join(parts) == whole
    assert not any("\ufffd" in part for part in parts[:-1])
    sound = whole.removesuffix("\ufffd")
    assert sound and "\ufffd" not in sound
    for cut in range(1, 9):
        text = http.post(PATH, json=body | {"max_tokens": cut}).json()["choices"][0]["text"]
        assert sound.startswith(text.removesuffix("\ufffd")), (cut, text)
