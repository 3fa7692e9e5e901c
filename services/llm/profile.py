"""The providers we know by name: where they are, what they can do, in which words they are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from pydantic import SecretStr

from domains.errors import UsageError


@dataclass(frozen=True, slots=True)
class Capability:
    """What a provider's usual models can do.

    ``json_schema``: the reply is held to a schema while it is written; ``json_object``: it is held to be JSON. Where
    models of one provider differ, the profile says what all can; an `Endpoint` may say more for its own.
    """

    json_schema: bool = False
    json_object: bool = False
    vision: bool = False
    embeddings: bool = False
    streaming: bool = True


@dataclass(frozen=True, slots=True)
class Profile:
    """A provider. ``prices`` is its name in genai-prices, None when only the overlay can know.

    An empty ``base_url`` must be given by whoever uses the profile. Keys are optional for servers of one's own.
    """

    name: str
    base_url: str
    capability: Capability
    prices: str | None = None
    adapter: Literal["openai", "gigachat"] = "openai"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    sends_seed: bool = True
    stream_usage: bool = True
    needs_key: bool = True


PROFILES: Final[tuple[Profile, ...]] = (
    Profile(
        "openai",
        "https://api.openai.com/v1",
        Capability(json_schema=True, json_object=True, vision=True, embeddings=True),
        prices="openai",
        # Reasoning models refuse max_tokens; the newer name is understood by all and bounds hidden reasoning too.
        max_tokens_field="max_completion_tokens",
    ),
    Profile(
        "mistral",
        "https://api.mistral.ai/v1",
        Capability(json_schema=True, json_object=True, vision=True, embeddings=True),
        prices="mistral",
        # It calls the seed random_seed and refuses parameters that it does not know; usage comes unasked.
        sends_seed=False,
        stream_usage=False,
    ),
    Profile(
        "openrouter",
        "https://openrouter.ai/api/v1",
        Capability(json_schema=True, json_object=True, vision=True, embeddings=True),
        prices="openrouter",
    ),
    Profile("deepseek", "https://api.deepseek.com", Capability(json_object=True), prices="deepseek"),
    Profile(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        # JSON Schema only with some of its models.
        Capability(json_object=True, vision=True, embeddings=True),
    ),
    Profile(
        "xai",
        "https://api.x.ai/v1",
        Capability(json_schema=True, json_object=True, vision=True),
        prices="x-ai",
    ),
    Profile(
        "vllm",
        "",
        Capability(json_schema=True, json_object=True, embeddings=True),
        needs_key=False,
    ),
    Profile(
        "ollama",
        "http://localhost:11434/v1",
        Capability(json_schema=True, json_object=True, vision=True, embeddings=True),
        needs_key=False,
    ),
    Profile(
        "gigachat",
        "https://api.giga.chat/v1",
        Capability(vision=True, embeddings=True),
        adapter="gigachat",
        sends_seed=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model of one provider, as an installation uses it.

    ``read_s`` bounds the silence between two bytes, ``attempt_s`` one attempt. ``any_model`` accepts a reply under
    another model's name (a router's automatic choice); its price is then a guess. ``auth_url`` and ``scope`` are
    GigaChat's; ``ca_file`` adds certificates that the system does not know, ``proxy`` is an http(s) proxy.
    """

    profile: Profile
    model: str
    key: SecretStr | None = None
    base_url: str = ""
    stream: bool = False
    attempt_s: float = 40.0
    connect_s: float = 5.0
    read_s: float = 30.0
    sends_temperature: bool = True
    any_model: bool = False
    json_schema: bool | None = None
    ca_file: str | None = None
    proxy: str | None = None
    auth_url: str = "https://ngw.devices.sberbank.ru:9443/api/v2/oauth"
    scope: str = "GIGACHAT_API_PERS"

    def __post_init__(self) -> None:
        if not self.url:
            raise UsageError(f"{self.profile.name}: no address is set", remedy="set the model's base URL")
        if self.profile.needs_key and not self.secret:
            raise UsageError(f"{self.profile.name}: no key is set", remedy="set the model's key")

    @property
    def url(self) -> str:
        """The address that is asked."""
        return self.base_url or self.profile.base_url

    @property
    def secret(self) -> str:
        """The key itself: for headers only."""
        return self.key.get_secret_value() if self.key else ""

    @property
    def capability(self) -> Capability:
        """What this model can do."""
        own = self.profile.capability
        return own if self.json_schema is None else replace(own, json_schema=self.json_schema)

    @property
    def dialect(self) -> str:
        """What can change a reply beside the request and the model's name."""
        can = self.capability
        return f"{self.url} schema={can.json_schema} object={can.json_object} t={self.sends_temperature} stream={self.stream}"


BY_NAME: Final[Mapping[str, Profile]] = {profile.name: profile for profile in PROFILES}


def profile(name: str) -> Profile:
    """Return the profile of that name. Raises UsageError that lists the names there are."""
    if name not in BY_NAME:
        raise UsageError(f"no provider is called {name!r}", remedy=f"one of: {', '.join(sorted(BY_NAME))}")
    return BY_NAME[name]
