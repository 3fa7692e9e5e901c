"""The `svodka` command: thin. Exit codes: 0 done, 1 failed, 2 not understood, 130 interrupted."""

import os
import sys
from importlib.metadata import version
from typing import Final

import click

from cli import frame
from domains.errors import SvodkaError, UsageError

# Loading every command takes seconds that most of them do not need; the list of subscriptions had its name first.
COMMANDS: Final = {
    **{
        name: f"cli.{module}:{name}"
        for module, names in {
            "stack": "demo up doctor migrate", "source": "source", "subscription": "subscribe subscription",
            "schedule": "schedule", "delivery": "delivery", "digest": "digest replay why", "letter": "dlq",
            "backtest": "backtest", "budget": "budget", "persona": "follow mute rate persona", "flower": "flower",
            "metrics": "metrics", "baseline": "baseline", "alerting": "alerting", "backup": "backup restore",
            "trend": "trend", "index": "index", "ask": "ask key", "web": "web",
        }.items()
        for name in names.split()
    },
    "subscriptions": "cli.subscription:list_",
}  # fmt: skip


@click.group(cls=frame.Root, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("svodka"), prog_name="svodka")
@click.option(
    "--json", "as_json", is_flag=True, expose_value=False, callback=frame.note_json, help="Print JSON."
)
def command() -> None:
    """Digests of what people post, every sentence traceable to a post."""


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
