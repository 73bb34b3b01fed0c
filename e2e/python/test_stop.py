"""Stop strings and stop ids: cut exactly, named, and never leaked in part."""

import random

import pytest

from server import chunks

PATH = "/v1/completions"
SEED = 20240607


def ask(model, **more):
    return {"model": model, "prompt": "Once upon a time", "temperature": 0, "max_tokens": 48, "ignore_eos": True} | more


@pytest.fixture(scope="module")
def story(http, model):
    return http.post(PATH, json=ask(model)).json()["choices"][0]["text"]


def pieces(story):
    """Substrings that begin and end anywhere, also inside tokens."""
    print("seed", SEED)
    choose = random.Random(SEED)
    for length in (1, 2, 3, 5, 8, 13, 21):
        start = choose.randrange(20, len(story) - length)
        yield story[start:start + length]


def test_cut_before_the_first_match(http, model, story):
    for stop in pieces(story):
        choice = http.post(PATH, json=ask(model, stop=stop)).json()["choices"][0]
        assert choice["text"] == story[:story.index(stop)]
        assert choice["finish_reason"] == "stop"
        assert choice["stop_reason"] == stop


def test_streams_leak_nothing(http, model, story):
    for stop in pieces(story):
        stream = chunks(http, PATH, ask(model, stop=[stop]))
        assert "".join(chunk["choices"][0]["text"] for chunk in stream) == story[:story.index(stop)]
        assert stream[-1]["choices"][0]["finish_reason"] == "stop"
        assert stream[-1]["choices"][0]["stop_reason"] == stop


def test_text_held_back_for_a_stop_that_never_comes_is_sent_at_the_end(http, model, story):
    stop = story[-3:] + "\x00"
    stream = chunks(http, PATH, ask(model, stop=[stop]))
    assert "".join(chunk["choices"][0]["text"] for chunk in stream) == story
    assert stream[-1]["choices"][0]["finish_reason"] == "length"


def test_the_match_that_completes_first_wins(http, model, story):
    late, early = story[60:64], story[30:34]
    choice = http.post(PATH, json=ask(model, stop=[late, early])).json()["choices"][0]
    assert choice["text"] == story[:min(story.index(late), story.index(early))]


def test_stop_string_in_the_output_when_asked_for(http, model, story):
    stop = story[40:46]
    cut = story[:story.index(stop) + len(stop)]
    body = ask(model, stop=[stop], include_stop_str_in_output=True)
    assert http.post(PATH, json=body).json()["choices"][0]["text"] == cut
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks(http, PATH, body)) == cut


def test_no_stop_before_min_tokens(http, model, story):
    stop = story[8:12]
    answer = http.post(PATH, json=ask(model, stop=[stop], min_tokens=48)).json()
    assert answer["usage"]["completion_tokens"] == 48


def test_stop_ids(http, model):
    ids = http.post(PATH, json=ask(model, return_token_ids=True)).json()["choices"][0].get("token_ids")
    if ids is None:
        ids = http.post("/tokenize", json={"prompt": "a the ,.", "add_special_tokens": False}).json()["tokens"]
    wanted = ids[5 % len(ids)]
    choice = http.post(PATH, json=ask(model, stop_token_ids=[wanted])).json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["stop_reason"] == wanted


def test_the_models_own_end(http, model):
    chat = {"model": model, "temperature": 0, "max_tokens": 200, "messages": [{"role": "user", "content": "Say hello."}]}
    choice = http.post("/v1/chat/completions", json=chat).json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["stop_reason"] is None
    assert "<|" not in choice["message"]["content"]


def test_stop_in_chat_streams(http, model):
    chat = {"model": model, "temperature": 0, "max_tokens": 40, "messages": [{"role": "user", "content": "Tell me about bees."}]}
    whole = http.post("/v1/chat/completions", json=chat).json()["choices"][0]["message"]["content"]
    stop = whole[25:29]
    stream = chunks(http, "/v1/chat/completions", chat | {"stop": stop})
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in stream) == whole[:whole.index(stop)]
