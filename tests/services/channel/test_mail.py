"""Mail, against a real SMTP server on the loopback."""

import ssl
import subprocess
from dataclasses import replace

import pytest
from pydantic import SecretStr

from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from services.channel.letter import Letterhead
from services.channel.mail import MailChannel
from services.clock import StoppedClock
from services.render import Renderer
from tests.mailbox import PASSWORD, USER, Mailbox
from tests.services.channel.rigs import DEADLINE_S, NOW
from tests.services.digestdesk import trilingual

HEAD = Letterhead("Svodka <digest@svodka.example>")
READERS = "anna@example.org, boris@example.org,carol@example.org"


@pytest.fixture(scope="module")
def parcel():
    return Renderer().parcel(trilingual(), key="run-12-mail", run=12)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "crt", folder / "key")
    client = ssl.create_default_context(cafile=folder / "crt")
    return server, client


def channel(box, *, scheme="smtp+plain", login="", tls=None, **more):
    url = SecretStr(f"{scheme}://{login}127.0.0.1:{box.port}")
    return MailChannel(url, more.pop("head", HEAD), StoppedClock(NOW), DEADLINE_S, 60, tls, **more)


def test_each_reader_gets_a_letter_of_their_own(parcel):
    with Mailbox() as box:
        receipt = channel(box).send(parcel, READERS)
    assert receipt.where == ("mail:anna@example.org", "mail:boris@example.org", "mail:carol@example.org")
    assert [(sender, readers) for sender, readers, _ in box.letters] == [
        ("digest@svodka.example", [one.strip()]) for one in READERS.split(",")
    ]
    assert len({message["Message-ID"] for _, _, message in box.letters}) == 3
    assert receipt.external_id == ",".join(message["Message-ID"] for _, _, message in box.letters)


def test_one_reader_that_is_gone_is_refused_by_name(parcel):
    with Mailbox() as box:
        box.refusals |= {
            "boris@example.org": "550 5.1.1 No such user",
            "carol@example.org": "451 4.7.1 Greylisted",
        }
        there = channel(box)
        outcomes = []
        for part in there.parts(parcel, READERS):
            try:
                outcomes.append(there.send_part(parcel, READERS, part).where[0])
            except (Refused, Unavailable) as error:
                outcomes.append((type(error), "No such user" in str(error) or "Greylisted" in str(error)))
    assert outcomes == ["mail:anna@example.org", (Refused, True), (Unavailable, True)]
    assert [readers for _, readers, _ in box.letters] == [["anna@example.org"]]


@pytest.mark.parametrize(
    ("attribute", "said", "kind"),
    [
        ("before_data", "421 4.3.2 Shutting down", Unreachable),
        ("before_data", "452 4.3.1 Too much mail", Unavailable),
        ("before_data", "554 5.7.1 No mail from you", Refused),
        ("after_data", "451 4.3.0 Try again", Unavailable),
        ("after_data", "552 5.3.4 Too big", Refused),
        ("after_data", "554 5.7.1 This looks like spam", Refused),
    ],
)
def test_the_servers_code_says_whether_to_try_again(parcel, attribute, said, kind):
    with Mailbox() as box:
        setattr(box, attribute, said)
        with pytest.raises(kind, match=said[:3]) as error:
            channel(box).send(parcel, "anna@example.org")
    assert type(error.value) is kind
    assert box.letters == []


def test_a_server_that_breaks_off_after_the_letter_leaves_it_in_doubt(parcel):
    with Mailbox() as box:
        box.cut_after_data = 1
        with pytest.raises(InDoubt, match="anna"):
            channel(box).send(parcel, "anna@example.org")
    assert len(box.letters) == 1


def test_nobody_there_is_certain(parcel):
    with Mailbox() as box:
        there = channel(box)
    with pytest.raises(Unreachable, match="cannot connect"):
        there.send(parcel, "anna@example.org")


def test_smtp_is_encrypted_and_logs_in(parcel, certificate):
    server, client = certificate
    with Mailbox(tls=server, login=True) as box:
        channel(box, scheme="smtp", login=f"{USER}:{PASSWORD}@", tls=client).send(parcel, "anna@example.org")
    assert len(box.letters) == 1


def test_a_wrong_password_is_refused_and_not_said(parcel, certificate):
    server, client = certificate
    with Mailbox(tls=server, login=True) as box, pytest.raises(Refused, match="535") as error:
        channel(box, scheme="smtp", login=f"{USER}:wrong-wrong@", tls=client).send(parcel, "anna@example.org")
    assert "SVODKA_SMTP_URL" in error.value.remedy
    assert "wrong-wrong" not in str(error.value)
    assert box.letters == []


def test_without_starttls_nothing_is_said_in_the_clear(parcel, certificate):
    with Mailbox() as box, pytest.raises(Refused, match="STARTTLS"):
        channel(box, scheme="smtp", login=f"{USER}:{PASSWORD}@").send(parcel, "anna@example.org")
    assert box.letters == []


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(parcel, certificate):
    server, _ = certificate
    with Mailbox(tls=server) as box, pytest.raises(Unreachable, match="SSLCertVerificationError"):
        channel(box, scheme="smtp").send(parcel, "anna@example.org")
    assert box.letters == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": None}, "SVODKA_SMTP_URL"),
        ({"url": SecretStr("https://x")}, "SVODKA_SMTP_URL"),
        ({"url": SecretStr("smtp://u:p@h:99999")}, "SVODKA_SMTP_URL"),
        ({"head": None}, "SVODKA_MAIL_FROM"),
        ({"head": Letterhead("nobody")}, "Name <address>"),
        ({"head": replace(HEAD, unsubscribe_url="https://x.example/u")}, "SVODKA_UNSUBSCRIBE_SECRET"),
    ],
)
def test_what_is_not_set_up_says_what_to_set(change, said):
    with Mailbox() as box, pytest.raises(Refused) as error:
        replace(channel(box), **change).check("anna@example.org")
    assert said in error.value.remedy


@pytest.mark.parametrize(
    "target",
    [
        "",
        "anna",
        "@example.org",
        "anna@",
        "a b@example.org",
        "anna@exa mple.org",
        "a@b,",
        "a@b\r\nBcc: x@y",
        "a@-b",
    ],
)
def test_what_is_no_address_is_refused(target):
    with Mailbox() as box, pytest.raises(Refused, match="no mail address"):
        channel(box).check(target)


def test_too_many_readers_are_a_mailing_list():
    with Mailbox() as box, pytest.raises(Refused, match="50"):
        channel(box).check(",".join(f"reader{n}@example.org" for n in range(51)))


def test_its_lane_is_what_the_settings_say():
    with Mailbox() as box:
        (lane,) = channel(box).lanes("anna@example.org")
    assert (lane.key, lane.interval_s) == ("mail", 1.0)
