"""Webhooks, against a receiver that checks signatures by the Standard Webhooks' rules."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from domains.errors import Refused, Unavailable, Unreachable
from services import document
from services.address import Guard
from services.channel.http import Poster
from services.channel.webhook import WebhookChannel, signature
from services.clock import StoppedClock
from services.render import Renderer
from tests.receiver import Receiver, status, verified
from tests.services.channel.rigs import DEADLINE_S, NOW, PRIVATE, SECRET
from tests.services.digestdesk import trilingual


@pytest.fixture(scope="module")
def parcel():
    return Renderer().parcel(trilingual(), key="run-12-webhook", run=12)


@pytest.fixture
def there():
    with Receiver(SECRET, NOW.timestamp) as made:
        yield made


@pytest.fixture
def channel():
    return WebhookChannel(SecretStr(SECRET), Poster(PRIVATE, DEADLINE_S), StoppedClock(NOW), "Svodka/test")


def test_the_signature_is_that_of_the_specifications_example():
    at = datetime.fromtimestamp(1614265330, UTC)
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    headers = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_digests_json_arrives_signed_with_its_key(there, channel, parcel):
    receipt = channel.send(parcel, f"{there.url}/hook?token=hunter2")
    ((path, headers, body),) = there.requests
    assert path == "/hook?token=hunter2"
    document.check(body)
    assert json.loads(body) == json.loads(parcel.json)
    assert (headers["content-type"], headers["idempotency-key"]) == ("application/json", "run-12-webhook")
    assert there.taken == {"run-12-webhook": parcel.json}
    assert (receipt.where, receipt.external_id) == ((f"{there.url}/hook?…",), "run-12-webhook")


def test_a_changed_body_an_old_time_or_another_secret_is_noticed(channel, parcel):
    headers = signature(channel._key(), parcel.key, NOW, parcel.json)
    assert verified(SECRET, headers, parcel.json, NOW.timestamp()) == parcel.key
    for secret, body, at in (
        (SECRET, parcel.json + b" ", NOW.timestamp()),
        (SECRET, parcel.json, NOW.timestamp() + 301),
        ("another", parcel.json, NOW.timestamp()),
    ):
        with pytest.raises(ValueError, match=r"old|wrong"):
            verified(secret, headers, body, at)


def test_any_text_may_be_the_secret(channel, parcel):
    with Receiver("correct horse", NOW.timestamp) as there:
        replace(channel, secret=SecretStr("correct horse")).send(parcel, there.url)
        with pytest.raises(Refused, match="401"):
            channel.send(parcel, there.url)
    assert len(there.taken) == 1


@pytest.mark.parametrize(
    ("code", "headers", "kind", "wait_s"),
    [
        (400, {}, Refused, None), (401, {}, Refused, None), (404, {}, Refused, None), (410, {}, Refused, None),
        (301, {"location": "/there"}, Refused, None),
        (408, {}, Unavailable, None), (429, {"retry_after": "120"}, Unavailable, 120.0), (429, {}, Unavailable, None),
        (500, {}, Unreachable, None), (503, {"retry_after": "7"}, Unavailable, 7.0),
        (503, {"retry_after": "Fri, 20 Nov 2026 12:01:00 GMT"}, Unavailable, 60.0),
    ],
)  # fmt: skip
def test_the_answer_says_whether_to_try_again(there, channel, parcel, code, headers, kind, wait_s):
    there.next(status(code, **headers))
    with pytest.raises(kind, match=str(code)) as error:
        channel.send(parcel, f"{there.url}/hook?token=hunter2")
    assert type(error.value) is kind
    assert getattr(error.value, "retry_after_s", None) == wait_s
    assert "hunter2" not in str(error.value)
    assert len(there.requests) == 1


def test_a_login_in_the_address_is_sent_and_never_said(there, channel, parcel):
    target = there.url.replace("http://", "http://me:hunter2@") + "/hook"
    receipt = channel.send(parcel, target)
    assert there.requests[0][1]["authorization"] == "Basic bWU6aHVudGVyMg=="
    assert "hunter2" not in "".join(receipt.where)
    there.next(status(404))
    with pytest.raises(Refused) as error:
        channel.send(parcel, target)
    assert "hunter2" not in str(error.value)


def test_the_network_behind_us_is_out_of_reach(there, channel, parcel):
    guarded = replace(
        channel, poster=Poster(Guard(lambda host, port: [host], allow_private=False), DEADLINE_S)
    )
    for host in (there.url, "http://169.254.169.254/latest", "http://[::1]/"):
        with pytest.raises(Refused, match="private"):
            guarded.send(parcel, host)
    assert there.requests == []


def test_a_name_without_an_address_is_unreachable(channel, parcel):
    lost = replace(channel, poster=Poster(Guard(lambda host, port: [], allow_private=False), DEADLINE_S))
    with pytest.raises(Unreachable, match="no address"):
        lost.send(parcel, "https://nowhere.example/")


@pytest.mark.parametrize("target", ["", "hook", "ftp://x/y", "https://", "http://[", "file:///etc/passwd"])
def test_what_is_no_web_address_is_refused(channel, target):
    with pytest.raises(Refused):
        channel.check(target)


@pytest.mark.parametrize("secret", [None, SecretStr(""), SecretStr("whsec_?")])
def test_without_a_secret_it_says_what_to_set(channel, secret):
    with pytest.raises(Refused) as error:
        replace(channel, secret=secret).check("https://example.org/")
    assert "SVODKA_WEBHOOK_SECRET" in error.value.remedy


def test_servers_are_told_apart(channel):
    keys = {
        channel.lanes(one)[0].key
        for one in ("https://a/1", "https://a/2", "https://b/1", "http://a/1", "https://a:8443/")
    }
    assert keys == {"webhook:a:https", "webhook:b:https", "webhook:a:http", "webhook:a:8443"}
