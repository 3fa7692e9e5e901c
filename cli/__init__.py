"""The `svodka` command: thin. Exit codes: 0 done, 1 failed, 2 not understood, 130 interrupted."""

import os
import sys
from importlib.metadata import version

import click

from cli import (
    alerting,
    ask,
    backtest,
    backup,
    baseline,
    budget,
    delivery,
    digest,
    flower,
    frame,
    index,
    letter,
    metrics,
    persona,
    schedule,
    source,
    stack,
    subscription,
    trend,
    web,
)  # fmt: skip
from domains.errors import SvodkaError, UsageError


@click.group(cls=frame.Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("svodka"), prog_name="svodka")
@click.option(
    "--json", "as_json", is_flag=True, expose_value=False, callback=frame.note_json, help="Print JSON."
)
def command() -> None:
    """Digests of what people post, every sentence traceable to a post."""


for _one in (
    stack.demo, stack.up, stack.doctor, stack.migrate, source.source, subscription.subscribe,
    subscription.subscription, schedule.schedule,
    delivery.delivery, digest.digest, digest.replay, digest.why, letter.dlq, backtest.backtest, budget.budget,
    persona.follow, persona.mute, persona.rate, persona.persona, flower.flower, metrics.metrics,
    baseline.baseline, alerting.alerting,
    backup.backup, backup.restore, trend.trend, index.index, ask.ask, ask.key, web.web,
):  # fmt: skip
    command.add_command(_one)
# The list had this name first.
command.add_command(subscription.list_, "subscriptions")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        code = command.main(arguments, prog_name="svodka", standalone_mode=False)
        code = code if isinstance(code, int) else 0
    except SvodkaError as error:
        code = frame.fail(error, as_json)
    except click.ClickException as error:
        if as_json:
            code = frame.fail(UsageError(error.format_message()), as_json)
        else:
            error.show()
            code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        # `svodka ... | head` is no error; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
