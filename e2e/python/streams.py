"""Many streams at once, and what happens to them when processes are disturbed."""

import concurrent.futures
import json
import os
import signal
import threading
import time

import httpx

from server import events, until

PATH = "/v1/completions"
TOKENS = 48


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


def streams(skein, count, disturb=lambda: None, after=0):
    """So many at once; calls `disturb` when so many chunks have come."""
    received = []
    with concurrent.futures.ThreadPoolExecutor(count) as threads:
        calls = [threads.submit(stream, skein, number, received) for number in range(count)]
        assert until(lambda: len(received) >= after or all(call.done() for call in calls), 120)
        disturb()
        return [call.result() for call in calls]


def stop(pid):
    """It hangs, with its sockets open."""
    os.kill(pid, signal.SIGSTOP)


def measured(record_property, what, seconds):
    record_property(what, f"{seconds:.2f} s")
    print(f"measured: {what}: {seconds:.2f} s, load {os.getloadavg()[0]:.1f}")


class Recovery(threading.Thread):
    """Seconds from a disturbance until all groups are ready again with other processes."""

    def __init__(self, skein, disturb, victims):
        super().__init__()
        self.skein, self.disturb, self.victims, self.seconds = skein, disturb, victims, None
        self.workers, self.groups = len(skein.workers()), len(skein.groups())

    def start(self):
        self.begun = time.monotonic()
        for victim in self.victims:
            self.disturb(victim)
        super().start()

    def healed(self):
        workers = self.skein.workers()
        return (len(workers) == self.workers and not set(workers) & set(self.victims)
                and len(self.skein.groups()) == self.groups)

    def run(self):
        until(self.healed, 180)
        self.seconds = time.monotonic() - self.begun

    def end(self):
        self.join(180)
        assert self.healed()
        return self.seconds


def disturbed(skein, count, disturb, victims, what, record_property):
    """Streams that are disturbed must have the texts of those that were not."""
    undisturbed = [text for text, _ in streams(skein, count)]
    assert until(skein.idle)
    recovery = Recovery(skein, disturb, victims)
    ends = streams(skein, count, recovery.start, after=5 * count)
    assert [text for text, _ in ends] == undisturbed
    measured(record_property, f"{what}: longest pause of a stream", max(pause for _, pause in ends))
    measured(record_property, f"{what}: all groups ready", recovery.end())
