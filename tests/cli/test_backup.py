"""`svodka backup` and `svodka restore` as a person uses them."""

from tests import rows


def test_what_was_saved_comes_back(svodka, fresh_database, tmp_path, monkeypatch):
    database = fresh_database
    monkeypatch.setenv("SVODKA_DATABASE_URL", database.engine.url.render_as_string(hide_password=False))
    rows.tenant(database, "kept")
    file = tmp_path / "a folder" / "svodka.dump"
    said = svodka("backup", file)
    assert said.code == 0, said.err
    assert "saved: 1 rows of" in said.out
    rows.tenant(database, "too late")
    database.dispose()
    refused = svodka("restore", file)
    assert refused.code == 1
    assert "not empty: it has rows in tenant" in refused.err
    assert "--force" in refused.err
    told = svodka("--json", "restore", "--force", file)
    assert told.code == 0, told.err
    assert told.json["rows"] == 1
    assert told.json["tables"]["tenant"] == 1
    with database.transaction() as session:
        assert session.connection().exec_driver_sql("SELECT name FROM tenant").scalars().all() == ["kept"]
    assert svodka("backup", file).code == 2
    assert svodka("restore", tmp_path / "nothing").code == 1
