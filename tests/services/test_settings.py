"""Settings: every variable is checked, no error tells a secret, and a file may hold one."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domains.errors import UsageError
from services import settings
from services.settings import PREFIX, Settings


def is_(field, *kinds):
    return any(kind.__name__ in str(field.annotation) for kind in kinds)


def bounds(field):
    """Return (lowest, highest) as declared; None where nothing is."""
    found = {key: getattr(one, key) for one in field.metadata for key in ("ge", "le") if hasattr(one, key)}
    return found.get("ge"), found.get("le")


SECRETS = [name for name, field in Settings.model_fields.items() if is_(field, SecretStr)]
NUMBERS = [name for name, field in Settings.model_fields.items() if is_(field, int, float, Decimal)]
SECRET_NAME = re.compile(r"(database|broker|redis)_url|key|token$|password|secret")


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in [name for name in settings.child_environment() if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_nothing_has_to_be_set():
    found = settings.load()
    assert found.database_url is found.broker_url is found.redis_url is None
    assert found.digests == found.var / "digests"


def test_a_field_has_its_variable(monkeypatch):
    for name, value in {
        "TENANT": "me",
        "SWEEP_S": "5",
        "ALLOW_PRIVATE_ADDRESSES": "true",
        "VAR": "x",
    }.items():
        monkeypatch.setenv(PREFIX + name, value)
    found = settings.load()
    assert (found.tenant, found.sweep_s, found.allow_private_addresses) == ("me", 5.0, True)
    assert found.digests == Path("x") / "digests"
    monkeypatch.setenv("SVODKA_DIGEST_DIR", "elsewhere")
    assert str(settings.load().digests) == "elsewhere"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", "")
    assert settings.load() == Settings.model_construct(
        **{name: field.default for name, field in Settings.model_fields.items()}
    )


def test_what_is_called_a_secret_is_one():
    assert {"database_url", "broker_url", "redis_url"} <= set(SECRETS)
    assert [name for name in Settings.model_fields if SECRET_NAME.search(name) and name not in SECRETS] == []


def test_every_number_has_a_lowest_value_and_every_time_a_highest_one():
    assert len(NUMBERS) >= 6
    for name in NUMBERS:
        low, high = bounds(Settings.model_fields[name])
        assert low is not None, name
        assert high is not None or not name.endswith(("_s", "_processes")), name


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_outside_its_range_is_refused_by_its_variable(monkeypatch, name):
    low, high = bounds(Settings.model_fields[name])
    variable = f"{PREFIX}{name.upper()}"
    for good in (low, high):
        if good is not None:
            monkeypatch.setenv(variable, str(good))
            assert getattr(settings.load(), name) == good
    beyond = [high + 1] if high is not None else []
    for bad in (low - 1, *beyond, "nan", "inf", "-inf", "many"):
        monkeypatch.setenv(variable, str(bad))
        with pytest.raises(UsageError, match=variable):
            settings.load()


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("TENANT", "a b"),
        ("TENANT", "x" * 65),
        ("TENANT", "../up"),
        ("LOG_LEVEL", "loud"),
        ("ALLOW_PRIVATE_ADDRESSES", "perhaps"),
    ],
)
def test_a_wrong_word_is_refused_by_its_variable(monkeypatch, name, bad):
    monkeypatch.setenv(PREFIX + name, bad)
    with pytest.raises(UsageError, match=PREFIX + name) as caught:
        settings.load()
    assert caught.value.remedy


def test_a_log_level_is_read_in_any_case(monkeypatch):
    monkeypatch.setenv("SVODKA_LOG_LEVEL", "WARNING")
    assert settings.load().log_level == "warning"


def test_every_wrong_variable_is_named_at_once(monkeypatch):
    monkeypatch.setenv("SVODKA_SWEEP_S", "soon")
    monkeypatch.setenv("SVODKA_LEASE_S", "0")
    with pytest.raises(UsageError, match=r"SVODKA_SWEEP_S.*SVODKA_LEASE_S"):
        settings.load()


def test_no_error_and_no_view_of_the_settings_tells_a_secret(monkeypatch):
    for name in SECRETS:
        scheme = {"database_url": "postgresql", "neo4j_url": "bolt"}.get(name, "redis")
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", f"{scheme}://me:hunter2-{name}@db/0")
    assert len(SECRETS) >= 3
    found = settings.load()
    assert "hunter2" not in f"{found} {found!r} {found.model_dump()} {found.model_dump_json()}"
    assert found.database_url.get_secret_value() == "postgresql+psycopg://me:hunter2-database_url@db/0"
    monkeypatch.setenv("SVODKA_LEASE_S", "hunter2")
    with pytest.raises(UsageError) as caught:
        settings.load()
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("override", [b"\xff\xfe", 17, ["postgresql://me:hunter2@db"]])
def test_a_secret_of_a_wrong_type_is_refused_without_being_told(override):
    with pytest.raises(UsageError, match="SVODKA_DATABASE_URL") as caught:
        settings.load(database_url=override)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file(monkeypatch, tmp_path, name):
    path = tmp_path / "secret"
    scheme = {"database_url": "postgresql+psycopg", "neo4j_url": "bolt"}.get(name, "redis")
    path.write_text(f"{scheme}://:hunter2@host/0\n")
    monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(path))
    assert getattr(settings.load(), name).get_secret_value() == f"{scheme}://:hunter2@host/0"


def test_what_is_no_secret_is_not_read_from_a_file(monkeypatch, tmp_path):
    path = tmp_path / "tenant"
    path.write_text("me")
    monkeypatch.setenv("SVODKA_TENANT_FILE", str(path))
    assert settings.load().tenant == "default"


def test_what_a_caller_gives_comes_before_files_and_files_before_variables(monkeypatch, tmp_path):
    path = tmp_path / "secret"
    path.write_text("redis://from-file")
    monkeypatch.setenv("SVODKA_BROKER_URL", "redis://from-variable")
    assert settings.load().broker_url.get_secret_value() == "redis://from-variable"
    monkeypatch.setenv("SVODKA_BROKER_URL_FILE", str(path))
    assert settings.load().broker_url.get_secret_value() == "redis://from-file"
    assert settings.load(broker_url="amqp://given").broker_url.get_secret_value() == "amqp://given"


def test_a_secret_file_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SVODKA_DATABASE_URL_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"SVODKA_DATABASE_URL_FILE.*nowhere.*No such file"):
        settings.load()


def test_a_secret_file_that_is_binary_is_named(monkeypatch, tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"hunter2\xff\xfe\x00")
    monkeypatch.setenv("SVODKA_DATABASE_URL_FILE", str(path))
    with pytest.raises(UsageError, match="SVODKA_DATABASE_URL_FILE") as caught:
        settings.load()
    assert "hunter2" not in str(caught.value)


def test_an_empty_secret_file_is_no_setting(monkeypatch, tmp_path):
    path = tmp_path / "secret"
    path.write_text("\n")
    monkeypatch.setenv("SVODKA_DATABASE_URL_FILE", str(path))
    assert settings.load().database_url is None


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        settings.load().tenant = "other"


@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), st.text("abc:/", min_size=1)))
def test_a_child_gets_what_it_is_given_and_all_else_that_we_have(values):
    child = settings.child_environment()
    env = settings.child_environment(**values)
    assert {key: env[key] for key in settings.variables(**values)} == settings.variables(**values)
    assert {key: value for key, value in env.items() if key not in settings.variables(**values)} == {
        key: value for key, value in child.items() if key not in settings.variables(**values)
    }


def test_a_childs_settings_are_those_it_was_given(monkeypatch):
    given_ = {"tenant": "me", "sweep_s": "2", "database_url": "postgresql://x"}
    for name, value in settings.variables(**given_).items():
        monkeypatch.setenv(name, value)
    found = settings.load()
    assert (found.tenant, found.sweep_s, found.database_url.get_secret_value()) == (
        "me",
        2.0,
        "postgresql+psycopg://x",
    )


def test_the_table_names_every_variable_once_with_what_it_means():
    head, rule, *lines = settings.table().splitlines()
    assert (head, rule) == ("| variable | default | meaning |", "|---|---|---|")
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    assert [cell[0] for cell in cells] == [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    assert all(len(cell) == 3 and len(cell[2]) > 10 for cell in cells)
    assert dict(cell[:2] for cell in cells)["SVODKA_SWEEP_S"] == "60.0"


def test_other_peoples_variables_are_read_with_a_default(monkeypatch):
    monkeypatch.setenv("SOMEBODY_S", "1")
    assert settings.environment("SOMEBODY_S") == "1"
    assert settings.environment("NOBODY_S", "2") == "2"
