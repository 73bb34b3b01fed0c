"""The server under test: the one that SKEIN_BASE_URL names, or else a `./skein serve` of our own."""

import os

import httpx
import openai
import pytest

from server import Server, Skein

# Only a server that we started may be killed, and only the default model has goldens.
collect_ignore = []
if os.environ.get("SKEIN_BASE_URL"):
    collect_ignore += [
        "test_faults.py", "test_group.py", "test_start.py", "test_limits.py", "test_machines.py", "test_prefix.py"]
if os.environ.get("SKEIN_MODEL"):
    collect_ignore += ["test_group.py", "test_reference.py"]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    given = os.environ.get("SKEIN_BASE_URL")
    if given:
        yield Server(given)
        return
    try:
        skein = Skein(tmp_path_factory.mktemp("server")).__enter__()
    except AssertionError as failure:
        pytest.exit(str(failure), returncode=1)  # Once, instead of an error for each test.
    yield skein
    skein.end()


@pytest.fixture(scope="session")
def http(server):
    with httpx.Client(base_url=server.url, timeout=120) as client:
        yield client


@pytest.fixture(scope="session")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0, timeout=120) as client:
        yield client


@pytest.fixture(scope="session")
def model(server):
    return server.model()
