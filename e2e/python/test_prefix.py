"""What begins alike is computed once, and usage and metrics say so to the token."""

import threading

import httpx
import pytest

from server import Skein, chunks, until

PATH = "/v1/completions"
PREFIX = [100 + n * 37 % 9000 for n in range(2000)]
OWN = 3


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    with Skein(tmp_path_factory.mktemp("telling"), "--enable-prompt-tokens-details") as running:
        yield running


def ask(number, **more):
    own = [20000 + OWN * number + place for place in range(OWN)]
    return {"prompt": PREFIX + own, "temperature": 0, "max_tokens": 4, "ignore_eos": True} | more


def counts(server):
    """Prompt tokens computed, prompt tokens found, tokens looked up, all tokens that went through a step."""
    names = {"local_compute": 0, "local_cache_hit": 0}
    text = httpx.get(server.url + "/metrics", timeout=30).text
    for line in text.splitlines():
        for source in names:
            if line.startswith("vllm:prompt_tokens_by_source_total{") and f'source="{source}"' in line:
                names[source] += float(line.rsplit(" ", 1)[1])
    assert server.metric("vllm:prefix_cache_hits_total") == names["local_cache_hit"]
    return (
        *names.values(), server.metric("vllm:prefix_cache_queries_total"),
        server.metric("vllm:iteration_tokens_total_sum"),
    )


def send_together(server, bodies):
    answers = [None] * len(bodies)

    def send(place):
        answers[place] = httpx.post(server.url + PATH, json=bodies[place], timeout=300)

    callers = [threading.Thread(target=send, args=(place,)) for place in range(len(bodies))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for answer in answers:
        assert answer.status_code == 200, answer.text
    assert until(server.idle)
    return [answer.json() for answer in answers]


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


@pytest.mark.parametrize("salt", [None, "a tenant's"])
def test_24_requests_compute_what_they_share_once(telling, salt):
    """A salt of its own finds nothing of what the others left."""
    more = {} if salt is None else {"cache_salt": salt}
    before = counts(telling)
    answers = send_together(telling, [ask(number, **more) for number in range(24)])
    assert sorted(map(cached, answers)) == [0] + [len(PREFIX)] * 23
    assert {answer["usage"]["prompt_tokens"] for answer in answers} == {len(PREFIX) + OWN}
    computed, found, looked_up, steps = (now - then for now, then in zip(counts(telling), before))
    assert computed == len(PREFIX) + 24 * OWN
    assert found == 23 * len(PREFIX)
    assert looked_up == 24 * (len(PREFIX) + OWN)
    # The last of four tokens is not computed any more.
    assert steps == len(PREFIX) + 24 * OWN + 24 * 3


def test_what_is_cached_changes_no_answer(telling):
    salted = [ask(5, cache_salt="five", logprobs=3), ask(5, cache_salt="five", logprobs=3)]
    first, second = [httpx.post(telling.url + PATH, json=body, timeout=300).json() for body in salted]
    assert (cached(first), cached(second)) == (0, len(PREFIX))
    assert second["choices"] == first["choices"]


def test_a_stream_tells_it_in_its_usage(telling):
    httpx.post(telling.url + PATH, json=ask(1), timeout=300)
    with httpx.Client(base_url=telling.url, timeout=300) as client:
        *_, last = chunks(client, PATH, ask(2, stream_options={"include_usage": True}))
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == len(PREFIX)


@pytest.mark.parametrize("more", [{"n": 8}, {"n": 2, "best_of": 8}])
def test_sequences_of_one_prompt_compute_it_once(telling, more):
    salt = {"cache_salt": str(more), "temperature": 1, "seed": 3}
    before = counts(telling)
    answer = httpx.post(telling.url + PATH, json=ask(0, **more, **salt), timeout=300).json()
    assert until(telling.idle)
    computed, found, *_ = (now - then for now, then in zip(counts(telling), before))
    assert found == 7 * len(PREFIX)
    assert computed == len(PREFIX) + 8 * OWN
    assert len(answer["choices"]) == more["n"]
    assert answer["usage"]["prompt_tokens"] == len(PREFIX) + OWN
    assert answer["usage"]["completion_tokens"] == 8 * 4


def test_a_prompt_is_scored_once_for_all_its_sequences(telling):
    """The one that is scored goes in small steps and finds nothing; the next overtakes it, and six more find it all."""
    before = counts(telling)
    body = ask(0, n=8, temperature=1, echo=True, logprobs=1, cache_salt="scored")
    answer = httpx.post(telling.url + PATH, json=body, timeout=300).json()
    assert until(telling.idle)
    computed, found, *_ = (now - then for now, then in zip(counts(telling), before))
    assert 6 * len(PREFIX) <= found <= 7 * len(PREFIX)
    assert computed + found == 8 * (len(PREFIX) + OWN)
    scores = [choice["logprobs"]["token_logprobs"][:len(PREFIX) + OWN] for choice in answer["choices"]]
    assert scores[0][0] is None and all(score < 0 for score in scores[0][1:])
    assert all(each == scores[0] for each in scores)


def test_best_of_returns_the_likeliest(telling):
    """The same seeds make the same candidates, so their logprobs can be looked at."""
    sampling = {"prompt": "Once upon a time", "temperature": 1.5, "seed": 11, "max_tokens": 12, "logprobs": 0}

    def choices(**more):
        return httpx.post(telling.url + PATH, json=sampling | more, timeout=300).json()["choices"]

    def mean(choice):
        values = choice["logprobs"]["token_logprobs"]
        return sum(values) / len(values)

    candidates = sorted(choices(n=6), key=mean, reverse=True)
    best = choices(n=2, best_of=6)
    assert [choice["text"] for choice in best] == [choice["text"] for choice in candidates[:2]]
    assert [choice["index"] for choice in best] == [0, 1]
