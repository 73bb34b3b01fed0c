"""Several groups behind one gateway: losses that no client notices, updates and scaling under load, several models."""

import concurrent.futures
import json
import os
import signal
import threading
import time

import httpx
import pytest

from server import Skein, events, kill, run_skein, until

PATH = "/v1/completions"
STREAMS = 20
TOKENS = 48


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two groups of one rank."""
    with Skein(tmp_path_factory.mktemp("pair"), "--replicas", "2", "--threads", "1") as running:
        assert until(lambda: len(running.groups()) == 2)
        yield running


@pytest.fixture(scope="module")
def name(pair):
    return pair.status()["deployments"][0]["name"]


def body(number):
    """Half of them greedy, half drawn by chance with penalties; each with a beginning of its own."""
    drawn = {"temperature": 0.8, "seed": number, "frequency_penalty": 0.3, "presence_penalty": 0.2}
    return {"prompt": f"Tale {number}. Once upon a time", "max_tokens": TOKENS, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True}} | (drawn if number % 2 else {"temperature": 0})


def stream(skein, number, received):
    """The text of one stream that must end as it should, and the longest time between two of its chunks."""
    text, longest, last, usage, reason = "", 0.0, None, None, None
    with httpx.stream("POST", skein.url + PATH, json=body(number), timeout=300) as response:
        for payload in events(response):
            now = time.monotonic()
            longest = max(longest, now - (last or now))
            last = now
            if payload == "[DONE]":
                break
            chunk = json.loads(payload)
            assert "error" not in chunk, chunk
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                text += choice["text"]
                reason = choice["finish_reason"] or reason
                received.append(number)
        assert payload == "[DONE]"
    assert reason == "length"
    assert usage["completion_tokens"] == TOKENS
    return text, longest


def streams(skein, disturb=lambda: None, after=0):
    """All streams at once; calls `disturb` when so many chunks have come."""
    received = []
    with concurrent.futures.ThreadPoolExecutor(STREAMS) as threads:
        calls = [threads.submit(stream, skein, number, received) for number in range(STREAMS)]
        assert until(lambda: len(received) >= after or all(call.done() for call in calls), 120)
        disturb()
        return [call.result() for call in calls]


def measured(record_property, what, seconds):
    record_property(what, f"{seconds:.2f} s")
    print(f"measured: {what}: {seconds:.2f} s")


def back(skein, count=2):
    """Waits until so many groups are ready."""
    assert until(lambda: len(skein.groups()) == count, 120)


class Recovery(threading.Thread):
    """Seconds from a disturbance until both groups are ready again with other processes."""

    def __init__(self, skein, disturb, victims=1):
        super().__init__()
        self.skein, self.victims, self.disturb, self.seconds = skein, skein.workers()[:victims], disturb, None

    def start(self):
        self.begun = time.monotonic()
        for victim in self.victims:
            self.disturb(victim)
        super().start()

    def healed(self):
        workers = self.skein.workers()
        return len(workers) == 2 and not set(workers) & set(self.victims) and len(self.skein.groups()) == 2

    def run(self):
        until(self.healed, 180)
        self.seconds = time.monotonic() - self.begun

    def end(self):
        self.join(180)
        assert self.healed()
        return self.seconds


def disturbed(pair, disturb, what, record_property, victims=1):
    """Streams that are disturbed must have the texts of those that were not."""
    undisturbed = [text for text, _ in streams(pair)]
    assert until(pair.idle)
    recovery = Recovery(pair, disturb, victims)
    ends = streams(pair, recovery.start, after=5 * STREAMS)
    assert [text for text, _ in ends] == undisturbed
    measured(record_property, f"{what}: longest pause of a stream", max(pause for _, pause in ends))
    measured(record_property, f"{what}: both groups ready", recovery.end())


def test_requests_go_to_both_groups(pair):
    streams(pair)
    assert all(group["statistics"]["generation_tokens"] > 0 for group in pair.status()["groups"])


def test_a_worker_killed_under_streams_is_not_noticed(pair, record_property):
    disturbed(pair, kill, "one of two groups killed", record_property)


def test_both_workers_killed_under_streams(pair, record_property):
    """Nobody is left to go on at once: the streams wait for the groups."""
    disturbed(pair, kill, "both groups killed", record_property, victims=2)


def test_a_stopped_worker_is_found_by_its_silence(pair, record_property):
    """Its sockets stay open; only its heartbeat stops."""
    disturbed(pair, lambda worker: os.kill(worker, signal.SIGSTOP), "a worker stopped", record_property)


def test_an_idle_worker_killed(pair, record_property):
    recovery = Recovery(pair, kill)
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
