"""`svodka digest`, `replay` and `why`: what is made, and what became of a post."""

import json
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Console

from cli import frame
from domains.digest import REASONS, Digest
from domains.errors import GateClosed, Unavailable, UsageError
from services import archive, change, deadletter, delivery, ledger, manifest, post, run, subscription
from services.wiring import World
from tasks import job
from tasks import replay as replays


@click.group(cls=frame.Group)
def digest() -> None:
    """Make, list and show digests."""


@digest.command("run")
@click.argument("name", default="daily")
@click.option("--until", callback=frame.moment, help="Where the open window ends [default: now].")
def run_(name: str, until: datetime | None) -> None:
    """Make the digests that are due for a subscription, and one for its open window up to now."""
    with frame.world() as world:
        now = world.clock.now()
        if until is not None and until > now:
            raise UsageError("--until lies in the future", remedy="a window closes when its time has passed")
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            row = subscription.find(session, tenant_id, name)
            ids = subscription.close_now(session, row, until or now)
        frame.drive(world, [(job.DIGEST.name, run_id) for run_id in ids])
        for run_id in ids[:-1]:
            frame.err().print(f"run {run_id} made an earlier window's digest: svodka digest show {run_id}")
        show_run(world, ids[-1])
        complain(world, ids[-1])


@digest.command("list")
def list_() -> None:
    """List the newest runs."""
    with frame.world() as world:
        with world.database.transaction() as session:
            rows = [
                {"run": row.id, "subscription": name, "from": row.window_start.isoformat(),
                 "to": row.window_end.isoformat(), "state": row.state, "decision": row.decision, "rung": row.rung,
                 "score": row.score}
                for row, name in run.listing(session, frame.tenant(session, world.settings.tenant))
            ]  # fmt: skip
        names = ("run", "subscription", "from", "to", "state", "decision", "rung")
        short = [{**row, "from": str(row["from"])[:16], "to": str(row["to"])[:16]} for row in rows]
        frame.show(rows, frame.columns(None, names, [[row[name] for name in names] for row in short]))


@digest.command()
@click.argument("number")
@click.option("--manifest", "as_manifest", is_flag=True, help="The run's manifest instead of its digest.")
@click.option(
    "--form", type=click.Choice(["terminal", "markdown", "html", "json", "telegram"]), default="terminal"
)
def show(number: str, as_manifest: bool, form: str) -> None:
    """Show a run's digest, or its manifest."""
    run_id = frame.number(number, "run")
    with frame.world() as world:
        if as_manifest:
            with world.database.transaction() as session:
                value = manifest.assemble(session, run_id)
            manifest.check(value)
            print(json.dumps(value, ensure_ascii=False, indent=2))
        elif form == "terminal" and not frame.is_json():
            show_run(world, run_id)
        else:
            parcel = world.renderer.parcel(load(world, run_id), key=f"run-{run_id}", run=run_id)
            forms = {"markdown": parcel.markdown, "html": parcel.html, "json": parcel.json.decode(),
                     "telegram": "\n\n".join(parcel.telegram)}  # fmt: skip
            print(forms["json" if frame.is_json() else form])


@click.command(cls=frame.Command)
@click.argument("number")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting and see what differs."
)
def replay(number: str, changes: tuple[str, ...]) -> None:
    """Make a run's digest again from what it recorded and compare it byte for byte."""
    with frame.world() as world:
        done = replays.replay(world, frame.number(number, "run"), pairs(changes))
    value = {"run": done.run, "identical": done.identical, "sha256": done.recorded_sha256, "changed": pairs(changes),
             "difference": list(done.lines)}  # fmt: skip

    def human(console: Console) -> None:
        if done.identical:
            console.print(f"identical: run {done.run}, sha256 {done.recorded_sha256}")
            return
        console.print(
            f"run {done.run} differs" + (f" with {', '.join(changes)}" if changes else "") + ":", markup=False
        )
        for line in done.lines:
            console.print(f"  {line}", markup=False)

    frame.show(value, human)
    if not done.identical and not changes:
        raise click.exceptions.Exit(1)


