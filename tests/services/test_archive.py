"""Artifacts: kept once, given back whole, and never given back damaged."""

import hashlib
import zlib
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from domains.errors import NotFound, Refused
from services import archive
from services.schema import Artifact


def put(database, body):
    with database.transaction() as session:
        return archive.put(session, body)


def get(database, sha256):
    with database.transaction() as session:
        return archive.get(session, sha256)


def damage(database, sha256, packed):
    with database.transaction() as session:
        session.execute(update(Artifact).where(Artifact.sha256 == sha256).values(body=packed))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(max_size=4_000))
def test_a_body_comes_back_byte_for_byte_under_its_hash(database, body):
    sha256 = put(database, body)
    assert sha256 == hashlib.sha256(body).hexdigest()
    assert get(database, sha256) == body


def test_the_same_body_is_kept_once_with_its_size(database):
    body = "Послание.\0".encode() * 1_000
    assert put(database, body) == put(database, body)
    with database.transaction() as session:
        (row,) = session.scalars(select(Artifact)).all()
    assert row.bytes == len(body)
    assert len(row.body) < len(body) / 20


def test_a_body_that_was_rolled_back_is_not_there(database):
    with suppress(RuntimeError), database.transaction() as session:
        archive.put(session, b"lost")
        raise RuntimeError
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Artifact)) == 0


def test_a_body_that_is_not_there_is_named(database):
    with pytest.raises(NotFound, match="0000"):
        get(database, "0" * 64)


def test_a_body_with_another_hash_is_refused(database):
    sha256 = put(database, b"what was shipped")
    damage(database, sha256, zlib.compress(b"what was not"))
    with pytest.raises(Refused, match=sha256):
        get(database, sha256)


@pytest.mark.parametrize("packed", [b"", b"\0" * 9, zlib.compress(b"what was shipped")[:-4]])
def test_a_body_that_cannot_be_unpacked_is_refused(database, packed):
    sha256 = put(database, b"what was shipped")
    damage(database, sha256, packed)
    with pytest.raises(Refused, match=sha256):
        get(database, sha256)
