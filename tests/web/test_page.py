"""The dead letters' pages: what they show is escaped, and nobody acts in the operator's name from elsewhere."""

import html
import re

import pytest
from sqlalchemy import select

from domains.errors import Refused, Unavailable
from services.schema import DeadLetter, Source
from tests import browser
from tests.web.conftest import HOSTILE, PASSWORD, USER
from web.flower.page import price


def state(database, letter):
    with database.transaction() as session:
        return session.get_one(DeadLetter, letter).state


def token(client, letter):
    """The token of the letter's forms; the client keeps the cookie that goes with it."""
    return re.search(r'name="_xsrf" value="([^"]+)"', client.get(f"/dead-letters/{letter}").text)[1]


def test_an_empty_list_says_so(client):
    assert "nothing waits for you" in client.get("/dead-letters").text


def test_equal_failures_are_one_line(client, failed):
    for number in range(3):
        failed(Unavailable(f"host {number} does not answer"))
    failed(Refused("no such feed"))
    page = client.get("/dead-letters").text
    assert "4 letters of 2 kinds of failure" in page
    groups = re.search(r'<table[^>]*id="groups".*?</table>', page, re.DOTALL)[0]
    assert groups.count("<tr>") == 3
    narrowed = client.get("/dead-letters", params={"class": "permanent"}).text
    assert "no such feed" in narrowed
    assert "does not answer" not in narrowed


def test_what_a_hostile_post_put_into_a_failure_is_shown_as_text(client, failed):
    letter = failed(Refused(HOSTILE))
    for path in ("/dead-letters", f"/dead-letters/{letter}"):
        page = client.get(path, params={"text": "<script>window"}).text
        assert "<script>window" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;window.owned" in page
        assert "\u202e" not in page


