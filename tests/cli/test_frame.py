"""What every command shares: `--json` and `--help` everywhere, exit codes, and errors in a sentence."""

import json
import re

import click
import pytest
from click.testing import CliRunner

import cli
from cli import frame
from domains.errors import Busy, GateClosed, InputError, NotFound, Refused, TooLarge, Unavailable, UsageError
from services.valkey import free_port
from tests.cli.conftest import Answer


def walk(command, *path):
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), *path, name)


EVERY = dict(walk(cli.command))
LEAVES = [path for path, command in EVERY.items() if not isinstance(command, click.Group)]
LISTS = [("source", "list"), ("subscriptions",), ("digest", "list"), ("dlq", "list")]


@pytest.fixture
def run(capsys):
    """Run a command that needs no database."""

    def run_(*arguments):
        with pytest.raises(SystemExit) as exit_:
            cli.main(list(arguments))
        said = capsys.readouterr()
        return Answer(exit_.value.code or 0, said.out, said.err)

    return run_


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_says_what_it_does(run, path, option):
    answer = run(*path, option)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: svodka {' '.join(path)}".rstrip())
    assert EVERY[path].help
    assert EVERY[path].help.rstrip().endswith(".")


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_takes_json(run, path):
    assert "--json" in run(*path, "--help").out
    assert [one.is_flag for one in EVERY[path].params if "--json" in one.opts] == [True]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_an_option_that_does_not_exist_is_misuse(run, path):
    answer = run(*path, "--no-such-option")
    assert answer.code == 2
    assert "--no-such-option" in answer.err
    assert answer.out == ""


def test_a_command_that_does_not_exist_is_misuse(run):
    answer = run("digset")
    assert answer.code == 2
    assert "digset" in answer.err


def test_the_version_is_told(run):
    assert re.fullmatch(r"svodka, version \d+\.\d+\.\d+\n", run("--version").out)


@pytest.mark.parametrize("path", LISTS, ids=" ".join)
def test_lists_are_json_before_and_after_there_is_anything(svodka, path):
    for arguments in ((*path, "--json"), ("--json", *path)):
        answer = svodka(*arguments)
        assert (answer.code, answer.json) == (0, [])
    assert svodka(*path).code == 0


@pytest.mark.parametrize(
    "arguments",
    [("digest", "show", "999"), ("why", "nobody/1"), ("dlq", "show", "7"), ("subscribe", "--zone", "Mars/X")],
)
def test_an_error_is_json_when_that_was_asked_for(svodka, arguments):
    answer = svodka(*arguments, "--json")
    value = json.loads(answer.err)
    assert set(value) == {"error", "message", "remedy"}
    assert answer.out == ""
    assert answer.code == (2 if value["error"] == "UsageError" else 1)


def test_misuse_is_json_when_that_was_asked_for(svodka):
    assert set(json.loads(svodka("digest", "run", "--until", "now", "--json").err)) >= {"error", "message"}


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2)]
    + [(one, 1) for one in (InputError, TooLarge, NotFound, Busy, Unavailable, Refused, GateClosed)],
)
def test_an_error_has_its_code_and_says_what_to_do(capsys, error, code):
    assert frame.fail(error("it is [bold]so[/]", remedy="do [this]"), as_json=False) == code
    said = capsys.readouterr()
    assert "it is [bold]so[/]" in said.err
    assert "do [this]" in said.err
    assert said.out == ""
    assert frame.fail(error(), as_json=True) == code
    assert json.loads(capsys.readouterr().err)["error"] == error.__name__


def test_a_database_that_is_away_is_said_without_its_password(svodka, monkeypatch):
    url = f"postgresql+psycopg://me:hunter2@127.0.0.1:{free_port()}/x"
    monkeypatch.setenv("SVODKA_DATABASE_URL", url)
    answer = svodka("digest", "list")
    assert answer.code == 1
    assert "Traceback" not in answer.err
    assert "hunter2" not in answer.err + answer.out
    assert "doctor" in answer.err


def test_a_wrong_setting_is_misuse(svodka, monkeypatch):
    monkeypatch.setenv("SVODKA_SWEEP_S", "soon")
    answer = svodka("digest", "list")
    assert answer.code == 2
    assert "SVODKA_SWEEP_S" in answer.err


def test_a_schema_that_is_behind_says_how_to_catch_up(fresh_database, svodka, monkeypatch):
    fresh_database.migrate("0001")
    monkeypatch.setenv("SVODKA_DATABASE_URL", fresh_database.engine.url.render_as_string(hide_password=False))
    answer = svodka("digest", "list")
    assert answer.code == 1
    assert "svodka migrate" in answer.err


@pytest.mark.parametrize("text", ["", "x1", "-1", "1.5", "9" * 19, "٣" * 19])
def test_what_is_no_number_names_no_row(text):
    with pytest.raises(NotFound):
        frame.number(text, "run")


def test_a_raised_digit_is_no_number():
    with pytest.raises(NotFound):
        frame.number("²", "run")


def test_a_number_names_a_row():
    assert frame.number("17", "run") == 17


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("2026-11-18T00:00:00Z", True),
        ("2026-11-18T02:00:00+02:00", True),
        ("2026-11-18", False),
        ("2026-11-18T00:00:00", False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_a_moment_has_a_zone(text, good):
    @click.command()
    @click.option("--at", callback=frame.moment)
    def say(at):
        click.echo(at.isoformat() if at else "none")

    answer = CliRunner().invoke(say, ["--at", text])
    assert (answer.exit_code == 0) == good
    if good:
        assert answer.output.strip().endswith(("+00:00", "+02:00"))
    assert CliRunner().invoke(say).output.strip() == "none"
