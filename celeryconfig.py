"""Celery's settings: declarations only, each odd one with its reason. The numbers come from the project's measurements.

The row is the work, the message a nudge (docs/adr/0001): everything here may lose or double a message, and only costs
latency or a claim that finds nothing.
"""

from celery.schedules import crontab
from kombu.entity import Queue

from services import settings as _settings

_set = _settings.load()

broker_url = _set.broker_url.get_secret_value() if _set.broker_url else "redis://127.0.0.1:6379/0"
broker_connection_retry_on_startup = True
# A broker that swallows packets blocked publishers for 45 s and more; with these a nudge gives up in 3 s.
broker_transport_options = (
    {
        "socket_timeout": 3,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        # A killed worker's message comes back after 103 s by default; rows do not wait for it, but queues stay tidy.
        "visibility_timeout": 600,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "health_check_interval": 10,
    }
    if broker_url.startswith(("redis", "valkey"))
    # RabbitMQ reports success for a lost message unless it confirms, and confirms block for ever without a timeout.
    else {
        "confirm_publish": True,
        "confirm_timeout": 5,
        "read_timeout": 9,
        "write_timeout": 9,
        "connect_timeout": 3,
    }
)
# Redis' client connects anew by itself. A connection to RabbitMQ that broke stays broken in its pool until a publisher is
# allowed one more try: without it a worker and beat that outlived their broker never nudge anybody again.
task_publish_retry = broker_url.startswith("amqp")
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

# A task that dies with its worker is delivered again; leases keep a second delivery from doing anything.
task_acks_late = True
task_reject_on_worker_lost = True
# Late acknowledgement with prefetching would let one busy worker sit on others' messages.
worker_prefetch_multiplier = 1
# Nobody reads results: states are rows. A result backend costs three of four messages a second.
task_ignore_result = True
task_store_errors_even_if_ignored = False
# A broker that is away drops the connection; unfinished work goes on, since its row, not its message, is what counts.
worker_cancel_long_running_tasks_on_connection_loss = False

task_serializer = "json"
accept_content = ["json"]
timezone = "UTC"
enable_utc = True

# A soft limit becomes a dead letter that says so; the hard one kills the process, and the lease's end counts it.
task_soft_time_limit = 540
task_time_limit = 600
# Memory that a parser or an analysis leaves behind goes with its process. A new one takes most of a second to load what
# it works with: by 500 tasks that was more than claiming and settling them.
worker_max_tasks_per_child = 2_000
worker_max_memory_per_child = 1_500_000
worker_concurrency = _set.worker_processes
worker_hijack_root_logger = False
worker_send_task_events = True
task_send_sent_event = True

# Quorum queues survive a broker's death (RabbitMQ); Redis ignores the argument.
_arguments = {"x-queue-type": "quorum", "x-delivery-limit": 5} if broker_url.startswith("amqp") else {}
QUEUES = ("control", "fetch", "index", "digest", "delivery", "trend", "card")
task_queues = tuple(Queue(name, queue_arguments=_arguments) for name in QUEUES)
task_default_queue = "control"
task_create_missing_queues = False
task_routes = {
    "source.fetch": {"queue": "fetch"},
    "index.posts": {"queue": "index"},
    "digest.make": {"queue": "digest"},
    "delivery.send": {"queue": "delivery"},
    "trend.detect": {"queue": "trend"},
    "trend.make": {"queue": "card"},
    "source.due": {"queue": "control"},
    "index.due": {"queue": "control"},
    "digest.due": {"queue": "control"},
    "trend.due": {"queue": "control"},
    "delivery.due": {"queue": "control"},
    "dlq.sweep": {"queue": "control"},
    "budget.expire": {"queue": "control"},
    "baseline.snapshot": {"queue": "control"},
    "persona.refresh": {"queue": "control"},
    "memory.purge": {"queue": "control"},
    "dlq.retain": {"queue": "control"},
    "dlq.replay": {"queue": "control"},
    "dlq.discard": {"queue": "control"},
}

# A sweep that nobody could run in time is worthless: the next one sees the same rows.
beat_schedule = {
    name: {"task": name, "schedule": _set.sweep_s, "options": {"expires": _set.sweep_s}}
    for name in (
        "source.due",
        "index.due",
        "digest.due",
        "delivery.due",
        "trend.due",
        "budget.expire",
    )
}
# Bulk replays keep their rate sweep by sweep: a longer tick would let a minute's letters go at once.
_letters_s = min(_set.sweep_s, 5.0)
beat_schedule["dlq.sweep"] = {"task": "dlq.sweep", "schedule": _letters_s, "options": {"expires": _letters_s}}
# By night in UTC; one that could not be run within the hour waits for the next night.
beat_schedule |= {
    name: {"task": name, "schedule": crontab(hour="3", minute=minute), "options": {"expires": 3600}}
    for name, minute in (("persona.refresh", "10"), ("memory.purge", "40"), ("dlq.retain", "50"))
}
# Morning and evening in UTC.
beat_schedule["baseline.snapshot"] = {
    "task": "baseline.snapshot", "schedule": crontab(hour="6,18", minute="0"), "options": {"expires": 3600}
}  # fmt: skip
# Beat keeps no state worth a file: a missed tick is made good by the next.
beat_scheduler = "celery.beat:Scheduler"
beat_max_loop_interval = 5
