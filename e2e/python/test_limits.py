"""What a busy server does: it keeps to the time limit, refuses what its queue cannot hold, and heeds priorities."""

import contextlib
import threading
import time

import httpx
import openai
import pytest

from server import Skein, chunks, events, until

PATH = "/v1/completions"
SECONDS = 3
ENDLESS = {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 8000, "ignore_eos": True}


def one_seat(folder, *arguments):
    return Skein(
        folder, "--max-num-seqs", "1", "--max-num-queued-reqs", "3", "--scheduling-policy", "priority", *arguments
    )


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server with one seat and little time."""
    with one_seat(tmp_path_factory.mktemp("busy"), "--request-timeout", str(SECONDS)) as running:
        yield running


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A server with one seat and three places to wait, for as long as it takes."""
    with one_seat(tmp_path_factory.mktemp("patient")) as running:
        yield running


@pytest.fixture
def sent(busy):
    """A client that would try again, and the requests that it made."""
    made = []
    hooks = {"request": [made.append]}
    with openai.OpenAI(base_url=busy.url + "/v1", api_key="any", http_client=httpx.Client(event_hooks=hooks)) as client:
        yield client, made
    assert until(busy.idle)


def freed(server):
    return until(lambda: server.idle() and server.metric("vllm:kv_cache_usage_perc") == 0)


@contextlib.contextmanager
def occupied(server):
    """The seat is taken while the block lasts."""
    with httpx.stream("POST", server.url + PATH, json=ENDLESS | {"stream": True}, timeout=60) as response:
        stream = events(response)
        next(stream)
        yield stream


def test_an_answer_that_takes_too_long_is_an_error_that_is_not_tried_again(busy, sent):
    client, made = sent
    with pytest.raises(openai.APIStatusError) as caught:
        client.completions.create(
            model=busy.model(), prompt="Once upon a time", max_tokens=8000, extra_body={"ignore_eos": True}
        )
    assert caught.value.status_code == 504
    assert caught.value.type == "TimeoutError"
    assert f"{SECONDS} s" in caught.value.message
    assert len(made) == 1
    assert freed(busy)


@pytest.mark.parametrize("n", [1, 3])
def test_a_stream_that_takes_too_long_ends_with_an_error(busy, sent, n):
    client, made = sent
    text = ""
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.completions.create(
            model=busy.model(), prompt="Once upon a time", max_tokens=8000, temperature=1, n=n, stream=True,
            extra_body={"ignore_eos": True},
        ):
            text += chunk.choices[0].text
    assert text
    assert "longer than a request may" in caught.value.message
    assert len(made) == 1
    assert freed(busy)


def test_what_is_done_in_time_is_untouched(busy):
    answer = httpx.post(busy.url + PATH, json=ENDLESS | {"max_tokens": 5}, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    stream = chunks(httpx.Client(base_url=busy.url, timeout=60), PATH, ENDLESS | {"max_tokens": 5})
    assert stream[-1]["choices"][0]["finish_reason"] == "length"


def test_a_request_whose_turn_does_not_come_is_told_so(busy):
    """Others of higher priority keep the seat: each starts anew when its own time is up."""
    stop = threading.Event()

    def keep_busy():
        while not stop.is_set():
            httpx.post(busy.url + PATH, json=ENDLESS | {"priority": -1}, timeout=60)

    keepers = [threading.Thread(target=keep_busy) for _ in range(3)]
    for keeper in keepers:
        keeper.start()
        time.sleep(SECONDS / 4)
    answer = httpx.post(busy.url + PATH, json=ENDLESS | {"priority": 1, "stream": True}, timeout=60)
    stop.set()
    for keeper in keepers:
        keeper.join()
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["error"]["type"] == "ServiceUnavailableError"
    assert "waited for its turn" in answer.json()["error"]["message"]
    assert freed(busy)


def short(priority=0):
    return ENDLESS | {"max_tokens": 60, "priority": priority}


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(patient):
    answers = []

    def ask():
        answers.append(httpx.post(patient.url + PATH, json=short(), timeout=60))

    with occupied(patient):
        waiting = [threading.Thread(target=ask) for _ in range(3)]
        for caller in waiting:
            caller.start()
        assert until(lambda: patient.metric("vllm:num_requests_waiting") == 3)
        refused = httpx.post(patient.url + PATH, json=short(), timeout=60)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "3 requests are waiting" in refused.json()["error"]["message"]
    for caller in waiting:
        caller.join()
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert freed(patient)


def test_a_lower_number_goes_first_and_takes_no_running_ones_seat(patient):
    done = []

    def ask(priority):
        answer = httpx.post(patient.url + PATH, json=short(priority), timeout=60)
        done.append((priority, answer.status_code))

    callers = []
    with occupied(patient) as stream:
        for place, priority in enumerate((7, 0, -7)):
            callers.append(threading.Thread(target=ask, args=(priority,)))
            callers[-1].start()
            assert until(lambda: patient.metric("vllm:num_requests_waiting") == place + 1)
        assert next(stream) != "[DONE]"
    for caller in callers:
        caller.join()
    assert done == [(-7, 200), (0, 200), (7, 200)]
