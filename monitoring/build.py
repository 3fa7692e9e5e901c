"""`python -m monitoring.build`: write the committed files of alerts and dashboards again; nothing else writes them."""

from pathlib import Path
from typing import Final

from monitoring import dashboard, rules

ROOT: Final = Path(__file__).parent


def files() -> dict[Path, str]:
    """Return every made file's text by its path below monitoring/."""
    made = {Path("alerts") / name: text for name, text in rules.prometheus().items()}
    made[Path("grafana/provisioning/alerting/svodka.yml")] = rules.grafana()
    provisioning = Path("grafana/provisioning")
    made |= {provisioning / name: text for name, text in dashboard.provisioning().items()}
    made |= {Path("dashboards") / name: text for name, text in dashboard.texts().items()}
    return made


def main() -> None:
    """Write every file."""
    for path, text in files().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
