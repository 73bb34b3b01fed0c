"""/v1/chat/completions, as the openai package and as the wire see it."""

import json

import pytest

from server import chunks

FACT = [{"role": "user", "content": "What do bees make?"}]
CHAT = "/v1/chat/completions"


def ask(model, **more):
    return {"model": model, "messages": FACT, "temperature": 0, "max_tokens": 24} | more


def text_of(stream, index=0):
    return "".join(
        choice["delta"].get("content") or ""
        for chunk in stream for choice in chunk["choices"] if choice["index"] == index
    )


def test_plain(client, model):
    answer = client.chat.completions.create(**ask(model))
    choice = answer.choices[0]
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == model
    assert choice.message.role == "assistant"
    assert choice.message.content.strip()
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens <= 24


def test_all_fields_are_written_nulls_too(http, model):
    body = http.post(CHAT, json=ask(model)).json()
    assert {"id", "object", "created", "model", "choices", "service_tier", "system_fingerprint", "usage"} <= body.keys()
    choice = body["choices"][0]
    assert {"index", "message", "logprobs", "finish_reason", "stop_reason"} <= choice.keys()
    assert {"role", "content", "refusal"} <= choice["message"].keys()
    assert "tool_calls" not in choice["message"] or choice["message"]["tool_calls"] == []
    assert choice["logprobs"] is None


def test_model_may_be_absent_or_empty_and_unknown_fields_are_taken(http, model):
    for extra in ({}, {"model": ""}, {"a_field_of_tomorrow": {"x": 1}}):
        body = ask(model, max_tokens=2) | {"user": "me"}
        body.pop("model")
        answer = http.post(CHAT, json=body | extra)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == model


def test_request_id_of_the_header_becomes_the_answers_id(http, model):
    answer = http.post(CHAT, json=ask(model, max_tokens=1), headers={"X-Request-Id": "goose-7"}).json()
    assert answer["id"] == "chatcmpl-goose-7"


def test_content_parts_are_the_text_they_hold(http, model):
    parts = [{"role": "user", "content": [{"type": "text", "text": "What do bees make?"}]}]
    plain = http.post(CHAT, json=ask(model)).json()["choices"][0]["message"]["content"]
    assert http.post(CHAT, json=ask(model, messages=parts)).json()["choices"][0]["message"]["content"] == plain


def test_max_completion_tokens_goes_before_max_tokens(http, model):
    answer = http.post(CHAT, json=ask(model, max_tokens=9, max_completion_tokens=3, ignore_eos=True)).json()
    assert answer["usage"]["completion_tokens"] == 3
    assert answer["choices"][0]["finish_reason"] == "length"


def test_stream_order(http, model):
    stream = chunks(http, CHAT, ask(model))
    plain = http.post(CHAT, json=ask(model)).json()
    first, last = stream[0], stream[-1]
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert first["choices"][0]["finish_reason"] is None
    assert last["choices"][0]["finish_reason"] == plain["choices"][0]["finish_reason"]
    assert "stop_reason" in last["choices"][0]
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in stream[:-1])
    assert all("role" not in chunk["choices"][0]["delta"] for chunk in stream[1:])
    assert {(chunk["id"], chunk["object"], chunk["model"], chunk["created"]) for chunk in stream} == {
        (first["id"], "chat.completion.chunk", model, first["created"])}
    assert first["id"].startswith("chatcmpl-")
    assert not any("usage" in chunk for chunk in stream)
    assert text_of(stream) == plain["choices"][0]["message"]["content"]


def test_stream_with_usage(http, model):
    stream = chunks(http, CHAT, ask(model, stream_options={"include_usage": True}))
    usage = stream[-1]["usage"]
    assert stream[-1]["choices"] == []
    assert stream[-2]["choices"][0]["finish_reason"]
    assert not any("usage" in chunk for chunk in stream[:-1])
    plain = http.post(CHAT, json=ask(model)).json()["usage"]
    assert [usage[k] for k in ("prompt_tokens", "completion_tokens", "total_tokens")] == [
        plain[k] for k in ("prompt_tokens", "completion_tokens", "total_tokens")]


def test_stream_with_usage_on_every_chunk(http, model):
    options = {"include_usage": True, "continuous_usage_stats": True}
    stream = chunks(http, CHAT, ask(model, stream_options=options))
    counts = [chunk["usage"]["completion_tokens"] for chunk in stream]
    assert counts == sorted(counts)
    assert counts[-1] == stream[-2]["usage"]["completion_tokens"] > 0


