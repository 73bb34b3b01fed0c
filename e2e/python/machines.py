"""Machines of a cluster, each a network namespace of this one, joined by a bridge in a namespace of its own."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

from server import ROOT, command_line, kill, run_skein, status_field, until

TOKEN = "of-this-test-alone-0123456789"
PORT = 7070
HTTP_PORT = 8000
CORES = 2

# Run in a namespace: prints the status and the body of one request.
REQUEST = """
import sys, urllib.error, urllib.request
url, body, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
request = urllib.request.Request(url, body.encode() or None, {"content-type": "application/json"})
try:
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode())
"""


def unable():
    """Why namespaces cannot be made here; None where they can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if not shutil.which("ip"):
        return "there is no ip command"
    made = subprocess.run(["ip", "netns", "add", "skein-try"], capture_output=True, text=True)
    if made.returncode:
        return "no network namespace can be made: " + made.stderr.strip()
    subprocess.run(["ip", "netns", "del", "skein-try"], check=True)
    return None


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


class Host:
    """One namespace with an address."""

    def __init__(self, network, number):
        self.network, self.number = network, number
        self.name = f"skein-m{number}"
        self.ip = f"10.77.0.{number}"
        self.process = None

    def make(self):
        hub, here, there = self.network.hub, f"skv{self.number}", f"skh{self.number}"
        ip("netns", "add", self.name)
        ip("-n", hub, "link", "add", there, "type", "veth", "peer", "name", here)
        ip("-n", hub, "link", "set", here, "netns", self.name)
        ip("-n", hub, "link", "set", there, "master", "br0", "up")
        ip("-n", self.name, "addr", "add", f"{self.ip}/24", "dev", here)
        ip("-n", self.name, "link", "set", here, "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def launch(self, *words):
        """Starts a command here that goes on; what it says goes to this host's log. It shares no memory with others."""
        alone = 'mount -t tmpfs skein /dev/shm && exec "$@"'
        with open(self.network.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, "sh", "-c", alone, "sh", str(ROOT / "skein"), *words],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def run(self, *words, seconds=60):
        """A command that ends: exit code and output."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *words],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
        return done.returncode, done.stdout.decode(errors="replace")

    def processes(self):
        found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout
        return [int(pid) for pid in found.split()]

    def tls(self):
        """The flags that name this host's certificate."""
        folder = self.network.certificates / self.ip
        return ["--tls-ca", str(folder / "ca.pem"), "--tls-cert", str(folder / "cert.pem"),
                "--tls-key", str(folder / "key.pem")]

    def die(self):
        for pid in self.processes():
            kill(pid)
        if self.process:
            self.process.wait()
            self.process = None


class Machine(Host):
    """One of the cluster; not all vote."""

    @property
    def address(self):
        return f"{self.ip}:{PORT}"

    def start(self):
        others = [machine.address for machine in self.network.voters if machine is not self]
        followers = [machine.address for machine in self.network.followers]
        self.launch(
            "scheduler", "--listen", self.address, "--join", *others, "--agents", *followers,
            "--token-file", str(self.network.token), "--state", str(self.network.folder / f"{self.name}.json"),
            "--cores", str(CORES), "--label", f"rack=r{self.number % 2}",
            "--keep-seconds", str(self.network.keep), *self.tls())

    def skein(self, command, *words, seconds=90):
        """A command that asks this machine: exit code and output."""
        return self.run(
            str(ROOT / "skein"), command, *words, "--scheduler", self.address, "--token-file",
            str(self.network.token), *self.tls(), seconds=seconds)

    def hold(self, stopped):
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP if stopped else signal.SIGCONT)

    def cut(self, off):
        """Nothing comes or goes."""
        ip("-n", self.network.hub, "link", "set", f"skh{self.number}", "down" if off else "up")

    def mute(self, off):
        """What the others send arrives; what it sends does not."""
        for machine in self.network.machines:
            if machine is not self:
                ip("-n", self.name, "route", "add" if off else "del", "blackhole", f"{machine.ip}/32")

    def ranks(self):
        return [rank for rank in self.network.ranks() if rank.machine is self]


