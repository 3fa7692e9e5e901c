"""The dashboards as Grafana's JSON, and the files that make Grafana load them. Needs the development dependencies."""

from typing import Any, Final

import yaml
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    StackingConfig,
    VizLegendOptions,
)
from grafana_foundation_sdk.builders.dashboard import Dashboard as Builder
from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

from monitoring.panel import DASHBOARDS, Dashboard, Panel
from monitoring.rules import FOLDER, HEADER, SOURCE

WIDTH, HEIGHT = 12, 8
VARIABLE: Final = "datasource"


def texts() -> dict[str, str]:
    """Return each dashboard's JSON by its file's name."""
    return {
        f"{one.uid}.json": JSONEncoder(sort_keys=True, indent=2).encode(_built(one).build()) + "\n"
        for one in DASHBOARDS
    }


def provisioning() -> dict[str, str]:
    """Return Grafana's provisioning files, by their paths below provisioning/: where data is, where dashboards are."""
    source = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Svodka",
                "uid": SOURCE,
                "type": "prometheus",
                "access": "proxy",
                "url": "${PROMETHEUS_BASE_URL}",
                "isDefault": True,
                "jsonData": {"timeInterval": "15s", "httpMethod": "POST"},
            }
        ],
    }
    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "svodka",
                "folder": FOLDER,
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": "/etc/grafana/dashboards/svodka"},
            }
        ],
    }
    return {"datasources/svodka.yml": _dump(source), "dashboards/svodka.yml": _dump(provider)}


def _built(one: Dashboard) -> Builder:
    builder = (
        Builder(one.title)
        .uid(one.uid)
        .description(one.about)
        .tags(["svodka"])
        .editable()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(DatasourceVariable(VARIABLE).label("Data source").type("prometheus").regex(""))
    )
    for number, panel in enumerate(one.panels, 1):
        builder = builder.with_panel(_panel(panel).id(number))
    return builder


def _panel(panel: Panel) -> Timeseries:
    source = DataSourceRef(type_val="prometheus", uid=f"${{{VARIABLE}}}")
    made = (
        Timeseries()
        .title(panel.title)
        .description(panel.about or panel.title)
        .datasource(source)
        .unit(panel.unit)
        .min(0)
        .span(WIDTH)
        .height(HEIGHT)
        .legend(
            VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
    )  # fmt: skip
    if panel.kind == "bars":
        made = (
            made.draw_style(GraphDrawStyle.BARS)
            .fill_opacity(60)
            .stacking(StackingConfig().mode(StackingMode.NORMAL))
        )
    else:
        made = made.draw_style(GraphDrawStyle.LINE).line_width(2).fill_opacity(5)
    if panel.limit is not None:
        steps = [Threshold(value=None, color="transparent"), Threshold(value=panel.limit, color="red")]
        made = made.thresholds(
            ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
        ).thresholds_style(GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    for number, query in enumerate(panel.queries):
        made = made.with_target(
            Dataquery()
            .expr(query.expr)
            .legend_format(query.legend)
            .ref_id(chr(ord("A") + number))
            .datasource(source)
            .range()
        )
    return made


def _dump(value: dict[str, Any]) -> str:
    return HEADER.replace("alert.py", "dashboard.py") + yaml.safe_dump(value, sort_keys=False)
