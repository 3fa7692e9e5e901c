"""`svodka budget`: what models may still cost."""

from datetime import timedelta
from typing import Any

import click
from rich.console import Console

from cli import frame
from services.budget import Line


@click.command(cls=frame.Command)
@click.option(
    "--days", default=1, show_default=True, type=click.IntRange(1, 366), help="How far back to look."
)
def budget(days: int) -> None:
    """Show what was spent on models, what is reserved, and what is left."""
    with frame.world() as world:
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
        lines = world.gateways.budget.lines(tenant_id, world.clock.now() - timedelta(days=days))
        currency = world.settings.budget_currency
        rows = [_row(line, currency) for line in lines]
        names = ("budget", "of", "calls", "tokens", "money", "reserved", "left")
        cells = [[_words(row[name]) for name in names] for row in rows]

        def empty(console: Console) -> None:
            rungs = ", ".join(f"{step.model.provider} {step.model.model}" for step in world.gateways.steps)
            console.print(
                f"Nothing was spent. {'Models: ' + rungs if rungs else 'No model is set up.'}", markup=False
            )

        frame.show(rows, frame.columns(None, names, cells) if rows else empty)


def _row(line: Line, currency: str) -> dict[str, Any]:
    left = line.left()
    return {
        "budget": line.kind,
        "of": line.key,
        "calls": line.spent.calls,
        "tokens": line.spent.tokens,
        "money": f"{line.spent.micros / 1e6:.4f} {currency}",
        "reserved": f"{line.reserved.calls} calls, {line.reserved.micros / 1e6:.4f} {currency}",
        "left": {
            "calls": left.calls,
            "tokens": left.tokens,
            "money": None if left.micros is None else f"{left.micros / 1e6:.4f} {currency}",
        },
    }


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{left} {name}" for name, left in value.items() if left is not None) or "no limit"
    return str(value)
