"""Several groups behind one gateway: losses that no client notices, updates and scaling under load, several models."""

import json
import threading
import time

import httpx
import pytest

from server import Skein, kill, run_skein, until
from streams import PATH, Recovery, body, disturbed, measured, stop, streams

STREAMS = 20


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two groups of one rank."""
    with Skein(tmp_path_factory.mktemp("pair"), "--replicas", "2", "--threads", "1") as running:
        assert until(lambda: len(running.groups()) == 2)
        yield running


@pytest.fixture(scope="module")
def name(pair):
    return pair.status()["deployments"][0]["name"]


def back(skein, count=2):
    """Waits until so many groups are ready."""
    assert until(lambda: len(skein.groups()) == count, 120)


def test_requests_go_to_both_groups(pair):
    streams(pair, STREAMS)
    assert all(group["statistics"]["generation_tokens"] > 0 for group in pair.status()["groups"])


def test_a_worker_killed_under_streams_is_not_noticed(pair, record_property):
    disturbed(pair, STREAMS, kill, pair.workers()[:1], "one of two groups killed", record_property)


def test_both_workers_killed_under_streams(pair, record_property):
    """Nobody is left to go on at once: the streams wait for the groups."""
    disturbed(pair, STREAMS, kill, pair.workers(), "both groups killed", record_property)


def test_a_stopped_worker_is_found_by_its_silence(pair, record_property):
    """Its sockets stay open; only its heartbeat stops."""
    disturbed(pair, STREAMS, stop, pair.workers()[:1], "a worker stopped", record_property)


def test_an_idle_worker_killed(pair, record_property):
    recovery = Recovery(pair, kill, pair.workers()[:1])
    recovery.start()
    assert httpx.post(pair.url + PATH, json=body(0) | {"stream": False, "stream_options": None}, timeout=60).status_code == 200
    measured(record_property, "an idle group killed: both groups ready", recovery.end())


def load(skein, over, answers):
    """Asks again and again until told."""
    number = 0
    while not over.is_set():
        number += 1
        ask = {"prompt": f"Number {number} is", "max_tokens": 8, "temperature": 0}
        try:
            answers.append(httpx.post(skein.url + PATH, json=ask, timeout=120).status_code)
        except httpx.HTTPError as failure:
            answers.append(repr(failure))


def test_an_update_under_load_fails_no_request(pair, name, tmp_path, record_property):
    card = pair.card()
    file = tmp_path / "deployment.yaml"
    file.write_text(json.dumps({"models": [{
        "name": name, "model": card["root"], "served-model-name": [card["id"]], "replicas": 2, "threads": 1,
        "max-num-seqs": 64,
    }]}))
    over, answers = threading.Event(), []
    callers = [threading.Thread(target=load, args=(pair, over, answers)) for _ in range(4)]
    for caller in callers:
        caller.start()
    begun = time.monotonic()
    code, output = run_skein("apply", "-f", file, "--server", pair.port, "--wait", "240", seconds=300)
    took = time.monotonic() - begun
    over.set()
    for caller in callers:
        caller.join(120)
    assert code == 0, output
    assert "complete, 2 of 2 groups ready, 2 of revision 2" in output
    assert set(answers) == {200}, answers
    measured(record_property, f"update of two groups under load, {len(answers)} requests", took)
    code, output = run_skein("rollout", "undo", name, "--server", pair.port, "--wait", "240", seconds=300)
    assert code == 0 and "of revision 3" in output, output


def test_from_nothing_a_request_waits_for_the_group(pair, name, record_property):
    code, output = run_skein("scale", f"{name}=0", "--server", pair.port, "--wait", "60")
    assert code == 0 and "0 of 0 groups ready" in output, output
    assert not pair.workers()
    assert pair.healthy()
    answers = []

    def wait():
        """Each request waits for 30 s at most; a group may take longer to start on a busy machine."""
        while not answers or answers[-1][0].status_code == 503 and len(answers) < 5:
            asked = time.monotonic()
            answer = httpx.post(pair.url + PATH, json={"prompt": "The first", "max_tokens": 4}, timeout=120)
            answers.append((answer, time.monotonic() - asked, time.monotonic()))

    caller = threading.Thread(target=wait)
    caller.start()
    code, output = run_skein("scale", f"{name}=2", "--server", pair.port)
    assert code == 0, output
    assert until(lambda: pair.groups())
    ready = time.monotonic()
    caller.join(240)
    assert answers[-1][0].status_code == 200, answers[-1][0].text
    assert all(waited > 25 for _, waited, _ in answers[:-1]), "a request was refused that had not waited"
    measured(record_property, "answer of four tokens after a group was ready", max(0.0, answers[-1][2] - ready))
    back(pair)


def test_a_second_model_by_its_own_name(pair, tmp_path):
    file = tmp_path / "second.yaml"
    file.write_text(f"models:\n  - name: second\n    model: {pair.card()['root']}\n    threads: 1\n")
    code, output = run_skein("apply", "-f", file, "--server", pair.port, "--wait", "120", seconds=180)
    assert code == 0, output
    first = pair.model()
    assert [card["id"] for card in httpx.get(pair.url + "/v1/models").json()["data"]] == [first, "second"]
    for model in (first, "second"):
        answer = httpx.post(pair.url + PATH, json={"model": model, "prompt": "Hello", "max_tokens": 2}, timeout=60)
        assert answer.json()["model"] == model
    unknown = httpx.post(pair.url + PATH, json={"model": "third", "prompt": "Hello"}, timeout=60)
    assert unknown.status_code == 404
    assert "third" in unknown.json()["error"]["message"]
    run_skein("scale", "second=0", "--server", pair.port, "--wait", "60")


def test_why_and_refusals(pair, name):
    code, output = run_skein("why", f"{name}-0", "--server", pair.port)
    assert code == 0 and "is ready" in output and "memory: needs" in output and "cores: needs 1" in output, output
    code, output = run_skein("why", "nobody-7", "--server", pair.port)
    assert code == 1 and "there is no group nobody-7" in output
    code, output = run_skein("scale", "nobody=2", "--server", pair.port)
    assert code == 1 and "there is no deployment nobody" in output
    code, output = run_skein("status", "--url", pair.url)
    assert code == 0 and name in output and "REVISION" in output
