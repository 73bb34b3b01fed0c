"""Skein's engine and others on the same files, in turns: python beside.py FILE.gguf... --peer NAME=LLAMA_BENCH

A peer is the llama-bench of llama.cpp or of a fork. Each round runs every engine once on every file, so that what else the
machine does meets all of them; a figure is the median of all rounds with the least and the most. Writes a table in
Markdown, and with --json what was measured, run by run. Needs a built tree and nothing but Python.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

SKEIN = pathlib.Path(__file__).parents[2] / "skein"
ROWS = {
    "decode, batch 1": "decode",
    "decode, batch 1, context 2048": "decode after 2,048",
    "prefill 512": "prefill of 512",
    "prefill 2048": "prefill of 2,048",
}


def skein(file: str, threads: int) -> tuple[dict[str, float], float]:
    out = run([str(SKEIN), "bench", "--model", file, "--threads", str(threads), "--runs", "1", "--json", "-"])
    figures = json.loads(out)
    return {row: figures[name]["median"] for name, row in ROWS.items()}, figures["core to core"]["median"]


def llama_bench(binary: str, file: str, threads: int) -> dict[str, float]:
    both = ["-m", file, "-t", str(threads), "-r", "1", "-o", "json"]
    result = {}
    for test in json.loads(run([binary, *both, "-p", "512,2048", "-n", "128"])):
        result["decode" if test["n_gen"] else f"prefill of {test['n_prompt']:,}"] = test["avg_ts"]
    result["decode after 2,048"] = after(binary, both)
    return result


def after(binary: str, both: list[str]) -> float:
    """Forks without -d have -gp, which decodes after a prompt and times that alone."""
    if "--n-depth" in subprocess.run([binary, "--help"], capture_output=True, text=True).stdout:
        return json.loads(run([binary, *both, "-p", "0", "-n", "64", "-d", "2048"]))[0]["avg_ts"]
    return next(t["avg_ts"] for t in json.loads(run([binary, *both, "-p", "0", "-n", "0", "-gp", "2048,64"])))


def run(command: list[str]) -> str:
    environment = dict(os.environ)
    folder = pathlib.Path(command[0]).resolve().parent
    libraries = [str(folder), str(folder.parent / "lib"), environment.get("LD_LIBRARY_PATH", "")]
    if command[0] != str(SKEIN):
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout[done.stdout.index("[" if "bench" in pathlib.Path(command[0]).name else "{") :]


def cell(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def table(file: str, engines: list[str], seen: dict[str, dict[str, list[float]]]) -> str:
    lines = [f"| {pathlib.Path(file).name} | {' | '.join(engines)} | {' | '.join('ratio to ' + e for e in engines[1:])} |"]
    lines.append("|---" * (2 * len(engines)) + "|")
    for row in ROWS.values():
        own = statistics.median(seen["Skein"][row])
        ratios = [f"{own / statistics.median(seen[e][row]):.2f}" for e in engines[1:]]
        lines.append(f"| {row} | {' | '.join(cell(seen[e][row]) for e in engines)} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", nargs="+")
    arguments.add_argument("--peer", action="append", default=[], metavar="NAME=LLAMA_BENCH")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments.add_argument("--json", type=pathlib.Path)
    given = arguments.parse_args()
    peers = dict(peer.split("=", 1) for peer in given.peer)
    engines = ["Skein", *peers]
    seen = {file: {engine: {row: [] for row in ROWS.values()} for engine in engines} for file in given.files}
    pings = []
    for number in range(given.rounds):
        for file in given.files:
            print(f"round {number + 1} of {given.rounds}: {file}", file=sys.stderr)
            figures, ping = skein(file, given.threads)
            pings.append(ping)
            measured = {"Skein": figures} | {n: llama_bench(b, file, given.threads) for n, b in peers.items()}
            for engine, each in measured.items():
                for row, value in each.items():
                    seen[file][engine][row].append(value)
            if given.json:
                given.json.write_text(json.dumps({"seen": seen, "core_to_core_nanos": pings}, indent=1))
    print(f"tokens/s, {given.threads} threads, {given.rounds} rounds; core to core {cell(pings)} ns\n")
    print("\n\n".join(table(file, engines, seen[file]) for file in given.files))


main()
