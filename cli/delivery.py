"""`svodka delivery`: what was sent, what nobody knows, and what an operator says of it."""

import getpass
from typing import get_args

import click

from cli import frame
from domains.delivery import Ruling
from services import delivery as deliveries
from tasks import job


@click.group(cls=frame.Group)
def delivery() -> None:
    """List deliveries, and settle those of which nobody knows whether they arrived."""


@delivery.command("list")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(deliveries.STATES), help="[default: every state]"
)
@click.option("--unknown", is_flag=True, help="Only those of which nobody knows whether they arrived.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
def list_(states: tuple[str, ...], unknown: bool, limit: int) -> None:
    """List deliveries, newest first."""
    states = ("unknown",) if unknown else states
    with frame.world() as world:
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            rows = deliveries.listing(session, tenant_id, states=states or deliveries.STATES, limit=limit)
        names = ("delivery", "run", "subscription", "channel", "target", "state", "parts", "sent", "in_doubt")
        cells = [[_cell(row[name]) for name in names] for row in rows]
        table = frame.columns(None, names, cells)
        frame.show(rows, table if rows else lambda console: console.print("No deliveries."))


@delivery.command()
@click.argument("number")
@click.option(
    "--as",
    "ruling",
    required=True,
    type=click.Choice(get_args(Ruling)),
    help="delivered: it has arrived; again: send it again.",
)
@click.option("--by", default=None, help="Who says so [default: this user].")
def settle(number: str, ruling: Ruling, by: str | None) -> None:
    """Say what became of a delivery that is in doubt; what is still to be sent is sent at once."""
    row_id = frame.number(number, "delivery")
    with frame.world() as world:
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            deliveries.settle_unknown(
                session, tenant_id, row_id, ruling=ruling, by=by or getpass.getuser(), now=world.clock.now()
            )
        frame.drive(world, [(job.DELIVERY.name, row_id)])
        with world.database.transaction() as session:
            state = deliveries.state_of(session, row_id)
        value = {"delivery": row_id, "as": ruling, "state": state}
        frame.show(value, lambda console: console.print(f"delivery {row_id}: {state}"))


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