def test_stream_of_the_package(client, model):
    stream = client.chat.completions.create(**ask(model), stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == client.chat.completions.create(**ask(model)).choices[0].message.content


def test_two_choices(client, model):
    body = ask(model, n=2, temperature=1.0, seed=7, max_tokens=16)
    once, again = client.chat.completions.create(**body), client.chat.completions.create(**body)
    texts = [choice.message.content for choice in once.choices]
    assert [choice.index for choice in once.choices] == [0, 1]
    assert texts[0] != texts[1]
    assert texts == [choice.message.content for choice in again.choices]
    assert once.usage.completion_tokens > 16 or any(c.finish_reason == "stop" for c in once.choices)
    assert once.usage.prompt_tokens == client.chat.completions.create(**ask(model)).usage.prompt_tokens


def test_two_choices_streamed(http, model):
    body = ask(model, n=2, temperature=1.0, seed=7, max_tokens=16, stream_options={"include_usage": True})
    stream = chunks(http, CHAT, body)
    whole = http.post(CHAT, json={k: v for k, v in body.items() if k != "stream_options"}).json()
    assert all(len(chunk["choices"]) == 1 for chunk in stream[:-1])
    for index in (0, 1):
        mine = [chunk["choices"][0] for chunk in stream[:-1] if chunk["choices"][0]["index"] == index]
        assert mine[0]["delta"] == {"role": "assistant", "content": ""}
        assert [choice["finish_reason"] for choice in mine].index(whole["choices"][index]["finish_reason"]) == len(mine) - 1
        assert text_of(stream, index) == whole["choices"][index]["message"]["content"]
    assert stream[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


def test_logprobs(http, model):
    answer = http.post(CHAT, json=ask(model, logprobs=True, top_logprobs=3)).json()["choices"][0]
    tokens = answer["logprobs"]["content"]
    written = b"".join(bytes(token["bytes"]) for token in tokens)
    assert written.decode().startswith(answer["message"]["content"])
    for token in tokens:
        best = token["top_logprobs"]
        values = [entry["logprob"] for entry in best]
        assert len(best) == 3
        assert values == sorted(values, reverse=True)
        assert all(-9999 <= value <= 0 for value in values)
        # Greedy: the chosen token is the best one.
        assert (token["token"], token["logprob"], token["bytes"]) == (best[0]["token"], best[0]["logprob"], best[0]["bytes"])


def test_logprobs_without_alternatives(http, model):
    tokens = http.post(CHAT, json=ask(model, logprobs=True, max_tokens=3)).json()["choices"][0]["logprobs"]["content"]
    assert len(tokens) == 3
    assert all(token["top_logprobs"] == [] for token in tokens)


def test_logprobs_streamed(http, model):
    body = ask(model, logprobs=True, top_logprobs=2)
    whole = http.post(CHAT, json=body).json()["choices"][0]["logprobs"]["content"]
    streamed = [
        token
        for chunk in chunks(http, CHAT, body)
        for token in (chunk["choices"][0].get("logprobs") or {"content": []})["content"]
    ]
    assert [token["token"] for token in streamed] == [token["token"] for token in whole]
    assert [token["logprob"] for token in streamed] == pytest.approx([token["logprob"] for token in whole], abs=1e-4)


def test_logprobs_are_of_the_raw_distribution(http, model):
    plain = http.post(CHAT, json=ask(model, logprobs=True, top_logprobs=5, max_tokens=1)).json()
    bent = http.post(CHAT, json=ask(
        model, logprobs=True, top_logprobs=5, max_tokens=1, temperature=2.0, top_k=1, frequency_penalty=2.0)).json()
    best = [[entry["logprob"] for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]]
            for answer in (plain, bent)]
    assert best[0] == pytest.approx(best[1], abs=1e-4)


def test_logit_bias_and_allowed_ids_choose_the_token(http, model):
    token = http.post("/tokenize", json={"prompt": " goose", "add_special_tokens": False}).json()["tokens"][0]
    for choice in ({"logit_bias": {str(token): 100}}, {"allowed_token_ids": [token]}):
        answer = http.post(CHAT, json=ask(model, max_tokens=1, logprobs=True) | choice).json()
        word = http.post("/detokenize", json={"tokens": [token]}).json()["prompt"]
        assert answer["choices"][0]["message"]["content"] == word


def test_continuing_the_last_message(http, model):
    begun = FACT + [{"role": "assistant", "content": "Bees make"}]
    flags = {"continue_final_message": True, "add_generation_prompt": False}
    both = http.post(CHAT, json=ask(model, messages=begun, continue_final_message=True, add_generation_prompt=True))
    assert both.status_code == 400
    answer = http.post(CHAT, json=ask(model, messages=begun) | flags)
    assert answer.status_code == 200, answer.text
    ids = http.post("/tokenize", json={"messages": begun} | flags).json()["tokens"]
    assert http.post("/detokenize", json={"tokens": ids}).json()["prompt"].endswith("Bees make")


def test_min_tokens_holds_back_the_end(http, model):
    hello = [{"role": "user", "content": "Say only: ok"}]
    answer = http.post(CHAT, json=ask(model, messages=hello, min_tokens=40, max_tokens=40)).json()
    assert answer["usage"]["completion_tokens"] == 40


def test_stream_ends_with_done_and_each_chunk_is_one_json_object(http, model):
    with http.stream("POST", CHAT, json=ask(model, stream=True)) as response:
        raw = b"".join(response.iter_raw()).decode()
    frames = raw.split("\n\n")
    assert frames[-1] == "" and frames[-2] == "data: [DONE]"
    assert all(isinstance(json.loads(frame.removeprefix("data: ")), dict) for frame in frames[:-2])
