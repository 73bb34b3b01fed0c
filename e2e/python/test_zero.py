"""A model whose groups go while there is nothing to do, and come back for a request."""

import json
import threading
import time

import httpx
import pytest

from server import Skein, events, run_skein, until

PATH = "/v1/completions"
IDLE_SECONDS = 2
WAIT_SECONDS = 5
BODY = {"prompt": "The first", "max_tokens": 8, "temperature": 0, "stream": True}


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory):
    arguments = ["--scale-to-zero-after", str(IDLE_SECONDS), "--group-wait-timeout", str(WAIT_SECONDS)]
    with Skein(tmp_path_factory.mktemp("sleeper"), *arguments) as running:
        yield running


def asleep(skein):
    return skein.status()["deployments"][0]["asleep"] and not skein.workers()


def ask(skein, body=BODY):
    """The text of a stream and when its first chunk came; asks again where the wait for a group was too short."""
    while True:
        asked = time.monotonic()
        with httpx.stream("POST", skein.url + PATH, json=body, timeout=120) as response:
            if response.status_code == 503:
                assert response.headers["retry-after"]
                assert time.monotonic() - asked >= WAIT_SECONDS
                continue
            text, first = "", None
            for payload in events(response):
                first = first or time.monotonic()
                if payload != "[DONE]":
                    text += json.loads(payload)["choices"][0]["text"]
            return text, first


def measured(record_property, what, seconds):
    record_property(what, f"{seconds:.2f} s")
    print(f"measured: {what}: {seconds:.2f} s")


class Readiness(threading.Thread):
    """When a group was seen to be ready."""

    def __init__(self, skein):
        super().__init__()
        self.skein, self.seen = skein, None

    def run(self):
        until(self.skein.groups, 180)
        self.seen = time.monotonic()


def test_an_idle_model_sleeps_and_a_request_wakes_it(sleeper, record_property):
    text, _ = ask(sleeper)
    assert until(lambda: asleep(sleeper))
    assert sleeper.healthy()
    assert sleeper.model()
    code, output = run_skein("status", "--url", sleeper.url)
    assert code == 0 and "asleep" in output, output
    readiness = Readiness(sleeper)
    readiness.start()
    begun = time.monotonic()
    again, first = ask(sleeper)
    assert again == text
    readiness.join()
    measured(record_property, "asleep: first token after the request", first - begun)
    measured(record_property, "asleep: first token after the group was ready", first - readiness.seen)


def test_a_stream_keeps_it_awake(sleeper):
    ask(sleeper)
    worker, begun = sleeper.worker(), time.monotonic()
    while time.monotonic() - begun < 2 * IDLE_SECONDS:
        ask(sleeper, BODY | {"max_tokens": 400, "ignore_eos": True})
        assert sleeper.worker() == worker


def test_what_is_scaled_to_zero_by_hand_stays_there(sleeper):
    name = sleeper.status()["deployments"][0]["name"]
    code, output = run_skein("scale", f"{name}=0", "--server", sleeper.port, "--wait", "60")
    assert code == 0 and "complete, 0 of 0 groups ready" in output, output
    asked = time.monotonic()
    refused = httpx.post(sleeper.url + PATH, json=BODY, timeout=60)
    assert time.monotonic() - asked >= WAIT_SECONDS
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert "No group is ready" in refused.json()["error"]["message"]
    assert not sleeper.workers()
    run_skein("scale", f"{name}=1", "--server", sleeper.port)
    assert ask(sleeper)[0]
