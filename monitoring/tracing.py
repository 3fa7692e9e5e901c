"""Traces by OpenTelemetry (the extra ``otel``), with its names for calls to models where it has some.

    beat's sweep ─▶ digest.make ─▶ stages, calls to models ─▶ delivery.send          one trace: `of_run`

A run's trace is known from its number, so that messages may be lost and workers die, and what is done for the run later
still belongs to it; no column and no header has to carry it. Without the extra, or without a place to send to, nothing
here does anything.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

try:
    from opentelemetry import trace as api
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
except ImportError:  # the extra "otel"
    api = None  # type: ignore[assignment]  # what says that there are no traces
try:
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as otlp
except ImportError:
    otlp = None  # type: ignore[assignment]  # the same

NAME: Final = "svodka"
SECOND_NS: Final = 1_000_000_000
Attribute = str | int | float | bool


def configure(url: str, exporter: "SpanExporter | None" = None) -> bool:
    """Send traces to ``url`` (OTLP over HTTP), or to ``exporter``, from now on; return whether that is possible.

    To be called after the fork: what sends is a thread.
    """
    if api is None:
        return False
    if exporter is None:
        if not url or otlp is None:
            return False
        exporter = otlp.OTLPSpanExporter(endpoint=url)
    provider = TracerProvider(resource=Resource.create({"service.name": NAME}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    api.set_tracer_provider(provider)
    return True


def of_run(run_id: int) -> str:
    """Return the trace of a run, 32 hexadecimal digits; everything done for the run is in it."""
    return hashlib.sha256(f"{NAME} run {run_id}".encode()).hexdigest()[:32]


@contextmanager
def span(name: str, trace: str = "", attributes: Mapping[str, Attribute] | None = None) -> Iterator[None]:
    """Trace what the block does; ``trace`` is the trace it belongs to where no span is open yet.

    A failure is noted by its class only: messages may hold what is not ours to pass on.
    """
    if api is None:
        yield
        return
    opened = api.get_tracer(NAME).start_as_current_span(
        name,
        context=_parent(trace) if trace else None,
        attributes=dict(attributes or {}),
        record_exception=False,
        set_status_on_exception=False,
    )
    with opened as current, _Noted(current):
        yield


@dataclass(frozen=True, slots=True)
class _Noted:
    """Notes the class of what ends the block on its span."""

    span: "api.Span"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.span.set_attribute("error.type", kind.__name__)
            self.span.set_status(api.StatusCode.ERROR)


def model_call(
    provider: str, model: str, *, seconds: float, input_tokens: int, output_tokens: int, outcome: str
) -> None:
    """Trace a call to a model that has just ended, by the semantic conventions for generative AI."""
    if api is None:
        return
    end = time.time_ns()
    made = api.get_tracer(NAME).start_span(
        f"chat {model}",
        kind=api.SpanKind.CLIENT,
        start_time=end - round(seconds * SECOND_NS),
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": input_tokens,
            "gen_ai.usage.output_tokens": output_tokens,
        },
    )
    if outcome != "ok":
        made.set_attribute("error.type", outcome)
        made.set_status(api.StatusCode.ERROR)
    made.end(end)


def _parent(trace: str) -> "Context":
    # The begin of a run's trace is nobody's span: it stands for the run's row.
    there = api.SpanContext(
        trace_id=int(trace, 16),
        span_id=int(trace[:16], 16),
        is_remote=True,
        trace_flags=api.TraceFlags(api.TraceFlags.SAMPLED),
    )
    return api.set_span_in_context(api.NonRecordingSpan(there))
