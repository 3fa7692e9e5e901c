"""Dense vectors of texts, where somebody wants them: an OpenAI-compatible /embeddings endpoint, GigaChat, or a local model.

All return rows of unit length. A name says everything that changes the vectors, so that an index knows whose it holds.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import numpy as np

from domains.errors import InputError, Refused, Unavailable, UsageError
from domains.point import Dense, Embedder
from services.llm.profile import Endpoint, profile
from services.settings import Settings

try:
    from gigachat import GigaChatSyncClient
    from gigachat.exceptions import GigaChatException, ResponseError
except ImportError:  # pragma: no cover - the extra is not installed
    GigaChatSyncClient = None  # type: ignore[assignment,misc,unused-ignore]  # said by `open_embedder`
try:
    from model2vec import StaticModel
except ImportError:  # pragma: no cover - the extra is not installed
    StaticModel = None  # type: ignore[assignment,misc,unused-ignore]  # said by `open_embedder`

# Texts of one call, and characters of one text: what every provider takes.
BATCH: Final = 64
TEXT_CHARS: Final = 6_000
TIMEOUT_S: Final = 20.0
LOCAL: Final = "local"


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Reply(msgspec.Struct):
    data: list[_Item]


class RemoteEmbedder:
    """Asks somebody else in batches; ``ask`` takes texts and returns one list of numbers for each."""

    def __init__(self, name: str, width: int, ask: Callable[[Sequence[str]], list[list[float]]]) -> None:
        self.name, self.width, self._ask = f"{name}/{width}", width, ask

    def embed(self, texts: Sequence[str], *, questions: bool = False) -> Dense:
        """Return float32 [n, width]. Raises Unavailable, Refused, or InputError when the answer is not vectors."""
        del questions
        found: list[list[float]] = []
        for at in range(0, len(texts), BATCH):
            asked = [text[:TEXT_CHARS].strip() or "." for text in texts[at : at + BATCH]]
            answer = self._ask(asked)
            if len(answer) != len(asked) or any(len(one) != self.width for one in answer):
                width = len(answer[0]) if answer else 0
                raise InputError(
                    f"{self.name}: {len(answer)} vectors of {width} numbers for {len(asked)} texts",
                    remedy="set SVODKA_EMBEDDING_WIDTH to the model's dimension",
                )
            found += answer
        return unit(np.array(found, np.float32).reshape(len(texts), self.width), self.name)


class LocalEmbedder:
    """A static model (model2vec) in a folder: no network, no accelerator."""

    def __init__(self, folder: Path) -> None:
        # A name that is no folder would be looked for on a hub.
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is no folder", remedy="set SVODKA_EMBEDDING_MODEL to a model's folder"
            )
        try:
            self._model = StaticModel.from_pretrained(folder)
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(
                f"no model2vec model in {folder}: {type(error).__name__}", remedy="set SVODKA_EMBEDDING_MODEL"
            ) from error
        self.width = int(self._model.dim)
        self.name = f"local/{folder.name}/{self.width}"

    def embed(self, texts: Sequence[str], *, questions: bool = False) -> Dense:
        """Return float32 [n, width]."""
        del questions
        if not texts:
            return np.zeros((0, self.width), np.float32)
        return unit(np.asarray(self._model.encode([*texts]), np.float32), self.name)


def unit(rows: Dense, name: str) -> Dense:
    """Return rows of unit length; one that is all zeros stays so. Raises InputError when a number is none."""
    if not np.isfinite(rows).all():
        raise InputError(f"{name}: a vector holds what is no number", remedy="try another model")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)


def compatible(endpoint: Endpoint, transport: httpx.BaseTransport | None = None) -> Callable[..., Any]:
    """Return how ``POST {url}/embeddings`` is asked, over ``transport`` (the network by default)."""
    name = f"{endpoint.profile.name}/{endpoint.model}"

    def ask(texts: Sequence[str]) -> list[list[float]]:
        body = {"model": endpoint.model, "input": [*texts], "encoding_format": "float"}
        headers = {"Authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else {}
        try:
            with httpx.Client(transport=transport, timeout=TIMEOUT_S, trust_env=False) as client:
                reply = client.post(f"{endpoint.url.rstrip('/')}/embeddings", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"{name}: no embeddings: {type(error).__name__}", remedy="they are asked for again"
            ) from error
        if reply.status_code != httpx.codes.OK:
            raise _refused(name, reply.status_code)
        try:
            data = msgspec.json.decode(reply.content, type=_Reply).data
        except msgspec.MsgspecError as error:
            raise InputError(
                f"{name}: no list of embeddings in the reply", remedy="see the base URL"
            ) from error
        return [one.embedding for one in sorted(data, key=lambda one: one.index)]

    return ask


def gigachat(endpoint: Endpoint) -> Callable[..., Any]:
    """Return how GigaChat is asked, by its own package."""

    def ask(texts: Sequence[str]) -> list[list[float]]:
        try:
            with GigaChatSyncClient(
                base_url=endpoint.url,
                auth_url=endpoint.auth_url,
                scope=endpoint.scope,
                credentials=endpoint.secret,
                timeout=TIMEOUT_S,
                max_retries=0,
            ) as client:
                reply = client.embeddings([*texts], model=endpoint.model)
        except ResponseError as error:
            # Not chained: the package's errors quote the reply.
            raise _refused("gigachat", error.status_code) from None
        except (GigaChatException, httpx.HTTPError) as error:
            raise Unavailable(
                f"gigachat: no embeddings: {type(error).__name__}", remedy="they are asked for again"
            ) from None
        return [[*one.embedding] for one in sorted(reply.data, key=lambda one: one.index)]

    return ask


def open_embedder(settings: Settings) -> Embedder | None:
    """Return the settings' embedder, or None. Raises UsageError for a provider, folder or package that is not there."""
    provider, model = settings.embedding_provider, settings.embedding_model
    if not provider:
        return None
    if not model:
        raise UsageError(f"{provider}: no embedding model is named", remedy="set SVODKA_EMBEDDING_MODEL")
    if provider == LOCAL:
        if StaticModel is None:
            raise UsageError("model2vec is not installed", remedy="pip install 'svodka[local]'")
        return LocalEmbedder(Path(model))
    chosen = profile(provider)
    if not chosen.capability.embeddings:
        raise UsageError(f"{provider} has no embeddings", remedy="choose another SVODKA_EMBEDDING_PROVIDER")
    endpoint = Endpoint(chosen, model, settings.embedding_key, settings.embedding_base_url)
    if chosen.adapter == "gigachat" and GigaChatSyncClient is None:
        raise UsageError("GigaChat's client is not installed", remedy="pip install 'svodka[gigachat]'")
    ask = gigachat(endpoint) if chosen.adapter == "gigachat" else compatible(endpoint)
    return RemoteEmbedder(f"{provider}/{model}", settings.embedding_width, ask)


def _refused(name: str, status: int) -> Unavailable | Refused:
    """Return the error of a reply that is no success; the body is not quoted, since servers have been seen to echo keys."""
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Unavailable(f"{name}: no embeddings: {status}", remedy="they are asked for again")
    return Refused(
        f"{name} refuses embeddings: {status}", remedy="see the embedding's key, model and address"
    )
