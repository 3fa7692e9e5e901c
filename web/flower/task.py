"""Flower's ways to start a task, for listed ones only. The message is a nudge: the row's state decides what is done."""

from typing import Any

from flower.api.tasks import TaskAsyncApply, TaskSend

from web.flower import gate
from web.flower.handler import InJson


class Listed(InJson):
    """Refuses any task that is not listed, and any argument but the number of one row."""

    def prepare(self: Any) -> None:
        """Raise Refused or UsageError unless the request may be passed on to Flower."""
        gate.check_task(self.path_args[0], self.request.headers.get("Content-Type", ""), self.request.body)


class Apply(Listed, TaskAsyncApply):  # type: ignore[misc]  # Flower is not typed
    """Starts a task. Nobody waits for its result: results are rows."""


class Send(Listed, TaskSend):  # type: ignore[misc]  # Flower is not typed
    """Starts a task by its name."""
