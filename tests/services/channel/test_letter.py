"""A letter as mail programs read it: parsed again by Python's own parser."""

import base64
import email
from dataclasses import replace
from email.policy import default

import pytest
from pydantic import SecretStr

from services.channel.letter import Letterhead, address, letter, message_id, unsubscribe_token
from services.render import Renderer
from tests.services.channel.rigs import NOW
from tests.services.digestdesk import hostile, trilingual

HEAD = Letterhead("Сводка дня <digest@svodka.example>")
ANNA = address("anna@example.org")


@pytest.fixture(scope="module")
def parcel():
    return replace(Renderer().parcel(trilingual(), key="run-12-mail", run=12), series="daily-3")


def read(parcel, head=HEAD, reader=ANNA):
    return email.message_from_bytes(letter(parcel, head, reader, NOW).as_bytes(), policy=default)


def test_it_says_the_same_in_text_and_in_html(parcel):
    message = read(parcel)
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert text.get_content().replace("\r\n", "\n").rstrip() == parcel.markdown.rstrip()
    assert html.get_content().replace("\r\n", "\n").rstrip() == parcel.html.rstrip()


def test_its_head_is_whole(parcel):
    message = read(parcel)
    assert str(message["From"]) == "Сводка дня <digest@svodka.example>"
    assert (message["To"], message["Subject"]) == ("anna@example.org", parcel.title)
    assert message["Date"].datetime == NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "<daily-3.svodka.svodka.example>"
    assert message["List-Unsubscribe"] == "<mailto:digest@svodka.example?subject=unsubscribe%20daily-3>"
    assert message["List-Unsubscribe-Post"] is None


def test_lines_are_as_short_as_smtp_wants_and_end_as_it_wants(parcel):
    body = letter(parcel, HEAD, ANNA, NOW).as_bytes()
    assert max(map(len, body.split(b"\r\n"))) <= 998
    assert body.count(b"\n") == body.count(b"\r\n")


def test_its_id_is_the_deliverys_and_the_readers(parcel):
    first, again = read(parcel)["Message-ID"], read(parcel)["Message-ID"]
    assert first == again == message_id("run-12-mail", HEAD, ANNA)
    assert first.startswith("<run-12-mail.")
    assert first.endswith("@svodka.example>")
    assert read(parcel, reader=address("boris@example.org"))["Message-ID"] != first
    assert read(replace(parcel, key="run-13-mail"))["Message-ID"] != first


def test_one_click_ends_it_with_proof_of_the_letter(parcel):
    head = replace(HEAD, unsubscribe_url="https://svodka.example/end?x=1", secret=SecretStr("key"))
    message = read(parcel, head)
    token = unsubscribe_token(SecretStr("key"), "daily-3", "anna@example.org")
    link = f"<https://svodka.example/end?x=1&series=daily-3&to=anna%40example.org&token={token}>"
    assert message["List-Unsubscribe"].split(", ")[0] == link
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    others = {
        unsubscribe_token(SecretStr(key), series, reader)
        for key, series, reader in (
            ("key", "daily-3", "boris@x"),
            ("key", "daily-4", "anna@example.org"),
            ("yek", "daily-3", "anna@example.org"),
        )
    }
    assert token not in others
    assert len(others) == 3


def test_pictures_travel_inside_and_once(parcel):
    red, blue = b"\x89PNG\r\n\x1a\nred", b"\x89PNG\r\n\x1a\nblue"
    tags = "".join(
        f'<img alt="x" src="data:image/png;base64,{base64.b64encode(one).decode()}">'
        for one in (red, blue, red)
    )
    message = read(replace(parcel, html=parcel.html.replace("</main>", f"{tags}</main>")))
    text, related = message.iter_parts()
    assert (text.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    html, *inside = related.iter_parts()
    assert [one.get_content() for one in inside] == [red, blue]
    assert all(one.get_content_disposition() == "inline" for one in inside)
    cids = [one["Content-ID"].strip("<>") for one in inside]
    said = html.get_content()
    assert [said.count(f"cid:{cid}") for cid in cids] == [2, 1]
    assert "data:image" not in said


def test_what_looks_like_a_picture_and_is_none_stays(parcel):
    broken = '<img src="data:image/png;base64,AAA">'
    message = read(replace(parcel, html=broken))
    assert broken in message.get_body(("html",)).get_content()
    assert message.get_body(("related",)) is None


def test_hostile_text_makes_no_header(parcel):
    message = read(Renderer().parcel(hostile(), key="run-1-mail", run=1))
    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip


def test_a_domain_may_be_in_any_script():
    assert address("anna@пример.рф").domain == "xn--e1afmkfd.xn--p1ai"