class Edge(Host):
    """A gateway on a host of its own."""

    def start(self, *machines):
        schedulers = [word for machine in machines for word in ("--scheduler", machine.address)]
        self.launch("gateway", *schedulers, "--token-file", str(self.network.token), "--host", self.ip,
                    "--port", str(HTTP_PORT), *self.tls())

    def ask(self, path, body=None, seconds=30):
        """The status and the JSON of an answer; 0 and nothing where there is none."""
        code, said = self.run(
            sys.executable, "-c", REQUEST, f"http://{self.ip}:{HTTP_PORT}{path}", json.dumps(body) if body else "",
            str(seconds), seconds=seconds + 30)
        if code:
            return 0, {}
        status, _, text = said.partition(" ")
        return int(status), json.loads(text) if text.strip().startswith("{") else {}

    def ready(self):
        """The processes of the ready groups, as the gateway was told."""
        return {
            rank["pid"] for group in self.ask("/skein/status")[1].get("groups", []) if group["state"] == "ready"
            for rank in group["ranks"]}


class Rank:
    """A process of a rank, as /proc has it."""

    def __init__(self, pid, name, machine):
        self.pid, self.name, self.machine = pid, name, machine

    def __repr__(self):
        return f"{self.name} at {self.machine.name} (process {self.pid})"


class Network:
    """Machines that reach each other; leaving the block ends all that runs on them."""

    def __init__(self, folder, voters, followers, keep):
        self.folder, self.keep = pathlib.Path(folder), keep
        self.hub = "skein-hub"
        self.token = self.folder / "token"
        self.token.write_text(TOKEN + "\n")
        self.token.chmod(0o600)
        self.machines = [Machine(self, number) for number in range(1, voters + followers + 1)]
        self.voters, self.followers = self.machines[:voters], self.machines[voters:]
        self.edge = Edge(self, 100)
        self.certificates = self.folder / "certs"

    def __enter__(self):
        hosts = [host.ip for host in (*self.machines, self.edge)]
        code, said = run_skein("cert", "--out", str(self.certificates), *hosts)
        assert code == 0, said
        try:
            ip("netns", "add", self.hub)
            ip("-n", self.hub, "link", "add", "br0", "type", "bridge")
            ip("-n", self.hub, "link", "set", "br0", "up")
            for host in (*self.machines, self.edge):
                host.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in (self.edge, *self.machines):
            host.die()
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.hub], capture_output=True)

    def ranks(self):
        """All ranks that run at one moment, read from their processes alone; one that is stopped does not run."""
        marks = {f"-Dskein.machine={machine.address}": machine for machine in self.machines}
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            words = command_line(entry).split(" ")
            machine = next((marks[word] for word in words if word in marks), None)
            if machine and runs(entry):
                name = environment(entry).get("SKEIN_RANK")
                if name:
                    found.append(Rank(int(entry), name, machine))
        # Processes are read one after another: what still runs now ran when the last one was read.
        return [rank for rank in found if runs(rank.pid)]

    def logs(self):
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}" for log in sorted(self.folder.glob("*.log")))


def runs(pid):
    return status_field(pid, "State") not in (None, "Z", "X", "T")


def environment(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


class Owners(threading.Thread):
    """Looks all the time whether a rank runs twice, or a machine runs more ranks of one core each than it has cores.

    A process that was killed takes a moment to go, and one that stood still takes a moment to be ended: `longest` is
    how long anything was seen to have two owners, `doubles` how many looks saw that.
    """

    def __init__(self, network):
        super().__init__(daemon=True)
        self.network, self.over = network, threading.Event()
        self.longest, self.what, self.looks, self.doubles = 0.0, "", 0, 0
        self.since = {}

    def run(self):
        while not self.over.wait(0.05):
            now, shared = time.monotonic(), self.shared()
            self.looks += 1
            self.doubles += bool(shared)
            self.since = {what: self.since.get(what, now) for what in shared}
            for what, since in self.since.items():
                if now - since > self.longest:
                    self.longest, self.what = now - since, what

    def shared(self):
        ranks = self.network.ranks()
        found = set()
        for rank in ranks:
            if sum(other.name == rank.name for other in ranks) > 1:
                found.add(rank.name)
            if sum(other.machine is rank.machine for other in ranks) > CORES:
                found.add(rank.machine.name)
        return found

    def end(self):
        self.over.set()
        self.join()


def waited(network, condition, seconds):
    """How long a condition took to come true; fails with the logs where it does not."""
    began = time.monotonic()
    assert until(condition, seconds), network.logs()
    return time.monotonic() - began
