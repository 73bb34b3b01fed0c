"""Starts, finds and ends servers, and the processes below them."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Building and fetching the model are part of the first start.
START_SECONDS = 900
# A small machine under load is slow, not wrong.
PATIENCE_SECONDS = 60


class Server:
    """A server that answers at a URL."""

    def __init__(self, url):
        self.url = url.rstrip("/").removesuffix("/v1")

    @property
    def address(self):
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def card(self):
        return httpx.get(self.url + "/v1/models", timeout=30).json()["data"][0]

    def model(self):
        return self.card()["id"]

    def metric(self, name):
        """The sum of a metric over its labels; None where it is not exposed."""
        values = [
            float(line.rsplit(" ", 1)[1])
            for line in httpx.get(self.url + "/metrics", timeout=30).text.splitlines()
            if line.startswith((name + "{", name + " "))
        ]
        return sum(values) if values else None

    def status(self):
        """All that `skein status --json` tells."""
        return httpx.get(self.url + "/skein/status", timeout=30).json()

    def groups(self, state="ready"):
        """The names of the groups in a state."""
        return [group["name"] for group in self.status()["groups"] if group["state"] == state]

    def healthy(self):
        try:
            return httpx.get(self.url + "/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def idle(self):
        return self.metric("vllm:num_requests_running") == 0 and self.metric("vllm:num_requests_waiting") == 0


class Skein(Server):
    """`./skein serve` as a child; leaving the block ends it and all below it."""

    def __init__(self, folder, *arguments):
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.log = pathlib.Path(folder) / "server.log"
        self.arguments = arguments

    def __enter__(self):
        with self.log.open("wb") as log:
            command = [str(ROOT / "skein"), "serve", *self.arguments, "--port", str(self.port)]
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=hear_interrupts
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise AssertionError(f"the server did not start:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        family = [self.process.pid, *descendants(self.process.pid)]
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        for pid in family:
            kill(pid)
        self.process.wait()

    def workers(self):
        """The process ids of all workers."""
        return [pid for pid in descendants(self.process.pid) if " worker" in command_line(pid)]

    def worker(self):
        """The process id of the worker; there is one."""
        workers = self.workers()
        assert len(workers) == 1, {pid: command_line(pid)[:200] for pid in descendants(self.process.pid)}
        return workers[0]

    def gateway(self):
        """The process that is the worker's parent."""
        return int(status_field(self.worker(), "PPid"))


def hear_interrupts():
    """A shell without job control starts what runs in its background deaf to SIGINT, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_skein(*arguments, seconds=PATIENCE_SECONDS):
    """Runs `./skein` to its end: exit code, output and error together."""
    done = subprocess.run(
        [str(ROOT / "skein"), *map(str, arguments)], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
    )
    return done.returncode, done.stdout.decode(errors="replace")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds=PATIENCE_SECONDS):
    """Waits for a condition; the caller asserts the answer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def descendants(pid):
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parent = status_field(entry, "PPid")
            if parent is not None:
                children.setdefault(int(parent), []).append(int(entry))
    found, open_ends = [], [pid]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += below
    return found


def status_field(pid, name):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return line.split()[1]
    except OSError:
        pass
    return None


def alive(pid):
    return status_field(pid, "State") not in (None, "Z", "X")


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def events(response):
    """The `data:` payloads of a stream, as text; checks the framing: one line of data, then an empty line."""
    assert response.status_code == 200, response.read()
    assert response.headers["content-type"].startswith("text/event-stream")
    expect_blank = False
    for line in response.iter_lines():
        if expect_blank:
            assert line == "", line
            expect_blank = False
        else:
            assert line.startswith("data: "), line
            expect_blank = True
            yield line[len("data: "):]


def chunks(http, path, body):
    """All chunks of a stream, which must end with [DONE]."""
    with http.stream("POST", path, json=body | {"stream": True}) as response:
        payloads = list(events(response))
    assert payloads[-1] == "[DONE]"
    return [json.loads(payload) for payload in payloads[:-1]]
