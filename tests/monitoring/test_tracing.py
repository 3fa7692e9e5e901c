"""Traces: one a run from its making to its delivery, models by the convention's names, and nothing secret in a failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

from monitoring import tracing

SCRIPT = """
import json
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry import trace as api
from monitoring import tracing

class Kept(SpanExporter):
    spans = []
    def export(self, spans):
        self.spans += spans
        return SpanExportResult.SUCCESS

kept = Kept()
assert tracing.configure("", kept)
run = tracing.of_run(7)
with tracing.span("digest.make", run, {"svodka.run": 7}):
    with tracing.span("stage write"):
        tracing.model_call("vllm", "m", seconds=1.5, input_tokens=11, output_tokens=7, outcome="ok")
        tracing.model_call("vllm", "m", seconds=0.1, input_tokens=0, output_tokens=0, outcome="timeout")
try:
    with tracing.span("delivery.send", run):
        raise RuntimeError("bot123456789:secret")
except RuntimeError:
    pass
api.get_tracer_provider().force_flush()
print(json.dumps([
    {"name": s.name, "trace": f"{s.context.trace_id:032x}", "parent": f"{s.parent.span_id:016x}" if s.parent else None,
     "id": f"{s.context.span_id:016x}", "attributes": dict(s.attributes), "status": s.status.status_code.name,
     "described": s.status.description, "events": len(s.events), "seconds": (s.end_time - s.start_time) / 1e9}
    for s in kept.spans
]))
"""


def traced():
    """The spans of a small run, in a process of its own: OpenTelemetry knows one provider a process."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
        env=dict(os.environ),  # noqa: TID251  a child needs its path
    )  # fmt: skip
    return {one["name"] + one["attributes"].get("error.type", ""): one for one in json.loads(done.stdout)}


def test_a_run_is_one_trace_from_its_making_to_its_delivery():
    spans = traced()
    assert {one["trace"] for one in spans.values()} == {tracing.of_run(7)}
    make, write, call = spans["digest.make"], spans["stage write"], spans["chat m"]
    assert (write["parent"], call["parent"]) == (make["id"], write["id"])
    assert make["attributes"] == {"svodka.run": 7}
    assert call["attributes"] == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 7,
    }  # fmt: skip
    assert 1.49 < call["seconds"] < 1.51
    failed, sent = spans["chat mtimeout"], spans["delivery.sendRuntimeError"]
    assert (failed["status"], sent["status"]) == ("ERROR", "ERROR")
    assert sent["described"] is None
    assert sent["events"] == 0


def test_each_run_has_a_trace_of_its_own_that_is_always_the_same():
    assert tracing.of_run(7) == tracing.of_run(7) != tracing.of_run(8)
    assert int(tracing.of_run(7), 16)


def test_without_a_place_to_send_to_nothing_happens():
    assert tracing.configure("") is False
    with tracing.span("digest.make", tracing.of_run(7)):
        tracing.model_call("p", "m", seconds=1, input_tokens=1, output_tokens=1, outcome="ok")
