"""Many at once: nobody's answer depends on the others, nobody waits for a slow reader, the gone are forgotten."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

from server import chunks, events, until

PATH = "/v1/completions"
PROMPTS = [
    "The capital of France is", "Once upon a time", "def fibonacci(n):\n", "Monday, Tuesday,", "Water boils at", "1, 2, 3, 4,",
    "The quick brown fox jumps over the lazy dog. " * 12, "北京是中国的",
]


def ask(model, prompt, **more):
    return {"model": model, "prompt": prompt, "temperature": 0, "max_tokens": 32, "ignore_eos": True} | more


def text_of(stream):
    return "".join(chunk["choices"][0]["text"] for chunk in stream)


def test_eight_streams_at_once_answer_as_alone(http, model):
    alone = [http.post(PATH, json=ask(model, prompt)).json()["choices"][0]["text"] for prompt in PROMPTS]
    with ThreadPoolExecutor(len(PROMPTS)) as crowd:
        together = list(crowd.map(lambda prompt: text_of(chunks(http, PATH, ask(model, prompt))), PROMPTS))
    assert together == alone


def test_a_seed_gives_the_same_alone_and_in_a_crowd(http, model):
    bodies = [ask(model, prompt, temperature=1.0, top_p=0.95, seed=n) for n, prompt in enumerate(PROMPTS)]
    alone = [http.post(PATH, json=body).json()["choices"][0]["text"] for body in bodies]
    with ThreadPoolExecutor(len(bodies)) as crowd:
        together = list(crowd.map(lambda body: http.post(PATH, json=body).json()["choices"][0]["text"], bodies))
    assert together == alone


def test_other_seeds_and_no_seed_give_other_texts(http, model):
    def answers(**more):
        return {
            http.post(PATH, json=ask(model, "Once upon a time", temperature=1.0, **more, **seed)).json()["choices"][0]["text"]
            for seed in ([{"seed": n} for n in range(3)] if not more else [{}] * 3)
        }

    assert len(answers()) == 3
    assert len(answers(user="x")) == 3


def test_a_chat_cancelled_in_the_package_is_forgotten(server, client, model):
    assert until(server.idle)
    stream = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Tell me a long story."}], stream=True, max_tokens=4000,
        extra_body={"ignore_eos": True})
    for _, _chunk in zip(range(4), stream):
        pass
    assert until(lambda: server.metric("vllm:num_requests_running") == 1)
    stream.close()
    assert until(server.idle)
    assert until(lambda: server.metric("vllm:kv_cache_usage_perc") == 0)


def test_a_plain_request_given_up_is_forgotten(server, model):
    assert until(server.idle)
    body = json.dumps(ask(model, "Once upon a time", max_tokens=4000)).encode()
    with socket.create_connection(server.address) as connection:
        connection.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        assert until(lambda: server.metric("vllm:num_requests_running") == 1)
    assert until(server.idle)


def test_slow_readers_stall_nobody_and_lose_nothing(server, http, model):
    assert until(server.idle)
    # About 2 kB an event: more than the sockets on the way can hold.
    body = json.dumps(ask(model, "Once upon a time", max_tokens=600, logprobs=20, stream=True)).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with _narrow_socket(server) as slow, _narrow_socket(server) as gone:
        for connection in (slow, gone):
            connection.sendall(head.encode() + body)
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
        with ThreadPoolExecutor(4) as crowd:
            texts = list(crowd.map(lambda prompt: text_of(chunks(http, PATH, ask(model, prompt))), PROMPTS[:4]))
        assert all(texts)
        gone.close()
        answer = b""
        while part := slow.recv(1 << 20):
            answer += part
    assert answer.count(b'"text_completion"') > 1
    assert answer.rstrip().endswith((b"data: [DONE]", b"data: [DONE]\n\n\r\n0"))
    assert b'"finish_reason":"length"' in answer.replace(b'": "', b'":"')
    assert until(server.idle)


def _narrow_socket(server):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(120)
    connection.connect(server.address)
    return connection


def test_forty_at_once_all_end(http, model):
    """More than most settings run at once: the rest wait their turn, none is lost."""
    bodies = [ask(model, f"Story number {n}:", max_tokens=8, stream=bool(n % 2)) for n in range(40)]

    def run(body):
        if body["stream"]:
            return chunks(http, PATH, body)[-1]["choices"][0]["finish_reason"]
        return http.post(PATH, json=body).json()["choices"][0]["finish_reason"]

    with ThreadPoolExecutor(40) as crowd:
        assert list(crowd.map(run, bodies)) == ["length"] * 40


def test_clients_that_come_and_go(server, http, model):
    """Streams dropped at any moment leave nothing behind."""
    def come_and_go(number):
        with http.stream("POST", PATH, json=ask(model, f"Visitor {number}", max_tokens=500, stream=True)) as response:
            for _, _payload in zip(range(number % 5), events(response)):
                pass

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(come_and_go, range(18)))
    assert until(server.idle)
    assert until(lambda: server.metric("vllm:kv_cache_usage_perc") == 0)
