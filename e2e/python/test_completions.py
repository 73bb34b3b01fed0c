"""/v1/completions: the older form, which benchmarks, routers and evaluation harnesses use."""

import pytest

from server import chunks

PATH = "/v1/completions"
PROMPT = "The capital of France is"


def ask(model, **more):
    return {"model": model, "prompt": PROMPT, "temperature": 0, "max_tokens": 12} | more


def test_a_fact(client, model):
    answer = client.completions.create(**ask(model))
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    assert "Paris" in answer.choices[0].text
    assert answer.usage.completion_tokens == 12


def test_sixteen_tokens_unless_told_otherwise(http, model):
    body = ask(model, ignore_eos=True)
    body.pop("max_tokens")
    assert http.post(PATH, json=body).json()["usage"]["completion_tokens"] == 16


def test_stream(http, model):
    stream = chunks(http, PATH, ask(model, stream_options={"include_usage": True}))
    whole = http.post(PATH, json=ask(model)).json()
    assert "".join(chunk["choices"][0]["text"] for chunk in stream[:-1]) == whole["choices"][0]["text"]
    assert all(chunk["object"] == "text_completion" for chunk in stream)
    assert all({"index", "text", "logprobs", "finish_reason", "stop_reason"} <= chunk["choices"][0].keys()
               for chunk in stream[:-1])
    assert stream[-2]["choices"][0]["finish_reason"] == "length"
    assert stream[-1]["choices"] == []
    assert stream[-1]["usage"]["completion_tokens"] == 12


def test_stream_of_the_package(client, model):
    stream = client.completions.create(**ask(model), stream=True)
    assert "Paris" in "".join(chunk.choices[0].text for chunk in stream)


def test_several_prompts(http, model):
    prompts = [PROMPT, "Two plus two is", "Once upon a time"]
    whole = http.post(PATH, json=ask(model, prompt=prompts)).json()
    single = [http.post(PATH, json=ask(model, prompt=prompt)).json() for prompt in prompts]
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    assert [choice["text"] for choice in whole["choices"]] == [one["choices"][0]["text"] for one in single]
    assert whole["usage"]["prompt_tokens"] == sum(one["usage"]["prompt_tokens"] for one in single)


def test_several_prompts_times_n(http, model):
    body = ask(model, prompt=[PROMPT, "Once upon a time"], n=2, temperature=1.0, seed=3)
    choices = http.post(PATH, json=body).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    stream = chunks(http, PATH, body)
    for index in range(4):
        mine = [chunk["choices"][0] for chunk in stream if chunk["choices"][0]["index"] == index]
        assert "".join(choice["text"] for choice in mine) == choices[index]["text"]


def test_token_ids_as_prompts(http, model):
    ids = http.post("/tokenize", json={"prompt": PROMPT}).json()["tokens"]
    text = http.post(PATH, json=ask(model)).json()["choices"][0]["text"]
    assert http.post(PATH, json=ask(model, prompt=ids)).json()["choices"][0]["text"] == text
    both = http.post(PATH, json=ask(model, prompt=[ids, ids])).json()
    assert [choice["text"] for choice in both["choices"]] == [text, text]


def test_echo(http, model):
    text = http.post(PATH, json=ask(model)).json()["choices"][0]["text"]
    assert http.post(PATH, json=ask(model, echo=True)).json()["choices"][0]["text"] == PROMPT + text
    streamed = chunks(http, PATH, ask(model, echo=True))
    assert "".join(chunk["choices"][0]["text"] for chunk in streamed) == PROMPT + text


def test_echo_of_the_prompt_alone(http, model):
    answer = http.post(PATH, json=ask(model, echo=True, max_tokens=0)).json()
    assert answer["choices"][0]["text"] == PROMPT
    assert answer["usage"]["completion_tokens"] == 0


def test_logprobs(http, model):
    choice = http.post(PATH, json=ask(model, logprobs=2)).json()["choices"][0]
    values = choice["logprobs"]
    assert "".join(values["tokens"]) == choice["text"]
    assert {len(values[name]) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")} == {12}
    for token, value, best in zip(values["tokens"], values["token_logprobs"], values["top_logprobs"]):
        assert len(best) in (2, 3)
        assert best[token] == value == max(best.values()) <= 0
    offsets = values["text_offset"]
    assert offsets == [offsets[0] + sum(map(len, values["tokens"][:at])) for at in range(12)]


def test_logprobs_zero_is_the_sampled_token_alone(http, model):
    values = http.post(PATH, json=ask(model, logprobs=0, max_tokens=3)).json()["choices"][0]["logprobs"]
    assert [list(best) for best in values["top_logprobs"]] == [[token] for token in values["tokens"]]


def test_logprobs_of_the_prompt(http, model):
    choice = http.post(PATH, json=ask(model, echo=True, logprobs=1, max_tokens=2)).json()["choices"][0]
    values = choice["logprobs"]
    assert "".join(values["tokens"]) == choice["text"]
    assert values["text_offset"][0] == 0
    assert values["token_logprobs"][0] is None and values["top_logprobs"][0] is None
    assert all(value <= 0 for value in values["token_logprobs"][1:])
    # Generated and scored, a token has the same probability.
    again = http.post(PATH, json=ask(model, prompt=choice["text"], echo=True, logprobs=1, max_tokens=0)).json()
    scored = again["choices"][0]["logprobs"]
    assert scored["tokens"] == values["tokens"]
    assert scored["token_logprobs"][1:] == pytest.approx(values["token_logprobs"][1:], abs=1e-3)


def test_logprobs_streamed(http, model):
    body = ask(model, logprobs=1)
    whole = http.post(PATH, json=body).json()["choices"][0]["logprobs"]
    parts = [chunk["choices"][0]["logprobs"] for chunk in chunks(http, PATH, body)]
    parts = [part for part in parts if part]
    assert sum((part["tokens"] for part in parts), []) == whole["tokens"]
    assert sum((part["text_offset"] for part in parts), []) == whole["text_offset"]


def test_penalties_change_a_text_that_repeats_itself(http, model):
    body = ask(model, prompt="tick tock tick tock tick tock", max_tokens=48, ignore_eos=True)
    plain, fresh = (
        http.post(PATH, json=body | extra | {"logprobs": 0}).json()["choices"][0]["logprobs"]["tokens"]
        for extra in ({}, {"frequency_penalty": 2.0, "presence_penalty": 2.0})
    )
    assert len(set(fresh)) > len(set(plain))


def test_top_k_one_is_greedy(http, model):
    greedy = http.post(PATH, json=ask(model)).json()["choices"][0]["text"]
    for only_the_best in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}):
        bent = http.post(PATH, json=ask(model, temperature=1.5) | only_the_best).json()
        assert bent["choices"][0]["text"] == greedy, only_the_best


def test_bad_words_do_not_come_out(http, model):
    """The usual token of a word after a space, and two tokens in a row of which each alone may come."""
    body = {"model": model, "prompt": "Once upon a time", "temperature": 0, "max_tokens": 40, "logprobs": 0}

    def tokens(**more):
        return http.post(PATH, json=body | more).json()["choices"][0]["logprobs"]["tokens"]

    free = tokens()
    word = next(token for token in free if token[0] == " " and token.strip().isalpha())
    assert word not in tokens(bad_words=[word.strip()])
    place = next(place for place in range(5, 20) if free[place][0] == " " and free[place + 1][0] == " ")
    pair = free[place:place + 2]
    kept = tokens(bad_words=["".join(pair).strip()])
    assert kept[:place + 1] == free[:place + 1]
    assert pair not in [kept[at:at + 2] for at in range(len(kept))]