@click.command(cls=frame.Command)
@click.argument("ref")
def why(ref: str) -> None:
    """Say what became of a post (SOURCE/ID) in every digest that answers for it."""
    with frame.world() as world:
        with world.database.transaction() as session:
            found = post.find_anywhere(session, frame.tenant(session, world.settings.tenant), ref)
            fates = ledger.why(session, found.id)
        value = {"post": found.ref, "at": found.at.isoformat(), "text": found.text[:200], "story": found.story,
                 "fates": fates}  # fmt: skip

        def human(console: Console) -> None:
            console.print(f"{found.ref}, {found.at:%Y-%m-%d %H:%M} UTC: {found.text[:100]}", markup=False)
            for fate in fates:
                console.print(f"  run {fate['run']} of {fate['subscription']!r}: {_fate(fate)}", markup=False)
            if not fates:
                console.print("  no digest has answered for it yet")

        frame.show(value, human)


def _fate(fate: dict[str, Any]) -> str:
    liked = f", {fate['persona']}" if fate["persona"] else ""
    if fate["reason"] == "shown":
        return f"shown{liked}"
    words = REASONS[fate["reason"]]
    detail = f", {fate['detail']}" if fate["detail"] not in {"", words} else ""
    of = f" ({fate['of']})" if fate["of"] else ""
    return f"{fate['reason']}: {words}{detail}{of}" + (liked if fate["reason"] != "out_of_persona" else "")


def load(world: World, run_id: int) -> Digest:
    """Return a run's digest. Raises GateClosed with the reason when it was held, UsageError while it is not made."""
    with world.database.transaction() as session:
        row = run.get(session, run_id)
        if row.digest_sha256 is not None:
            return msgspec.json.decode(archive.get(session, row.digest_sha256), type=Digest)
        letter = deadletter.of_row(session, job.DIGEST.name, run_id)
    if row.state == "held":
        raise GateClosed(f"run {run_id} is held: {row.why}", remedy="`svodka dlq list` shows its letter")
    remedy = (
        f"`svodka dlq show {letter.id}` says what failed"
        if letter
        else "`svodka digest run` makes what is due"
    )
    raise UsageError(f"run {run_id} has no digest yet: it is {row.state}", remedy=remedy)


def show_run(world: World, run_id: int) -> None:
    made = load(world, run_id)
    with world.database.transaction() as session:
        sent = delivery.of_run(session, run_id)
        remark = change.remark(session, run_id, world.clock.now())
        newest = post.newest(session, frame.tenant(session, world.settings.tenant))
    if frame.is_json():
        print(world.renderer.parcel(made, key=f"run-{run_id}", run=run_id).json.decode())
        return
    console = frame.out()
    print(
        world.renderer.terminal(made, width=min(console.width, 100), colour=console.is_terminal, run=run_id)
    )
    for one in sent:
        console.print(
            f"{one['channel']}: {one['state']}" + "".join(f"\n  {where}" for where in one["where"]),
            markup=False,
        )
    if remark:
        console.print(remark, markup=False)
    if not made.shown and not made.drops and newest is not None and newest < made.window.start:
        console.print(
            f"No post lies in this window; the newest one is of {newest:%Y-%m-%d %H:%M} UTC: "
            "`svodka subscribe --since` begins earlier."
        )


def complain(world: World, run_id: int) -> None:
    """Raise Unavailable when a delivery of the run failed: the digest is made, but it is not where it should be."""
    with world.database.transaction() as session:
        failed = [one for one in delivery.of_run(session, run_id) if one["state"] in {"dead", "unknown"}]
        letter = deadletter.of_row(session, job.DELIVERY.name, failed[0]["delivery"]) if failed else None
    if failed:
        why = f": {letter.message}" if letter else ", and nobody knows whether it was taken"
        raise Unavailable(
            f"the digest of run {run_id} was not delivered to {failed[0]['channel']}{why}",
            remedy=f"`svodka dlq replay {letter.id}` tries again"
            if letter
            else f"look there, then `svodka delivery settle {failed[0]['delivery']} --as delivered`, or again",
        )


def pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """Return KEY=VALUE texts as a mapping. Raises UsageError for a text that is none."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"cannot read {text!r}", remedy="expected KEY=VALUE")
        found[key.strip()] = value.strip()
    return found
