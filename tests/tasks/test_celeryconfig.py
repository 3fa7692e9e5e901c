"""The configuration: every task has a queue, every tick expires, and no broker waits for ever."""

import runpy
from pathlib import Path

import pytest

import celeryconfig
from services import settings
from tasks import celery as tasks
from tasks import job

FILE = celeryconfig.__file__
OURS = sorted(name for name in tasks.app.tasks if not name.startswith("celery."))
NIGHTLY = {"persona.refresh", "memory.purge", "dlq.retain"}
SWEEPS = {"source.due", "index.due", "digest.due", "delivery.due", "dlq.sweep"}


def load(monkeypatch, **values):
    """The configuration as another process with these settings reads it."""
    for name, value in settings.variables(**values).items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(FILE)


def test_every_task_is_routed_and_every_route_is_a_task():
    assert set(celeryconfig.task_routes) == set(OURS)
    assert {kind.name for kind in job.KINDS} <= set(OURS)


def test_every_route_leads_to_a_queue_and_every_queue_is_used():
    routed = {route["queue"] for route in celeryconfig.task_routes.values()}
    assert routed == set(celeryconfig.QUEUES) == {queue.name for queue in celeryconfig.task_queues}
    assert celeryconfig.task_default_queue in celeryconfig.QUEUES
    assert not celeryconfig.task_create_missing_queues


def test_each_kind_of_work_has_a_queue_of_its_own():
    queues = [celeryconfig.task_routes[kind.name]["queue"] for kind in job.KINDS]
    assert len(set(queues)) == len(queues)
    assert "control" not in queues


TWICE_A_DAY = ("baseline.snapshot",)


def test_beat_looks_for_all_work_and_what_nobody_could_run_in_time_expires():
    schedule = celeryconfig.beat_schedule
    assert SWEEPS <= {entry["task"] for entry in schedule.values()} <= set(OURS)
    for name, entry in schedule.items():
        every_s = entry["schedule"] if name not in {*NIGHTLY, *TWICE_A_DAY} else 12 * 3600
        assert 0 < entry["options"]["expires"] <= every_s, name


def test_beat_ticks_as_often_as_the_setting_says(monkeypatch):
    found = load(monkeypatch, sweep_s="5")
    sweeps = {
        name: one for name, one in found["beat_schedule"].items() if name not in {*NIGHTLY, *TWICE_A_DAY}
    }
    assert {(one["schedule"], one["options"]["expires"]) for one in sweeps.values()} == {(5, 5)}
    assert all(found["beat_schedule"][name]["schedule"].hour == {3} for name in NIGHTLY)


def test_the_app_reads_this_configuration():
    for name in ("task_acks_late", "worker_prefetch_multiplier", "task_ignore_result", "beat_schedule"):
        assert getattr(tasks.app.conf, name) == getattr(celeryconfig, name)
    assert tasks.app.conf.result_backend is None
    assert tasks.app.conf.task_publish_retry is False


def test_a_lost_worker_loses_no_message_and_nobody_sits_on_others():
    assert celeryconfig.task_acks_late
    assert celeryconfig.task_reject_on_worker_lost
    assert celeryconfig.worker_prefetch_multiplier == 1


def test_nothing_but_json_is_read():
    assert (celeryconfig.task_serializer, celeryconfig.accept_content) == ("json", ["json"])


def test_no_message_has_an_appointment_and_no_task_is_retried_by_celery():
    for name in OURS:
        task = tasks.app.tasks[name]
        assert not getattr(task, "autoretry_for", ())
        assert task.ignore_result
    source = Path(tasks.__file__).read_text(encoding="utf-8")
    assert not [word for word in ("countdown", "eta=", ".retry(", "chord", "chain(") if word in source]


def test_a_task_ends_before_its_process_is_killed():
    assert 0 < celeryconfig.task_soft_time_limit < celeryconfig.task_time_limit


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0", "rediss://host/0", "valkey://host/0"])
def test_a_silent_redis_is_given_up_in_seconds(monkeypatch, url):
    found = load(monkeypatch, broker_url=url)
    options = found["broker_transport_options"]
    assert options["socket_timeout"] <= 5
    assert options["socket_connect_timeout"] <= 5
    assert options["visibility_timeout"] >= found["task_time_limit"]
    assert not found["_arguments"]


def test_rabbitmq_keeps_messages_confirms_them_and_is_not_waited_for(monkeypatch):
    found = load(monkeypatch, broker_url="amqp://me:hunter2@host//")
    options = found["broker_transport_options"]
    assert options["confirm_publish"]
    assert {"confirm_timeout", "read_timeout", "write_timeout", "connect_timeout"} <= set(options)
    assert max(value for name, value in options.items() if name.endswith("timeout")) < 10
    assert {queue.queue_arguments["x-queue-type"] for queue in found["task_queues"]} == {"quorum"}


def test_the_number_of_processes_is_the_setting(monkeypatch):
    assert load(monkeypatch, worker_processes="7")["worker_concurrency"] == 7
