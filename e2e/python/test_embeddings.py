"""An embedding model in a server of its own, with the client that asks for base64 unless told otherwise."""

import base64
import math
import struct

import httpx
import openai
import pytest

import encoder
from server import Skein

TEXTS = ["Hello world", "bees make honey", "a", "the quick brown fox jumps, or so"]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    folder = encoder.write(tmp_path_factory.mktemp("models") / "tiny-encoder")
    with Skein(tmp_path_factory.mktemp("embedder"), folder, "--served-model-name", "tiny-encoder") as server:
        yield server


@pytest.fixture(scope="module")
def embeddings(embedder):
    with openai.OpenAI(base_url=embedder.url + "/v1", api_key="any", max_retries=0, timeout=120) as client:
        yield client.embeddings


def vector(embeddings, text, **more):
    return embeddings.create(model="tiny-encoder", input=text, **more).data[0].embedding


def test_one_text(embeddings):
    answer = embeddings.create(model="tiny-encoder", input="Hello world", user="me")
    assert answer.object == "list"
    assert answer.model == "tiny-encoder"
    assert len(answer.data) == 1
    assert answer.data[0].object == "embedding"
    assert len(answer.data[0].embedding) == encoder.HIDDEN
    assert math.isclose(math.hypot(*answer.data[0].embedding), 1, abs_tol=1e-5)
    # [CLS] h ##e ##l ##l ##o w ##o ##r ##l ##d [SEP]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 12


def test_texts_together_and_alone(embeddings):
    answer = embeddings.create(model="tiny-encoder", input=TEXTS)
    assert [entry.index for entry in answer.data] == list(range(len(TEXTS)))
    alone = [vector(embeddings, text) for text in TEXTS]
    assert [entry.embedding for entry in answer.data] == alone
    assert len({tuple(each) for each in alone}) == len(TEXTS)
    assert vector(embeddings, "HELLO   WÓRLD") == alone[0]


def test_floats_and_base64(embedder, embeddings):
    body = {"model": "tiny-encoder", "input": "Hello world"}
    floats, coded = (
        httpx.post(embedder.url + "/v1/embeddings", json=body | {"encoding_format": form}).json()["data"][0]["embedding"]
        for form in ("float", "base64")
    )
    numbers = list(struct.unpack(f"<{encoder.HIDDEN}f", base64.b64decode(coded)))
    assert numbers == vector(embeddings, "Hello world")
    assert [struct.unpack("<f", struct.pack("<f", number))[0] for number in floats] == numbers


def test_token_ids(embedder, embeddings):
    ids = httpx.post(embedder.url + "/tokenize", json={"prompt": "Hello world"}).json()["tokens"]
    assert vector(embeddings, ids) == vector(embeddings, "Hello world")
    both = embeddings.create(model="tiny-encoder", input=[ids, ids[:3]])
    assert both.data[0].embedding == vector(embeddings, "Hello world")
    assert both.usage.prompt_tokens == len(ids) + 3


def test_too_long(embeddings):
    with pytest.raises(openai.BadRequestError, match="maximum context length is 32 tokens.* has 42 tokens"):
        vector(embeddings, "a" * 40)
    assert len(vector(embeddings, "a" * 40, extra_body={"truncate_prompt_tokens": -1})) == encoder.HIDDEN


def test_dimensions(embeddings):
    with pytest.raises(openai.BadRequestError, match="matryoshka"):
        vector(embeddings, "Hello", dimensions=8)
    assert len(vector(embeddings, "Hello", dimensions=encoder.HIDDEN)) == encoder.HIDDEN


def test_it_does_not_chat(embedder):
    with openai.OpenAI(base_url=embedder.url + "/v1", api_key="any", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["tiny-encoder"]
        with pytest.raises(openai.NotFoundError, match="embeddings"):
            client.chat.completions.create(model="tiny-encoder", messages=[{"role": "user", "content": "Hello"}])


def test_a_model_that_chats_does_not_embed(client, model):
    with pytest.raises(openai.NotFoundError, match="does not support embeddings"):
        client.embeddings.create(model=model, input="Hello")


def test_inputs_count(embedder, embeddings):
    before = embedder.metric("vllm:prompt_tokens_total"), embedder.metric("vllm:request_success_total")
    used = embeddings.create(model="tiny-encoder", input=TEXTS).usage.prompt_tokens
    assert embedder.metric("vllm:prompt_tokens_total") - before[0] == used
    assert embedder.metric("vllm:request_success_total") - before[1] == len(TEXTS)
