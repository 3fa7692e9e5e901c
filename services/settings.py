"""Every setting, typed and validated: the only reader of the environment.

A variable is ``SVODKA_`` and the field's name in capitals; ``SVODKA_DATABASE_URL_FILE`` and the like name a file that
holds the value of a secret. README shows `table()`, and a test keeps the two equal.
"""

import os
import platform
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domains import limits
from domains.errors import UsageError

PREFIX: Final = "SVODKA_"


class Settings(BaseSettings):
    """Svodka's settings. Empty URLs mean: start the embedded server under ``var``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    var: Annotated[
        Path, Field(description="Folder of everything Svodka keeps: servers' data, logs, digests")
    ] = Path("var")
    database_url: Annotated[
        SecretStr | None, Field(description="PostgreSQL 15+ as a SQLAlchemy URL; empty: the embedded one")
    ] = None
    broker_url: Annotated[
        SecretStr | None,
        Field(description="Celery's broker: amqp:// (recommended) or redis://; empty: the embedded Valkey"),
    ] = None
    redis_url: Annotated[
        SecretStr | None, Field(description="Redis or Valkey for caches; empty: the embedded Valkey")
    ] = None
    tenant: Annotated[str, Field(description="Tenant that commands act on", pattern=r"^[\w.:-]{1,64}$")] = (
        "default"
    )
    digest_dir: Annotated[
        Path | None, Field(description="Where the file channel writes; empty: digests under var")
    ] = None
    log_level: Annotated[str, Field(description="debug, info, warning or error")] = "info"
    log_json: Annotated[bool, Field(description="Write logs as one JSON object a line")] = False
    otlp_url: Annotated[
        str,
        Field(
            description="Where traces are sent, such as http://localhost:4318/v1/traces; needs the extra otel",
            pattern="^(https?://.*)?$",
        ),
    ] = ""
    worker_processes: Annotated[int, Field(description="Celery worker processes", ge=1, le=256)] = 2
    sweep_s: Annotated[
        float, Field(description="How often beat looks for due work, in seconds", ge=1, le=3600)
    ] = 60.0
    retry_base_s: Annotated[
        float, Field(description="Base of the dead letters' exponential backoff, in seconds", ge=0.1, le=3600)
    ] = limits.DLQ_BASE_S
    letter_days: Annotated[
        int,
        Field(
            description="How many days closed dead letters stay, before they are moved into files",
            ge=1,
            le=3650,
        ),
    ] = 30
    lease_s: Annotated[
        float,
        Field(description="How long a worker may be silent before its work is taken over", ge=2, le=3600),
    ] = 120.0
    fetch_interval_s: Annotated[
        float, Field(description="Default time between two fetches of a feed, in seconds", ge=60, le=604800)
    ] = 900.0
    host_interval_s: Annotated[
        float, Field(description="Least time between two requests to one host, in seconds", ge=0, le=3600)
    ] = 1.0
    user_agent: Annotated[
        str, Field(description="How fetches introduce themselves; name a way to reach you")
    ] = "Svodka/0.1 (+https://example.org/svodka-bot)"
    allow_private_addresses: Annotated[
        bool, Field(description="Allow feeds on private, loopback and link-local addresses")
    ] = False

    metrics_port: Annotated[
        int,
        Field(description="Port of this host's metrics; 0: `svodka up` serves none", ge=0, le=65535),
    ] = 9188
    metrics_address: Annotated[
        str, Field(description="Address that metrics are served on; Prometheus has to reach it")
    ] = "127.0.0.1"
    prometheus_url: Annotated[
        str,
        Field(
            description="Prometheus that baselines are taken from, morning and evening; empty: dashboards only",
            pattern="^(https?://.*)?$",
        ),
    ] = ""
    alert_telegram_chat: Annotated[
        str,
        Field(
            description="Number of the chat that alerts go to, by the Telegram bot",
            pattern=r"^(-?\d{1,15})?$",
        ),
    ] = ""
    alert_mail_to: Annotated[str, Field(description="Address that alerts are mailed to")] = ""
    alert_webhook_url: Annotated[
        str,
        Field(
            description="Address that alerts are posted to, the dead-man's switch included",
            pattern="^(https?://.*)?$",
        ),
    ] = ""
    flower_port: Annotated[
        int,
        Field(description="Port of Flower, the operators' page; 0: `svodka up` starts none", ge=0, le=65535),
    ] = 5555
    flower_address: Annotated[
        str, Field(description="Address that Flower listens on; put TLS in front of any but loopback")
    ] = "127.0.0.1"
    flower_user: Annotated[str, Field(description="Who signs in to Flower", pattern=r"^[\w.@-]{1,64}$")] = (
        "operator"
    )
    flower_password: Annotated[
        SecretStr | None,
        Field(description="Flower's password; empty: one is made and kept in flower.password under var"),
    ] = None
    web_port: Annotated[
        int, Field(description="Port of the HTTP API; 0: `svodka up` starts none", ge=0, le=65535)
    ] = 8188
    web_address: Annotated[
        str, Field(description="Address that the HTTP API listens on; put TLS in front of any but loopback")
    ] = "127.0.0.1"
    web_url: Annotated[
        str,
        Field(
            description="Where readers reach the HTTP API, for links in its feeds; empty: where they asked",
            pattern="^(https?://.*)?$",
        ),
    ] = ""

    model_provider: Annotated[
        str,
        Field(
            description="Provider of the model that writes: openai, mistral, openrouter, deepseek, dashscope, xai, "
            "vllm, ollama or gigachat; empty: no model, digests are extracted"
        ),
    ] = ""
    model_name: Annotated[str, Field(description="The model's name as its provider knows it")] = ""
    model_key: Annotated[SecretStr | None, Field(description="The provider's key")] = None
    model_base_url: Annotated[str, Field(description="Another address of an OpenAI-compatible server")] = ""
    cheaper_model_provider: Annotated[
        str, Field(description="Provider of the model that is asked when the first one fails; empty: none")
    ] = ""
    cheaper_model_name: Annotated[str, Field(description="The cheaper model's name")] = ""
    cheaper_model_key: Annotated[SecretStr | None, Field(description="The cheaper provider's key")] = None
    cheaper_model_base_url: Annotated[str, Field(description="Another address of the cheaper model")] = ""
    model_attempt_s: Annotated[
        float, Field(description="Longest time one attempt may take", ge=1, le=600)
    ] = 40.0
    model_prices: Annotated[
        Path | None, Field(description="Prices of your own: a file like services/llm/prices.toml")
    ] = None
    model_cache_s: Annotated[
        float, Field(description="How long an answer is kept and given again", ge=0, le=2_592_000)
    ] = 86_400.0
    budget_currency: Annotated[
        str, Field(description="Currency that budgets are kept in", pattern="^[A-Z]{3}$")
    ] = "USD"
    budget_run_calls: Annotated[int | None, Field(description="Most model calls of one run", ge=0)] = 12
    budget_run_tokens: Annotated[
        int | None, Field(description="Most tokens of one run, worst case", ge=0)
    ] = 400_000
    budget_run_money: Annotated[Decimal | None, Field(description="Most money of one run", ge=0)] = None
    budget_day_calls: Annotated[int | None, Field(description="Most model calls of a tenant a day", ge=0)] = (
        None
    )
    budget_day_tokens: Annotated[int | None, Field(description="Most tokens of a tenant a day", ge=0)] = None
    budget_day_money: Annotated[Decimal | None, Field(description="Most money of a tenant a day", ge=0)] = (
        Decimal(1)
    )
    budget_provider_day_money: Annotated[
        Decimal | None,
        Field(description="Most money spent at one provider a day, all tenants together", ge=0),
    ] = None
    budget_allow_unknown_price: Annotated[
        bool, Field(description="Ask models whose price nobody knows, as if they were free")
    ] = False

    qdrant_url: Annotated[
        str, Field(description="Qdrant server for vectors, http(s)://; empty: postings in PostgreSQL")
    ] = ""
    qdrant_key: Annotated[SecretStr | None, Field(description="The Qdrant server's API key")] = None
    graph: Annotated[
        str,
        Field(
            description="embedded: `svodka up` starts a graph server from the extra `graph`; empty: none",
            pattern="^(embedded)?$",
        ),
    ] = ""
    neo4j_url: Annotated[
        SecretStr | None,
        Field(description="Neo4j server of your own: bolt:// or neo4j+s://user:password@host:7687/database"),
    ] = None
    embedding_provider: Annotated[
        str,
        Field(
            description="Provider of dense vectors beside the lexical ones: a provider of models, or local; empty: none"
        ),
    ] = ""
    embedding_model: Annotated[
        str, Field(description="The embedding model's name; for local the folder of a model2vec model")
    ] = ""
    embedding_key: Annotated[SecretStr | None, Field(description="The embedding provider's key")] = None
    embedding_base_url: Annotated[str, Field(description="Another address of the embedding provider")] = ""
    embedding_width: Annotated[int, Field(description="Dimension of the dense vectors", ge=1, le=16_384)] = (
        1024
    )

    telegram_token: Annotated[
        SecretStr | None, Field(description="Token of the Telegram bot that sends digests, from @BotFather")
    ] = None
    telegram_api_url: Annotated[
        str, Field(description="Another address of the Bot API: a server of your own", pattern="^https?://")
    ] = "https://api.telegram.org"
    smtp_url: Annotated[
        SecretStr | None,
        Field(
            description="Mail server: smtp://user:password@host:587 (STARTTLS), smtps:// (TLS) or smtp+plain://"
        ),
    ] = None
    mail_from: Annotated[str, Field(description="Who letters are from: an address, or Name <address>")] = ""
    mail_per_minute: Annotated[
        int, Field(description="Most letters a minute, all workers together", ge=1, le=6000)
    ] = 60
    unsubscribe_url: Annotated[
        str,
        Field(
            description="Page that ends a subscription by POST (RFC 8058); empty: by a letter",
            pattern="^(https://.*)?$",
        ),
    ] = ""
    unsubscribe_secret: Annotated[
        SecretStr | None, Field(description="Key that signs the links to that page")
    ] = None
    webhook_secret: Annotated[
        SecretStr | None, Field(description="Key that signs webhooks; whsec_ and base64, or any text")
    ] = None
    digests_url: Annotated[
        str,
        Field(description="Where the folder of digests can be read from outside", pattern="^(https?://.*)?$"),
    ] = ""
    rather_twice: Annotated[
        str,
        Field(
            description="Channels, with commas, that send again when nobody knows whether a message was taken; "
            "the others never send twice by themselves",
            pattern=r"^[a-z, ]*$",
        ),
    ] = ""

    @field_validator("database_url")
    @classmethod
    def known_database(cls, value: SecretStr | None) -> SecretStr | None:
        """Return the URL for the driver we have. Raises ValueError for another database, never showing the URL."""
        if value is None:
            return None
        scheme, colon, rest = value.get_secret_value().partition("://")
        if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not colon or not _is_url(rest):
            raise ValueError("must be a URL such as postgresql://user:password@host/database")
        return SecretStr(f"postgresql+psycopg://{rest}")

    @field_validator("broker_url", "redis_url")
    @classmethod
    def known_broker(cls, value: SecretStr | None) -> SecretStr | None:
        """Return the URL. Raises ValueError for a broker we do not speak to."""
        if value is None:
            return None
        scheme, colon, rest = value.get_secret_value().partition("://")
        if (
            scheme not in {"amqp", "amqps", "redis", "rediss", "valkey", "valkeys"}
            or not colon
            or not _is_url(rest)
        ):
            raise ValueError("must be a URL such as amqp://user:password@host// or redis://host:6379/0")
        return value

    @field_validator("neo4j_url")
    @classmethod
    def known_graph(cls, value: SecretStr | None) -> SecretStr | None:
        """Return the URL. Raises ValueError for another protocol, never showing the URL."""
        if value is None:
            return None
        scheme, colon, rest = value.get_secret_value().partition("://")
        if scheme.partition("+")[0] not in {"bolt", "neo4j"} or not colon or not _is_url(rest):
            raise ValueError("must be a URL such as bolt://user:password@host:7687/database")
        return value

    @field_validator("log_level")
    @classmethod
    def known_level(cls, value: str) -> str:
        """Return the level in lower case. Raises ValueError for a level that does not exist."""
        if value.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("must be debug, info, warning or error")
        return value.lower()

    @property
    def resent(self) -> frozenset[str]:
        """The channels that rather send twice than never."""
        return frozenset(name.strip() for name in self.rather_twice.split(",") if name.strip())

    @property
    def counters(self) -> Path:
        """The folder that the processes of this host count in: containers that share ``var`` have their own numbers."""
        return self.var / "metrics" / platform.node()

    @property
    def digests(self) -> Path:
        """The folder that the file channel writes to."""
        return self.digest_dir or self.var / "digests"


def load(**overrides: Any) -> Settings:
    """Return the settings of this process. Raises UsageError that names each wrong variable, never its value."""
    try:
        return Settings(**{**_secrets_from_files(), **overrides})
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)
        )
        raise UsageError(
            f"wrong settings: {wrong}", remedy="README lists every setting and its range"
        ) from None


def child_environment(**values: str) -> dict[str, str]:
    """Return this process's environment with ``values`` (settings by field name) set, for a child process."""
    return {**os.environ, **variables(**values)}


def variables(**values: str) -> dict[str, str]:
    """Return settings by field name as environment variables."""
    return {f"{PREFIX}{name.upper()}": value for name, value in values.items()}


def environment(name: str, default: str = "") -> str:
    """Return a variable that is not a setting of ours, such as one that systemd or CI sets."""
    return os.environ.get(name, default)


def table() -> str:
    """Return the settings as a Markdown table: variable, default, meaning."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        lines.append(
            f"| `{PREFIX}{name.upper()}` | {f'`{default}`' if default else ''} | {field.description} |"
        )
    return "\n".join(lines)


def _is_url(rest: str) -> bool:
    try:
        port = urlsplit(f"scheme://{rest}").port
    except ValueError:
        return False
    return port is None or port > 0


def _secrets_from_files() -> dict[str, str]:
    return dict(_read_secrets())


def _read_secrets() -> Iterator[tuple[str, str]]:
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name.upper()}_FILE"
        if "SecretStr" in str(field.annotation) and (path := os.environ.get(variable)):
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "not UTF-8 text"
                raise UsageError(f"{variable}: cannot read {path}: {why}") from None
            if value:
                yield name, value
