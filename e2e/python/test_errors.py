"""Bad requests: the right status, a body that names the field, nothing of our insides, and a server that goes on."""

import json
import re
import socket
import threading

import httpx
import openai
import pytest

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
INSIDES = re.compile(r"\bat [\w.$]+\(|java\.|dev\.skein|Exception|vertx|jackson|/home/|/root/", re.IGNORECASE)


def chat(model, /, **more):
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2} | more


def completion(model, /, **more):
    return {"model": model, "prompt": "Hi", "max_tokens": 2} | more


def check(answer, status, param=None, mentions=None):
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert error["code"] == status
    assert error["message"]
    assert not INSIDES.search(error["message"]), error["message"]
    if param:
        assert error["param"] == param, error
    if mentions:
        assert mentions in error["message"], error["message"]
    return error


@pytest.fixture(autouse=True, scope="module")
def goes_on(http, model):
    yield
    assert http.post(CHAT, json=chat(model)).status_code == 200


@pytest.mark.parametrize("path, make", [(CHAT, chat), (COMPLETIONS, completion)])
def test_unknown_model(http, path, make):
    assert check(http.post(path, json=make("no-such-model")), 404, "model", "no-such-model")["type"] == "NotFoundError"


def test_unknown_model_in_the_package(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hi"}])


def test_bad_temperature_in_the_package(client, model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**chat(model, temperature=2.5))
    assert caught.value.param == "temperature"


BAD_VALUES = [
    ("temperature", -0.1), ("temperature", 2.01), ("temperature", 1e308), ("top_p", 0), ("top_p", 1.5), ("top_p", -1), ("top_k", -2),
    ("min_p", -0.1), ("min_p", 1.1), ("repetition_penalty", 0), ("repetition_penalty", -1), ("frequency_penalty", 2.1),
    ("presence_penalty", -2.1), ("max_tokens", -1), ("n", 0), ("n", 20000), ("n", -1), ("min_tokens", -1), ("stop", [""]), ("stop", ""),
    ("stop", ["a", "b", "c", "d", "e"]), ("logit_bias", {"99999999": 1}), ("logit_bias", {"-1": 1}), ("logit_bias", {"goose": 1}),
    ("allowed_token_ids", []), ("allowed_token_ids", [99999999]), ("stop_token_ids", [-1]),
]
WRONG_TYPES = [
    ("temperature", "hot"), ("temperature", []), ("temperature", {}), ("top_p", "x"), ("top_k", 1.5), ("top_k", "x"), ("max_tokens", "many"), ("max_tokens", 1.5),
    ("max_tokens", 10**30), ("n", "two"), ("n", [1]), ("seed", "x"), ("seed", 2**70), ("stop", 5), ("stop", [5]), ("stop", {"a": 1}), ("stream", "perhaps"),
    ("stream_options", 5), ("logit_bias", [1]), ("logit_bias", {"5": "x"}), ("model", 5), ("model", ["x"]), ("ignore_eos", "perhaps"), ("stop_token_ids", "x"),
    ("frequency_penalty", "x"), ("presence_penalty", "y"),
]


@pytest.mark.parametrize("path, make", [(CHAT, chat), (COMPLETIONS, completion)])
@pytest.mark.parametrize("field, value", BAD_VALUES)
def test_value_out_of_bounds(http, model, path, make, field, value):
    error = check(http.post(path, json=make(model, **{field: value})), 400)
    assert field in (error["param"] or "") or field in error["message"], error


@pytest.mark.parametrize("path, make", [(CHAT, chat), (COMPLETIONS, completion)])
@pytest.mark.parametrize("field, value", WRONG_TYPES)
def test_wrong_type(http, model, path, make, field, value):
    error = check(http.post(path, json=make(model, **{field: value})), 400)
    assert field in (error["param"] or "") or field in error["message"], error


@pytest.mark.parametrize("body", [
    {"stream_options": {"include_usage": True}}, {"n": 2, "temperature": 0}, {"min_tokens": 3},
])
def test_fields_that_do_not_go_together(http, model, body):
    for path, make in ((CHAT, chat), (COMPLETIONS, completion)):
        check(http.post(path, json=make(model, **body)), 400)


def test_logprobs_limits(http, model):
    check(http.post(CHAT, json=chat(model, top_logprobs=2)), 400)
    check(http.post(CHAT, json=chat(model, logprobs=True, top_logprobs=21)), 400)
    check(http.post(CHAT, json=chat(model, logprobs=5)), 400)
    check(http.post(COMPLETIONS, json=completion(model, logprobs=21)), 400)
    check(http.post(COMPLETIONS, json=completion(model, logprobs=-2)), 400)


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("field, value", [
    ("tools", [TOOL]), ("tools", []), ("tool_choice", "required"), ("response_format", {"type": "json_object"}),
    ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
    ("structured_outputs", {"regex": "a+"}), ("guided_json", {"type": "object"}), ("use_beam_search", True),
])
def test_what_is_not_there_is_refused_by_name(http, model, field, value):
    error = check(http.post(CHAT, json=chat(model, **{field: value})), 400)
    assert field in (error["param"] or "") or field in error["message"], error


def test_suffix_is_refused_by_name(http, model):
    error = check(http.post(COMPLETIONS, json=completion(model, suffix="x")), 400)
    assert "suffix" in (error["param"] or "") + error["message"]


@pytest.mark.parametrize("field, value", [
    ("response_format", {"type": "text"}), ("tool_choice", "none"), ("use_beam_search", False), ("tools", None), ("suffix", None),
    ("temperature", None), ("stop", None), ("stop", []), ("top_k", -1), ("top_k", 0), ("seed", -1), ("logit_bias", {}), ("n", None), ("logprobs", None), ("stream", None),
])
def test_what_asks_for_nothing_special_is_taken(http, model, field, value):
    for path, make in ((CHAT, chat), (COMPLETIONS, completion)):
        answer = http.post(path, json=make(model, **{field: value}))
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("messages", [
    "Hi", 5, {}, None, [], [5], ["Hi"], [[]], [None], [{}], [{"role": "user"}], [{"content": "Hi"}], [{"role": 5, "content": "Hi"}], [{"role": "user", "content": 5}],
    [{"role": "user", "content": [5]}], [{"role": "user", "content": [{"type": "text"}]}], [{"role": "user", "content": [{"type": "text", "text": 5}]}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
])
def test_bad_messages(http, model, messages):
    error = check(http.post(CHAT, json=chat(model, messages=messages)), 400)
    assert "message" in (error["param"] or "") + error["message"] or "content" in error["message"], error


def test_missing_messages(http, model):
    check(http.post(CHAT, json={"model": model}), 400, mentions="messages")


@pytest.mark.parametrize("prompt", ["", None, 5, {}, [], [""], [[]], [5, "x"], ["x", 5], [-1], [99999999], [1.5], [[1], ["x"]], [[[1]]], ["x"] * 1025])
def test_bad_prompts(http, model, prompt):
    error = check(http.post(COMPLETIONS, json=completion(model, prompt=prompt)), 400)
    assert "prompt" in (error["param"] or "") + error["message"] or "token" in error["message"], error


def test_missing_prompt(http, model):
    check(http.post(COMPLETIONS, json={"model": model}), 400, mentions="prompt")


def test_prompt_longer_than_the_context(server, http, model):
    length = server.card()["max_model_len"]
    check(http.post(COMPLETIONS, json=completion(model, prompt=[100] * (length + 1))), 400, mentions="maximum context length")
    check(http.post(COMPLETIONS, json=completion(model, prompt="goose " * length)), 400, mentions="maximum context length")
    check(http.post(COMPLETIONS, json=completion(model, max_tokens=length + 1)), 400, mentions="maximum context length")


@pytest.mark.parametrize("text", [
    b"", b" ", b"{", b"{]", b"nonsense", b"[]", b"5", b"null", b'"text"', b'{"messages": [}', b'{"a": 1} trailing', b"\xff\xfe\x00", b'{"prompt": "\xc3\x28"}', b'{"temperature": NaN}', b'{"a": 1e999999999}',
    b'{"max_tokens": ' + b"9" * 100_000 + b"}",
])
def test_bodies_that_are_no_json_object(http, text):
    for path in (CHAT, COMPLETIONS, "/tokenize", "/detokenize"):
        check(http.post(path, content=text, headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "nonsense"])
def test_wrong_content_type(http, model, kind):
    check(http.post(CHAT, content=json.dumps(chat(model)), headers={"content-type": kind}), 400)


def test_content_type_with_a_charset(http, model):
    kind = {"content-type": "Application/JSON; charset=utf-8"}
    assert http.post(CHAT, content=json.dumps(chat(model)), headers=kind).status_code == 200


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_json_10000_deep(http, opening, closing):
    deep = b'{"messages": ' + opening * 10_000 + b"1" + closing * 10_000 + b"}"
    for path in (CHAT, COMPLETIONS, "/tokenize"):
        check(http.post(path, content=deep, headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_megabytes(server, chunked):
    """Refused with a message while or before it comes in, whatever the client announces."""
    with socket.create_connection(server.address, timeout=60) as connection:
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {100 << 20}"
        connection.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n".encode())
        sender = threading.Thread(target=_send_100_megabytes, args=(connection, chunked), daemon=True)
        sender.start()
        answer = _read_answer(connection)
    sender.join(60)
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 413), answer[:300]
    error = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    assert error["code"] == status and error["message"]


def _send_100_megabytes(connection, chunked):
    block = b" " * (1 << 20)
    try:
        for _ in range(100):
            connection.sendall(b"100000\r\n" + block + b"\r\n" if chunked else block)
    except OSError:
        pass  # The server had enough.


def _read_answer(connection):
    answer = b""
    while True:
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length and len(body) >= int(length[1]):
            return answer
        part = connection.recv(65536)
        assert part, answer[:300]
        answer += part


def test_headers_of_five_megabytes(http):
    try:
        answer = http.get("/v1/models", headers={"x-goose": "g" * (5 << 20)})
    except httpx.TransportError:
        return  # Hung up on before all of it was sent; the answer was lost on the way.
    assert 400 <= answer.status_code < 500
    assert not INSIDES.search(answer.text)


def test_bytes_that_are_not_http(server):
    with socket.create_connection(server.address, timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert not INSIDES.search(connection.recv(65536).decode(errors="replace"))


def test_unknown_paths_and_methods(http):
    assert http.get("/v1/nothing").status_code == 404
    assert http.post("/nothing", json={}).status_code == 404
    check(http.get(CHAT), 405)
    check(http.delete("/v1/models"), 405)


@pytest.mark.parametrize("path, body", [
    ("/tokenize", {}), ("/tokenize", {"prompt": 5}), ("/tokenize", {"messages": 5}), ("/detokenize", {}), ("/detokenize", {"tokens": "x"}), ("/detokenize", {"tokens": [-1]}),
    ("/detokenize", {"tokens": [99999999]}), ("/detokenize", {"tokens": [1.5]}), ("/tokenize", {"prompt": "x", "add_special_tokens": "perhaps"}),
])
def test_tokenize_and_detokenize(http, path, body):
    check(http.post(path, json=body), 400)
