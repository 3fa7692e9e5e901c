"""What the repository promises as files: documents that agree with the program, and nothing that does not belong here."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from services import settings

ROOT = Path(__file__).parent.parent
# Written in pieces, so that this file does not find itself.
MACHINE = re.compile(
    "|".join(
        [
            r"(?<![\w.}])/" + "work/",
            r"(?<![\w.}])/" + "root/",
            "/opt/" + "pypi",
            "/home/" + r"\w+/",
            "/Users/" + r"\w+/",
        ]
    )
)
# The labelled data lies beside the checkout, never in it.
SHARED = re.compile(r"(?<!\.\./)(?<![\w/])shared/" + r"(?=data|tools|hooks|[A-Z])")
SECRETS = {
    "a private key": re.compile("-----BEGIN " + r"[A-Z ]*PRIVATE KEY-----"),
    "an AWS key": re.compile("AKIA" + r"[0-9A-Z]{16}"),
    "a GitHub token": re.compile(r"gh[pousr]_" + r"[A-Za-z0-9]{36}"),
    "a model provider's key": re.compile(r"\bsk-" + r"[A-Za-z0-9_-]{32,}"),
    "a Telegram bot token": re.compile(r"\b\d{8,10}:AA" + r"[A-Za-z0-9_-]{33}\b"),
    "a Slack token": re.compile("xox" + r"[abprs]-[A-Za-z0-9-]{20,}"),
}
REGISTRIES = {"pypi.org", "files.pythonhosted.org"}
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ADR_LINES = 80
ADR_HEADINGS = ["## Context", "## Decision", "## Consequences"]


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def texts(tracked) -> dict[str, str]:
    """Every tracked file that is text, but the lock file."""
    decoded = {str(path.relative_to(ROOT)): path.read_bytes() for path in tracked}
    return {
        name: body.decode()
        for name, body in decoded.items()
        if name != "uv.lock" and b"\0" not in body and utf8(body)
    }


@pytest.fixture(scope="session")
def documents(texts) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name.endswith(".md")}


@pytest.fixture(scope="session")
def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="session")
def command() -> click.Group:
    import cli

    return cli.command


def utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(name: str, text: str) -> Iterator[str]:
    for target in LINK.findall(FENCE.sub("", text)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (ROOT / name).parent / path if path else ROOT / name
        if not there.exists() or (anchor and anchor not in anchors(there.read_text("utf-8"))):
            yield f"{name}: {target}"


def leaves(group: click.Group, *before: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        one = group.get_command(context, name)
        if isinstance(one, click.Group):
            yield from leaves(one, *before, name)
        else:
            yield " ".join((*before, name))


def invocations(text: str) -> list[str]:
    """The `svodka ...` command lines of a document: in code blocks and between backticks, without comments."""
    blocks = [line for block in FENCE.findall(text) for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    found = (re.match(r"(?:\$ )?(?:uv run )?svodka (.*?)(?:\s+#.*)?$", line) for line in (*blocks, *spans))
    return [match[1] for match in found if match]


def unknown(group: click.Group, line: str) -> str | None:
    """What a command line names that the program does not have."""
    here: click.Command = group
    options: set[str] = set()
    for word in line.split():
        if isinstance(here, click.Group) and not word.startswith("-"):
            found = here.get_command(click.Context(here), word)
            if found is None:
                return word
            here = found
        elif word.startswith("--"):
            params = (*here.params, *here.get_help_option_names(click.Context(here)))
            options = {
                flag
                for one in params
                for flag in ((*one.opts, *one.secondary_opts) if isinstance(one, click.Parameter) else (one,))
            }
            if word.partition("=")[0] not in options:
                return word
    return None


def test_no_file_names_the_machine_it_was_written_on(texts):
    assert lines_with(MACHINE, texts) == []
    assert lines_with(SHARED, texts) == []


@pytest.mark.parametrize("kind", SECRETS)
def test_no_file_holds_a_secret(kind, texts):
    assert lines_with(SECRETS[kind], texts) == []


def test_no_environment_file_is_tracked(tracked):
    assert [
        path.name for path in tracked if re.fullmatch(r"\.env(\.(?!example).*)?|.*\.(pem|key|p12)", path.name)
    ] == []


def test_the_lock_file_names_public_registries_only():
    hosts = set(re.findall(r"https?://([^/\"\s]+)", (ROOT / "uv.lock").read_text("utf-8")))
    assert hosts == REGISTRIES


def test_links_lead_somewhere(documents):
    assert [link for name, text in documents.items() for link in dead_links(name, text)] == []


def test_readme_names_only_commands_that_exist(readme, command):
    lines = invocations(readme)
    assert len(lines) > 20
    assert [(line, what) for line in lines if (what := unknown(command, line))] == []


def test_readme_lists_every_command(readme, command):
    listed = set(re.findall(r"^\| `svodka ([a-z -]+)` \|", readme, re.MULTILINE))
    assert listed == set(leaves(command))


def test_documents_name_only_targets_that_make_has(documents):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    spans = [
        span
        for text in documents.values()
        for span in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)
    ]
    assert spans
    assert set(spans) <= targets


def test_make_has_the_targets_that_people_and_ci_rely_on():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"demo", "test", "check", "fmt", "up", "bench", "clean"} <= set(targets)


def test_readme_shows_the_settings_as_they_are(readme):
    _, shown, _ = readme.split("<!-- settings -->")
    assert shown.strip() == settings.table(), (
        "put services.settings.table() between README's settings markers"
    )


def test_decisions_are_short_and_numbered(documents):
    adrs = {name: text for name, text in documents.items() if name.startswith("docs/adr/")}
    assert [int(Path(name).name[:4]) for name in sorted(adrs)] == list(range(1, len(adrs) + 1))
    for name, text in adrs.items():
        assert len(text.splitlines()) <= ADR_LINES, name
        assert re.findall(r"^## .*$", text, re.MULTILINE) == ADR_HEADINGS, name
        assert text.startswith(f"# {int(Path(name).name[:4])}. "), name


def test_changelog_is_kept_and_agrees_with_the_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    heads = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert heads[0] == "Unreleased"
    # The version is that of the newest release, or of the first one while there is none.
    assert heads[1:2] in ([], [version])
    assert version in text
    assert set(re.findall(r"^### (\w+)", text, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


def test_licence_is_the_whole_of_apache_2():
    words = (ROOT / "LICENSE").read_text("utf-8").split()
    text = " ".join(words)
    assert text.startswith("Apache License Version 2.0, January 2004 http://www.apache.org/licenses/")
    for part in (
        "1. Definitions.",
        "3. Grant of Patent License.",
        "9. Accepting Warranty",
        "END OF TERMS AND CONDITIONS",
        "APPENDIX",
    ):
        assert part in text
    assert len(words) > 1500


def test_migrations_have_one_head_and_one_base():
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


@pytest.mark.parametrize(
    ("pattern", "bad", "good"),
    [
        (MACHINE, "see /" + "work/main/x.py", "a framework/ or 1/" + "work/day"),
        (MACHINE, "--find-links=/opt/" + "pypi", "/opt/homebrew"),
        (MACHINE, "cd /home/" + "anna/svodka", "/home page"),
        (SHARED, "open('shared/" + "data/x')", "../shared/" + "data/tgnews_ru.jsonl"),
        (SECRETS["a private key"], "-----BEGIN RSA " + "PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----"),
        (SECRETS["a model provider's key"], "sk-" + "a1" * 20, "task-" + "a1" * 20),
        (SECRETS["a Telegram bot token"], "123456789:AA" + "x" * 33, "12:AA"),
    ],
)  # fmt: skip
def test_a_pattern_finds_what_it_is_for(pattern, bad, good):
    assert pattern.search(bad)
    assert not pattern.search(good)


def test_a_dead_link_is_found():
    text = "[a](README.md) [b](nowhere.md) [c](#no-heading) [d](https://example.org)\n```\n[e](x)\n```\n"
    assert list(dead_links("CHANGELOG.md", text)) == ["CHANGELOG.md: nowhere.md", "CHANGELOG.md: #no-heading"]


def test_an_unknown_command_or_option_is_found():
    group = click.Group("svodka", commands=[click.Command("up", params=[click.Option(["--port/--no-port"])])])
    text = "`svodka up --port` and `svodka fly`\n```sh\nuv run svodka up --help  # x --y\nsvodka up --fast=1\n```\n"
    assert [unknown(group, line) for line in invocations(text)] == [None, "--fast=1", None, "fly"]
