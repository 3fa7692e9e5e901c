"""The command line as a person uses it, on the test's database."""

import json
from dataclasses import dataclass

import pytest

import cli


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def svodka(database, tmp_path, monkeypatch, capsys):
    """Run a `svodka` command and return its answer."""
    monkeypatch.setenv("SVODKA_DATABASE_URL", database.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SVODKA_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("SVODKA_ALLOW_PRIVATE_ADDRESSES", "true")
    monkeypatch.setenv("SVODKA_HOST_INTERVAL_S", "0")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Answer(exit_.value.code or 0, said.out, said.err)

    return run
