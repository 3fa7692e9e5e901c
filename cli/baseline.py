"""`svodka baseline`: what Prometheus says, kept and compared; dashboards as they stand."""

import json
import subprocess
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console

from cli import frame
from domains.errors import InputError, Unavailable, UsageError
from monitoring import baseline as kept
from services import settings
from services.clock import SystemClock


@click.group(cls=frame.Group)
def baseline() -> None:
    """Keep what Prometheus says, and compare."""


# The same as `python -m monitoring.baseline`, which always answers in JSON.
baseline.add_command(
    frame.Command("export", callback=kept.main.callback, params=[*kept.main.params], help=kept.main.help)
)


@baseline.command("compare")
@click.argument("before", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the changes into this PNG."
)
@click.option(
    "--tolerance",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    help="Percent that is no change.",
)
def compare(before: Path, after: Path, plot: Path | None, tolerance: float) -> None:
    """Say of each number of AFTER whether it is better or worse than in BEFORE."""
    deltas = kept.compare(_read(before), _read(after), tolerance / 100)
    worse = [delta.metric for delta in deltas if delta.verdict == "worse"]
    better = [delta.metric for delta in deltas if delta.verdict == "better"]
    verdict = "worse" if worse else "better" if better else "same"
    names = ("metric", "before", "after", "change", "verdict")
    rows = [[_cell(name, getattr(delta, name)) for name in names] for delta in deltas]

    def human(console: Console) -> None:
        frame.columns(None, names, rows)(console)
        console.print(f"Verdict: {verdict} ({len(better)} better, {len(worse)} worse)", markup=False)

    if plot is not None:
        _draw(before, after, plot)
    frame.show({"verdict": verdict, "metrics": [asdict(delta) for delta in deltas]}, human)


@baseline.command("dashboards")
@click.option("--label", required=True, help="What the snapshot is for, such as pre-waveA.")
@click.option(
    "--folder", default=kept.REPORTS, show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option(
    "--grafana-url", default="", help="Copy a live Grafana's dashboards [default: the files that Svodka has]."
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with Grafana's token.",
)
def dashboards(label: str, folder: Path, grafana_url: str, token_file: Path | None) -> None:
    """Copy every dashboard as it stands to NAME_TIME_LABEL.json."""
    now = SystemClock().now()
    try:
        if grafana_url:
            token = token_file.read_text(encoding="utf-8").strip() if token_file else ""
            made = kept.snapshot_live(folder, label, now, url=grafana_url, token=token, timeout_s=30)
        else:
            made = kept.snapshot(folder, label, now)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except httpx.HTTPError as error:
        raise Unavailable(
            f"{grafana_url}: {error}", remedy="see that Grafana runs and the token may read"
        ) from error
    names = [str(path) for path in made]
    frame.show(names, lambda console: console.print("\n".join(names), markup=False))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        _ = [one["metric"] for one in value["metrics"]]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} is no baseline: {error}", remedy="make one with `svodka baseline export`"
        ) from error
    return dict(value)


def _draw(before: Path, after: Path, picture: Path) -> None:
    if find_spec("matplotlib") is None:
        raise Unavailable("pictures need matplotlib", remedy="install svodka with the extra plot")
    command = (sys.executable, "-m", "monitoring.plot", "deltas", str(before), str(after), str(picture))
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=settings.child_environment()
    )
    if done.returncode:
        raise Unavailable(
            f"no picture was drawn: {done.stderr.strip().splitlines()[-1:]}", remedy=f"see {picture.parent}"
        )


def _cell(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:+.1%}" if name == "change" else f"{value:.6g}"
