"""The short form of a storm on RabbitMQ, in the drill; the long form on both brokers is `make chaos`."""

from argparse import Namespace

import pytest

from tests.chaos import broker, storm

WHY = broker.absent("rabbitmq")
FAULTS = ("broker_killed", "broker_emptied", "broker_silent", "worker_killed", "clock_jumps")


@pytest.mark.chaos
@pytest.mark.drill
@pytest.mark.timeout(1200)
@pytest.mark.skipif(bool(WHY), reason=str(WHY))
def test_whatever_happens_to_rabbitmq_each_run_ends_one_way_and_arrives_once():
    options = Namespace(broker="rabbitmq", runs=10, faults=len(FAULTS), seed=5, only=FAULTS)
    broken, report = storm.weather(options)
    assert broken == [], report
    assert "| done | 10 |" in report
    assert "found nothing to break" not in report
