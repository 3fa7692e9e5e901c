"""Runbooks: one for each alert and each class of dead letters, and what they tell people to type exists."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

import cli
from domains import dlq
from monitoring.alert import ALERTS
from monitoring.metrics import BY_NAME
from services import settings
from tests.test_repository import dead_links, invocations, unknown

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "runbooks"
BOOKS = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"}
CLASSES = {f"letter-{kind}" for kind in dlq.KINDS}
HEADINGS = ["## What it means", "## How to see it", "## What to do", "## When it is over"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
UNITS = {path.stem for path in (ROOT / "deploy" / "systemd").glob("*.service")}
# Programs of any machine, and the words that are theirs.
MACHINE = {"curl", "df"}
COMPOSE_VERBS = {"ps", "logs", "restart", "up", "stop", "exec", "run"}
WORDS = {"histogram_quantile", "count_values", "label_replace"}
by_book = pytest.mark.parametrize("name", BOOKS)


def blocks(name, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", BOOKS[name], re.MULTILINE | re.DOTALL)


def wrong(line):
    """What a command line names that is not there, or None."""
    program, *words = shlex.split(line)
    if program == "svodka":
        return unknown(cli.command, " ".join(word if " " not in word else "X" for word in words))
    if program == "docker" and words[0] == "compose":
        verb, *rest = words[1:]
        bare = [word for word in rest if not word.startswith("-") and not re.fullmatch(r"-?\d+\w", word)]
        if verb not in COMPOSE_VERBS:
            return verb
        return next((word for word in bare if word not in COMPOSE["services"]), None)
    if program in {"systemctl", "journalctl"}:
        return next((word for word in words if word.startswith("svodka") and word not in UNITS), None)
    return None if program in MACHINE else program


def test_each_alert_and_each_class_has_its_runbook_and_nothing_else_has():
    assert set(BOOKS) == {alert.name for alert in ALERTS} | CLASSES
    for alert in ALERTS:
        assert (ROOT / alert.runbook).is_file()


def test_the_list_names_each_with_its_first_sentence():
    listed = dict(
        re.findall(
            r"^- \[([\w-]+)\]\(\1\.md\): (.*)$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE
        )
    )
    assert listed == {name: body.splitlines()[2] for name, body in BOOKS.items()}


@by_book
def test_it_has_its_parts_and_something_in_each(name):
    body = BOOKS[name]
    assert body.startswith(f"# {name}\n")
    assert re.findall(r"^## .*$", body, re.MULTILINE) == HEADINGS
    parts = re.split(r"^## .*$", body, flags=re.MULTILINE)[1:]
    assert all(len(part.split()) >= 2 for part in parts)
    assert blocks(name, "sh") + blocks(name, "promql") + blocks(name, "sql")
    assert list(dead_links(f"docs/runbooks/{name}.md", body)) == []


@by_book
def test_its_commands_exist(name):
    lines = [line for block in blocks(name, "sh") for line in block.splitlines()]
    assert [(line, what) for line in lines if (what := wrong(line)) is not None] == []
    inline = [line for line in invocations(BOOKS[name]) if "`svodka" in BOOKS[name]]
    assert [
        (line, what) for line in inline if (what := unknown(cli.command, line.replace("'", ""))) is not None
    ] == []


@by_book
def test_its_queries_run(name, database):
    for query in blocks(name, "sql"):
        assert query.lstrip().upper().startswith("SELECT")
        with database.engine.connect() as connection:
            connection.execute(text(query.replace(":", r"\:")))


@by_book
def test_its_metrics_are_declared(name):
    for query in blocks(name, "promql"):
        bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", " ", query)
        for series in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", bare):
            declared = re.sub(r"_(bucket|count|sum)$", "", series)
            assert series in WORDS or series in BY_NAME or declared in BY_NAME, series
        for series, where in re.findall(r"([a-z_]+)\{([^}]*)\}", query):
            metric = BY_NAME.get(series) or BY_NAME[re.sub(r"_(bucket|count|sum)$", "", series)]
            for label, value in re.findall(r'(\w+)=~?"([^"]*)"', where):
                if label == "le":
                    assert float(value) in metric.edges
                else:
                    assert all(one in metric.labels[label] for one in value.split("|"))


@by_book
def test_its_settings_exist(name):
    fields = settings.Settings.model_fields
    for variable in re.findall(rf"\b{settings.PREFIX}(\w+)", BOOKS[name]):
        assert variable.lower() in fields or variable.lower().removesuffix("_file") in fields, variable


def test_the_operations_manual_names_what_exists():
    body = (ROOT / "docs" / "operations.md").read_text("utf-8")
    lines = invocations(body)
    assert len(lines) >= 8
    assert [(line, what) for line in lines if (what := unknown(cli.command, line)) is not None] == []
    assert list(dead_links("docs/operations.md", body)) == []
    for path in re.findall(r"`((?:deploy|docs|benchmarks)/[\w./-]+)`", body):
        assert (ROOT / path).exists() or path.startswith("deploy/secrets/"), path
    for variable in re.findall(rf"`{settings.PREFIX}(\w+?)(?:_FILE)?`", body):
        assert variable.lower() in settings.Settings.model_fields, variable


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("svodka dlq list --class bug", None),
        ("svodka dlq list --colour red", "--colour"),
        ("svodka dlq burn 17", "burn"),
        ("docker compose logs --since 1h worker", None),
        ("docker compose logs --since 1h redis", "redis"),
        ("docker compose dance", "dance"),
        ("systemctl restart svodka-beat", None),
        ("systemctl restart svodka-bit", "svodka-bit"),
        ("rm -rf x", "rm"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line, what):
    assert wrong(line) == what
