"""Starts that cannot succeed say so in one clear line; and the switches of a start that can."""

import os
import pathlib
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx

from server import Skein, free_port, run_skein

TRACE = re.compile(r"^\s+at [\w.$/]+\(|Exception in thread|Caused by:|^java\.|hs_err_pid|SIGSEGV|SIGBUS", re.MULTILINE)
CUTS = 40
AT_ONCE = 4


def check_refused(*arguments, mentions):
    code, output = run_skein("serve", *arguments)
    lines = [line for line in output.splitlines() if line.strip()]
    assert code != 0, output[-2000:]
    assert not TRACE.search(output), output[-2000:]
    assert any(re.search(mentions, line) for line in lines[-3:]), output[-2000:]


def test_used_port(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check_refused("--port", port, mentions=str(port))


def test_missing_file(server, tmp_path):
    check_refused(tmp_path / "no-such.gguf", "--port", free_port(), mentions="no-such.gguf")


def test_a_file_that_is_no_model(server, tmp_path):
    wrong = tmp_path / "wrong.gguf"
    wrong.write_text("I am a text, not a model.\n" * 100)
    check_refused(wrong, "--port", free_port(), mentions="wrong.gguf")


def test_a_folder_without_a_model(server, tmp_path):
    check_refused(tmp_path, "--port", free_port(), mentions=re.escape(str(tmp_path)))


def test_a_flag_that_is_not_there_names_the_nearest(server):
    check_refused("--max-model-length", "10", mentions="--max-model-len")


def test_a_value_out_of_bounds(server):
    check_refused("--port", "70000", mentions="70000")
    check_refused("--max-num-seqs", "0", "--port", free_port(), mentions="max-num-seqs")


def test_a_truncated_file_at_40_places(server, tmp_path):
    whole = pathlib.Path(server.card()["root"])
    size = whole.stat().st_size
    # Header, counts, keys, vocabulary and merges lie in the first 2 MB or so, then come the tensors' values.
    places = [0, *(2 ** power for power in range(22)), *(3 * 2 ** power for power in range(10, 19)), *(
        size * share // 7 for share in range(1, 7)), size - 33, size - 1]
    assert len(places) == CUTS
    places.sort(reverse=True)

    def shorten(first):
        """One file gets shorter and shorter."""
        cut = tmp_path / f"cut{first}.gguf"
        shutil.copyfile(whole, cut)
        for place in places[first::AT_ONCE]:
            os.truncate(cut, place)
            check_refused(cut, "--port", free_port(), mentions=cut.name)

    with ThreadPoolExecutor(AT_ONCE) as crowd:
        list(crowd.map(shorten, range(AT_ONCE)))


def test_help(server):
    code, output = run_skein("serve", "--help")
    assert code == 0
    assert all(flag in output for flag in ("--port", "--host", "--max-model-len", "--served-model-name", "--api-key"))


def test_key_name_and_limit(tmp_path):
    arguments = ("--api-key", "secret", "--served-model-name", "goose", "--max-model-len", "256", "--seed", "3")
    with Skein(tmp_path, *arguments) as skein:
        bearer = {"Authorization": "Bearer secret"}
        assert httpx.get(skein.url + "/health").status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}, {"Authorization": "secret"}):
            for path in ("/v1/models", "/v1/nothing"):
                refused = httpx.get(skein.url + path, headers=headers)
                assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"}), (headers, path)
            assert httpx.post(skein.url + "/tokenize", json={"prompt": "x"}, headers=headers).status_code == 401
        card = httpx.get(skein.url + "/v1/models", headers=bearer).json()["data"][0]
        assert (card["id"], card["max_model_len"]) == ("goose", 256)
        long = httpx.post(skein.url + "/v1/completions", json={"prompt": [100] * 300}, headers=bearer)
        assert long.status_code == 400 and "maximum context length" in long.json()["error"]["message"]
        done = httpx.post(skein.url + "/v1/completions", json={"prompt": "a", "model": "goose"}, headers=bearer, timeout=60)
        assert done.status_code == 200 and done.json()["model"] == "goose"
