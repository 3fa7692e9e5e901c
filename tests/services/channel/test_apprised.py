"""apprise: what it is let do, and that it does nothing else."""

import json
import logging
import socket

import pytest

from domains.errors import InDoubt, Refused, Unreachable
from services.address import Guard
from services.channel.apprised import AppriseChannel
from services.render import Renderer
from tests.receiver import Receiver, status
from tests.services.channel.rigs import PRIVATE
from tests.services.digestdesk import trilingual

pytest.importorskip("apprise", reason="the extra apprise is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
PUBLIC = {"slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
          "discord": "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz", "ntfy": "ntfy://topic",
          "matrix": "matrixs://user:hunter2@matrix.example.org/#room"}  # fmt: skip


@pytest.fixture(scope="module")
def parcel():
    return Renderer().parcel(trilingual(), key="run-12-apprise", run=12)


@pytest.mark.parametrize("service", PUBLIC)
def test_the_services_that_people_ask_for_are_understood_without_asking_anybody(service, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a check opens no connection")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    AppriseChannel(PRIVATE).check(PUBLIC[service])


def test_one_digest_is_one_request_to_the_one_that_is_named(parcel, monkeypatch):
    asked, connect = [], socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: (asked.append(to), connect(self, to))[1])
    with Receiver() as there:
        receipt = AppriseChannel(PRIVATE).send(parcel, there.url.replace("http", "json") + "/hook")
        assert len(there.requests) == 1
        assert {to[1] for to in asked} == {int(there.url.rpartition(":")[2])}
    assert json.loads(there.requests[0][2])["title"] == parcel.title
    assert receipt.where == ("json://…",)


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500, 503])
def test_a_no_is_never_taken_for_not_sent(parcel, code):
    with Receiver() as there:
        there.next(status(code))
        with pytest.raises(InDoubt):
            AppriseChannel(PRIVATE).send(parcel, there.url.replace("http", "json"))


@pytest.mark.parametrize(
    "target",
    ["", "ntfy", "gnome://", "dbus://", "syslog://", "windows://", "blink1://", "nonsense://x", "GNOME://"],
)
def test_what_is_no_service_for_digests_is_refused(target):
    with pytest.raises(Refused) as error:
        AppriseChannel(PRIVATE).check(target)
    assert "apprise" in error.value.remedy


def test_the_network_behind_us_is_out_of_reach(parcel):
    guarded = AppriseChannel(Guard(lambda host, port: [host], allow_private=False))
    with Receiver() as there:
        with pytest.raises(Refused, match="private"):
            guarded.send(parcel, there.url.replace("http", "json"))
        assert there.requests == []


def test_a_name_that_nobody_knows_is_certain(parcel):
    lost = AppriseChannel(Guard(lambda host, port: [], allow_private=False))
    with pytest.raises(Unreachable):
        lost.send(parcel, "json://nowhere.example/")


def test_tokens_are_neither_said_nor_in_its_lane(parcel, caplog):
    caplog.set_level(logging.DEBUG)
    channel = AppriseChannel(PRIVATE)
    with Receiver() as there:
        target = there.url.replace("http://", "json://me:hunter2@") + "/hook"
        there.next(status(500))
        with pytest.raises(InDoubt) as error:
            channel.send(parcel, target)
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(channel.lanes(target))


def test_a_long_digest_is_split_where_the_service_takes_no_more(parcel):
    channel = AppriseChannel(PRIVATE)
    service = channel._service(PUBLIC["discord"])
    assert str(service.overflow_mode.value) == "split"
