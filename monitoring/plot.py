"""Pictures, drawn with matplotlib (the extra ``plot``): deltas of two baselines, and panels from a Prometheus's data.

    python -m monitoring.plot deltas BEFORE AFTER PICTURE
    python -m monitoring.plot panels --prometheus-url URL --minutes N DASHBOARD PICTURE

A module of its own that is run as a program, so that no other command waits for matplotlib to load.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from monitoring.baseline import DEFAULT_URL, VARIABLE, Delta, Prometheus, compare
from monitoring.panel import DASHBOARDS, WINDOW, Dashboard, Panel, Query

COLOURS: Final = {"better": "#2e7d32", "worse": "#c62828"}
STEPS: Final = 120
UNITS: Final = {"s": "seconds", "percentunit": "share", "short": ""}
LINES: Final = 8
LABEL: Final = re.compile(r"{{\w+}}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Draw pictures of baselines and dashboards."""


@main.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
def deltas(before: Path, after: Path, picture: Path) -> None:
    """Draw how AFTER differs from BEFORE."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    draw_deltas(compare(old, new)).savefig(picture, dpi=110)


@main.command()
@click.option(
    "--prometheus-url", envvar=VARIABLE, default=DEFAULT_URL, show_default=True, help="Where to ask."
)
@click.option("--minutes", default=60.0, show_default=True, help="How far back.")
@click.argument("uid", type=click.Choice([one.uid for one in DASHBOARDS]))
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
def panels(prometheus_url: str, minutes: float, uid: str, picture: Path) -> None:
    """Draw a dashboard's panels from what Prometheus has."""
    one = next(each for each in DASHBOARDS if each.uid == uid)
    prometheus = Prometheus(prometheus_url, 30)
    end = datetime.fromtimestamp(float(prometheus.instant("time()")[0]), UTC)
    draw_panels(one, prometheus, end - timedelta(minutes=minutes), end).savefig(picture, dpi=90)


def draw_deltas(found: Sequence[Delta]) -> Figure:
    """Return a picture of the changes in percent; what cannot be told in percent is left out."""
    shown = [one for one in found if one.change is not None]
    figure = Figure(figsize=(9, 1 + 0.35 * max(1, len(shown))), layout="constrained")
    axes = figure.subplots()
    names, values = [one.metric for one in shown], [100 * (one.change or 0) for one in shown]
    axes.barh(names, values, color=[COLOURS.get(one.verdict, "#757575") for one in shown])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("change, % (green: better, red: worse)")
    return figure


def asked(query: Query, minutes: float) -> str:
    """Return the query with Grafana's window put in as text: four scrapes of 15 s, or more for a long span."""
    return query.expr.replace(WINDOW, f"{max(60, int(minutes * 60 / STEPS) * 2)}s")


def draw_panels(one: Dashboard, prometheus: Prometheus, start: datetime, end: datetime) -> Figure:
    """Return a picture of every panel with what ``prometheus`` has between ``start`` and ``end``."""
    rows = -(-len(one.panels) // 2)
    figure = Figure(figsize=(13, 2.6 * rows + 0.5), layout="constrained")
    figure.suptitle(one.title, fontsize=14)
    grid = list(figure.subplots(rows, 2, squeeze=False).flat)
    for axes, panel in zip(grid, one.panels, strict=False):
        _draw(axes, panel, prometheus, start, end)
    for axes in grid[len(one.panels) :]:
        axes.axis("off")
    return figure


def _draw(axes: Axes, panel: Panel, prometheus: Prometheus, start: datetime, end: datetime) -> None:
    span_s = (end - start).total_seconds()
    lines = 0
    for query in panel.queries:
        found = prometheus.span(asked(query, span_s / 60), start, end, max(1, round(span_s / STEPS)))
        for series in _told(found):
            times = [datetime.fromtimestamp(float(at), UTC) for at, _ in series["values"]]
            values = [float(value) for _, value in series["values"]]
            style = "steps-mid" if panel.kind == "bars" else "default"
            axes.plot(times, values, label=_legend(query, series["metric"]), linewidth=1.4, drawstyle=style)  # type: ignore[arg-type]  # dates
            lines += 1
    if panel.limit is not None:
        axes.axhline(
            panel.limit, color="#c62828", linestyle="--", linewidth=1, label=f"limit {panel.limit:g}"
        )
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.set_ylabel(UNITS[panel.unit], fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_xlim(start, end)  # type: ignore[arg-type]  # dates
    axes.tick_params(labelsize=7)
    locator = AutoDateLocator(minticks=3, maxticks=15)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.grid(alpha=0.25)
    if lines:
        # Above the panel, so that it hides nothing of it.
        axes.legend(fontsize=6.5, ncols=4, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)


def _told(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the largest series; of those that stand at 0 all the time only one, where there is no other."""
    ranked = sorted(found, key=_size, reverse=True)
    return [one for one in ranked if _size(one) > 0][:LINES] or ranked[:1]


def _size(series: dict[str, Any]) -> float:
    return max(float(value) for _, value in series["values"])


def _legend(query: Query, labels: dict[str, str]) -> str:
    text = query.legend
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return LABEL.sub("", text).strip() or "none"


if __name__ == "__main__":
    main()
