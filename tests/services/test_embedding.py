"""Dense vectors from an endpoint and from a folder; what goes wrong is said without quoting anybody's reply."""

import json

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from domains.errors import InputError, Refused, Unavailable, UsageError
from services import settings
from services.embedding import BATCH, RemoteEmbedder, compatible, open_embedder, unit
from services.llm.profile import Endpoint, profile

KEY = "sk-secret-of-tests"


def embedder(answer, width=3):
    endpoint = Endpoint(profile("vllm"), "bge", SecretStr(KEY), "http://models.example/v1")
    return RemoteEmbedder("vllm/bge", width, compatible(endpoint, httpx.MockTransport(answer)))


def reply(request):
    texts = json.loads(request.content)["input"]
    rows = [{"index": at, "embedding": [3.0, 4.0 * (at + 1), 0.0]} for at in range(len(texts))]
    return httpx.Response(200, json={"object": "list", "data": rows[::-1]})


def test_rows_come_back_in_order_and_of_unit_length():
    asked = []

    def answer(request):
        asked.append(request)
        return reply(request)

    rows = embedder(answer).embed(["a", ""])
    assert rows == pytest.approx(np.array([[0.6, 0.8, 0.0], [3 / 73**0.5, 8 / 73**0.5, 0.0]]))
    assert rows.dtype == np.float32
    assert asked[0].url == "http://models.example/v1/embeddings"
    assert asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_many_texts_go_out_in_batches_and_none_in_none():
    sizes = []

    def answer(request):
        sizes.append(len(json.loads(request.content)["input"]))
        return reply(request)

    assert embedder(answer).embed([str(n) for n in range(BATCH + 1)]).shape == (BATCH + 1, 3)
    assert sizes == [BATCH, 1]
    assert embedder(answer).embed([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(401, text=KEY), Refused),
        (httpx.Response(429), Unavailable),
        (httpx.Response(503, text="<html>"), Unavailable),
        (httpx.Response(200, text="<html>"), InputError),
        (httpx.Response(200, json={"data": []}), InputError),
        (httpx.Response(200, json={"data": [{"index": 0, "embedding": [1.0, 2.0]}]}), InputError),
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.ReadTimeout("slow"), Unavailable),
    ],
    ids=lambda one: getattr(one, "__name__", None) or str(one),
)
def test_what_is_no_list_of_vectors_is_an_error_that_keeps_the_secret(response, error):
    def answer(request):
        if isinstance(response, Exception):
            raise response
        return response

    with pytest.raises(error) as caught:
        embedder(answer).embed(["a"])
    assert KEY not in f"{caught.value} {caught.value.remedy}"


def test_a_vector_of_no_numbers_is_refused_and_of_zeros_stays():
    assert unit(np.zeros((1, 2), np.float32), "x").tolist() == [[0.0, 0.0]]
    with pytest.raises(InputError):
        unit(np.array([[np.nan, 1.0]], np.float32), "x")


def test_settings_choose_the_embedder_and_say_what_is_missing(tmp_path):
    assert open_embedder(settings.load()) is None
    own = open_embedder(
        settings.load(embedding_provider="ollama", embedding_model="nomic", embedding_width=768)
    )
    assert (own.name, own.width) == ("ollama/nomic/768", 768)
    for wrong in (
        {"embedding_provider": "ollama"},
        {"embedding_provider": "nobody", "embedding_model": "m"},
        {"embedding_provider": "deepseek", "embedding_model": "m", "embedding_key": "k"},
        {"embedding_provider": "local", "embedding_model": str(tmp_path / "absent")},
        {"embedding_provider": "local", "embedding_model": str(tmp_path)},
    ):
        with pytest.raises(UsageError):
            open_embedder(settings.load(**wrong))


def test_a_model_in_a_folder_needs_no_network(tmp_path):
    model2vec = pytest.importorskip("model2vec", reason="the extra local is not installed")
    tokenizers = pytest.importorskip("tokenizers", reason="the extra local is not installed")
    words = {"[UNK]": 0, "fire": 1, "blaze": 2, "hockey": 3}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    table = np.array([[0.1, 0.1], [1.0, 0.1], [0.9, 0.2], [0.0, 1.0]], np.float32)
    model2vec.StaticModel(table, tokenizer).save_pretrained(tmp_path / "tiny")
    own = open_embedder(settings.load(embedding_provider="local", embedding_model=str(tmp_path / "tiny")))
    fire, blaze, hockey = own.embed(["fire", "blaze", "hockey"])
    assert own.width == 2
    assert fire @ blaze > 0.9 > fire @ hockey