def test_a_letter_is_replayed_and_says_by_whom(client, failed, database):
    letter = failed(Unavailable("gone"))
    form = {"_xsrf": token(client, letter)}
    answer = client.post(f"/dead-letters/{letter}/replay", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/dead-letters/{letter}")
    assert "Replayed" in client.get(f"/dead-letters/{letter}").text
    assert "Replayed" not in client.get(f"/dead-letters/{letter}").text
    with database.transaction() as session:
        assert session.scalar(select(Source.state)) == "due"
        assert USER in str(session.get_one(DeadLetter, letter).history)


def test_a_letter_is_discarded(client, failed, database):
    letter = failed(Unavailable("gone"))
    assert (
        client.post(f"/dead-letters/{letter}/discard", data={"_xsrf": token(client, letter)}).status_code
        == 303
    )
    assert state(database, letter) == "discarded"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("given", ["none", "made up", "another's"])
def test_a_form_of_another_site_does_nothing(flower, client, failed, database, headers, given):
    letter = failed(Unavailable("gone"))
    token(client, letter)
    with flower.client() as other:
        form = {"none": {}, "made up": {"_xsrf": "2|a|b|1"}, "another's": {"_xsrf": token(other, letter)}}[
            given
        ]
    before = state(database, letter)
    for verb in ("replay", "discard"):
        assert client.post(f"/dead-letters/{letter}/{verb}", data=form, headers=headers).status_code == 403
    assert state(database, letter) == before


def test_the_right_token_does_not_help_another_site(client, failed, database):
    letter = failed(Unavailable("gone"))
    form = {"_xsrf": token(client, letter)}
    headers = {"origin": "https://evil.example"}
    assert client.post(f"/dead-letters/{letter}/replay", data=form, headers=headers).status_code == 403


def test_a_letter_that_is_not_there_is_said_plainly(client):
    answer = client.get("/dead-letters/77")
    assert answer.status_code == 404
    assert "no dead letter 77" in answer.text
    assert client.get("/dead-letters/999999999999999999").status_code == 404


def test_nobody_else_can_put_words_on_the_page(client):
    client.cookies.set("said", "PWNED")
    page = client.get("/dead-letters")
    assert page.status_code == 200
    assert "PWNED" not in page.text


@pytest.mark.browser
@browser.needed
def test_hostile_text_stays_text_in_a_real_browser_and_a_keyboard_is_enough(flower, failed, database):
    letter = failed(Refused(HOSTILE))
    with browser.signed_in(flower.url, USER, PASSWORD) as page:
        page.goto("/dead-letters")
        assert page.evaluate("window.owned") is None
        page.get_by_role("link", name=f"Dead letter {letter}").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/dead-letters/{letter}")
        assert page.evaluate("window.owned") is None
        assert "<script>window.owned" in page.locator("#message").inner_text()
        page.get_by_role("button", name="Replay", exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text("Replayed").wait_for()
    assert state(database, letter) == "pending"


def test_a_replay_of_all_is_told_before_it_is_done(client, failed, database):
    numbers = [failed(Unavailable(f"host {number} does not answer")) for number in range(3)]
    failed(Refused("no such feed"))
    plan = client.get("/dead-letters/bulk", params={"class": "transient"})
    assert "Replay 3 letters" in plan.text
    assert "none: no model is asked" in plan.text
    with database.transaction() as session:
        before = {one.id: one.next_at for one in session.scalars(select(DeadLetter))}
    form = {"_xsrf": re.search(r'name="_xsrf" value="([^"]+)"', plan.text)[1]}
    assert (
        client.post("/dead-letters/bulk?class=transient", data=form | {"rate": "nonsense"}).status_code == 422
    )
    assert client.post("/dead-letters/bulk?class=transient", data={"rate": "60"}).status_code == 403
    answer = client.post("/dead-letters/bulk?class=transient", data=form | {"rate": "60"})
    assert answer.status_code == 303
    assert "3 letters are replayed, 60 a minute" in client.get(answer.headers["location"]).text
    with database.transaction() as session:
        after = {one.id: one.next_at for one in session.scalars(select(DeadLetter))}
    assert sorted(number for number in before if after[number] != before[number]) == numbers


def test_an_edited_payload_that_breaks_its_schema_is_refused_with_the_path_and_kept_to_be_mended(
    client, failed, database
):
    letter = failed(Unavailable("gone"), name="a")
    form = {"_xsrf": token(client, letter)}
    for text, said in (
        ('{"url": "javascript:alert(1)"}', "$.url: "),
        ('{"url": "https://b.example/", "etag": NaN}', "NaN is no number"),
        ('{"state": "done"}', "$: "),
        ("[]", "$: "),
        ("<script>", "not JSON"),
    ):
        answer = client.post(f"/dead-letters/{letter}/edit", data=form | {"payload": text})
        assert answer.status_code == 422
        page = html.unescape(answer.text)
        assert said in re.search(r'id="wrong"[^>]*>(.*?)</p>', page, re.DOTALL)[1]
        assert text in re.search(r"<textarea.*?</textarea>", page, re.DOTALL)[0]
        assert "<script>" not in answer.text.partition("<textarea")[2].partition("</textarea>")[0]
    assert state(database, letter) == "scheduled"
    edited = '{"url": "https://b.example/"}'
    assert client.post(f"/dead-letters/{letter}/edit", data=form | {"payload": edited}).status_code == 303
    with database.transaction() as session:
        source = session.scalars(select(Source)).one()
        assert (source.url, source.state) == ("https://b.example/", "due")
        assert session.get_one(DeadLetter, letter).state == "pending"
    shown = client.get(f"/dead-letters/{letter}").text
    audit = re.search(r'<table[^>]*id="audit".*?</table>', shown, re.DOTALL)[0]
    assert "b.example" in audit
    assert USER in audit


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({}, "none: no model is asked"),
        ({"unknown": 2}, "nothing is known of 2 letters"),
        (
            {"known": 3, "tokens": 1500, "micros": 2_500_000},
            "about 1,500 tokens and 2.50 in money for 3 letters",
        ),
        (
            {"known": 1, "unknown": 1, "unpriced": 1},
            "about 0 tokens and 0.00 in money for 1 letters; nothing is known of 1 letters; 1 have no known price",
        ),
    ],
)
def test_a_cost_is_told_as_far_as_it_is_known(cost, said):
    assert price(dict.fromkeys(("known", "unknown", "unpriced", "tokens", "micros"), 0) | cost) == said
