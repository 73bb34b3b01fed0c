"""Processes that die: every stream ends properly, service comes back, nothing is left behind."""

import json
import signal
import threading

import httpx
import pytest

from server import Skein, alive, descendants, events, kill, until

CHAT = "/v1/chat/completions"
PATH = "/v1/completions"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """A server that loses workers, and lives on."""
    with Skein(tmp_path_factory.mktemp("lasting")) as running:
        yield running


@pytest.fixture
def skein(tmp_path):
    """A server for a test that ends it."""
    with Skein(tmp_path) as running:
        yield running


def ask(**more):
    return {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 24, "ignore_eos": True} | more


def answers(skein):
    try:
        return httpx.post(skein.url + PATH, json=ask(), timeout=60).status_code == 200
    except httpx.HTTPError:
        return False


def test_worker_killed_under_a_stream(lasting):
    before = httpx.post(lasting.url + PATH, json=ask(), timeout=60).json()["choices"][0]["text"]
    worker = lasting.worker()
    received = []
    with httpx.stream("POST", lasting.url + PATH, json=ask(max_tokens=3000, stream=True), timeout=120) as response:
        for payload in events(response):
            received.append(payload)
            if len(received) == 5:
                kill(worker)
    assert received[-1] == "[DONE]"
    last = json.loads(received[-2])
    if "error" in last:
        assert {"message", "type", "param", "code"} <= last["error"].keys()
        assert last["error"]["code"] >= 500
    else:
        assert last["choices"][0]["finish_reason"] == "length"
    assert until(lambda: answers(lasting))
    assert lasting.worker() != worker
    assert httpx.post(lasting.url + PATH, json=ask(), timeout=60).json()["choices"][0]["text"] == before
    assert until(lasting.idle)


def test_worker_killed_before_the_first_token(lasting):
    """Nothing was sent yet, so the client notices nothing but the wait."""
    answer = []
    body = ask(prompt=[100 + n % 900 for n in range(6000)], max_tokens=2)
    caller = threading.Thread(target=lambda: answer.append(httpx.post(lasting.url + PATH, json=body, timeout=300)))
    worker = lasting.worker()
    caller.start()
    assert until(lambda: lasting.metric("vllm:num_requests_running") == 1)
    kill(worker)
    caller.join(300)
    assert answer[0].status_code == 200, answer[0].text
    assert answer[0].json()["usage"]["completion_tokens"] == 2
    assert lasting.worker() != worker


def test_worker_killed_three_times(lasting):
    for _ in range(3):
        kill(lasting.worker())
        assert until(lambda: answers(lasting))


def test_terminate_lets_the_stream_end_and_leaves_no_orphan(skein):
    family = descendants(skein.process.pid)
    received = []
    with httpx.stream("POST", skein.url + PATH, json=ask(max_tokens=64, stream=True), timeout=120) as response:
        for payload in events(response):
            received.append(payload)
            if len(received) == 2:
                skein.process.send_signal(signal.SIGTERM)
    assert received[-1] == "[DONE]"
    assert json.loads(received[-2])["choices"][0]["finish_reason"] == "length"
    assert skein.process.wait(60) in (0, 143, -signal.SIGTERM)
    assert until(lambda: not any(map(alive, family))), family


def test_interrupt_of_an_idle_server(skein):
    family = descendants(skein.process.pid)
    skein.process.send_signal(signal.SIGINT)
    skein.process.wait(60)
    assert until(lambda: not any(map(alive, family))), family


def test_parent_killed_and_the_worker_ends(skein):
    worker, gateway = skein.worker(), skein.gateway()
    kill(gateway)
    assert until(lambda: not alive(worker))


def test_a_frozen_client_does_not_keep_the_server_from_ending(skein):
    """Draining has a bound: a reader that never reads cannot hold it up for ever."""
    with httpx.stream("POST", skein.url + PATH, json=ask(max_tokens=3000, logprobs=20, stream=True), timeout=120):
        skein.process.send_signal(signal.SIGTERM)
        skein.process.wait(90)
