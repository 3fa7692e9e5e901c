"""Telegram, against a loopback Bot API that enforces its limits."""

import traceback
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from services.channel.http import Poster
from services.channel.telegram import TelegramChannel
from services.clock import StoppedClock
from services.render import Renderer
from tests import bot_api
from tests.bot_api import TOKEN, BadRequest, BotApi, Chat, parsed, units
from tests.services.channel.rigs import DEADLINE_S, NOW, PRIVATE
from tests.services.digestdesk import NASTY, hostile, trilingual


@pytest.fixture
def api():
    with BotApi() as made:
        made.chats[42] = Chat()
        yield made


@pytest.fixture
def channel(api):
    return TelegramChannel(SecretStr(TOKEN), api.url, Poster(PRIVATE, DEADLINE_S))


def parcel(digest=None):
    return Renderer().parcel(digest or trilingual(), key="run-1-telegram", run=1)


def send(channel, part="<b>hello</b>", target="42"):
    return channel.send_part(parcel(), target, part)


def test_a_message_says_where_it_went_and_its_number(api, channel):
    receipt = send(channel)
    assert (receipt.where, receipt.external_id) == (("telegram:42",), "1")
    assert api.taken() == ["hello"]
    ((path, asked),) = api.requests
    assert path == "/botTOKEN/sendMessage"
    assert asked == {
        "chat_id": 42,
        "text": "<b>hello</b>",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def test_whatever_strangers_wrote_is_text_and_short_enough(api, channel):
    posted = parcel(hostile(urls=("https://example.org/?a=1&b=2",)))
    assert len(posted.telegram) > 1
    for part in posted.telegram:
        send(channel, part)
        assert units(parsed(part)[0]) <= 4096
        assert len(parsed(part)[1]) <= 100
    assert len(api.taken()) == len(posted.telegram)


@settings(max_examples=20)
@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=8))
def test_any_text_passes_telegrams_parser(texts):
    for part in parcel(hostile((*texts, NASTY[0]))).telegram:
        plain, _ = parsed(part)
        assert plain.strip()
        assert units(plain) <= 4096


def test_a_public_channel_has_a_name(api, channel):
    api.chats["@news"] = Chat("channel")
    send(channel, target="@news")
    assert api.chats["@news"].texts == ["hello"]


def test_a_flood_says_how_long_to_wait(api, channel):
    api.next(bot_api.flood(37))
    with pytest.raises(Unavailable) as error:
        send(channel)
    assert error.value.retry_after_s == 37
    assert not isinstance(error.value, Unreachable)
    assert api.taken() == []


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        (BadRequest("Forbidden: bot was blocked by the user", 403), "blocked the bot"),
        (BadRequest("Forbidden: bot was kicked from the supergroup chat", 403), "add the bot"),
        (BadRequest("Forbidden: user is deactivated", 403), "account is gone"),
        (BadRequest("Bad Request: not enough rights to send text messages to the chat"), "let the bot post"),
        (BadRequest("Bad Request: something new"), "list of errors"),
    ],
)
def test_what_telegram_will_never_do_is_refused_with_what_to_do(api, channel, trouble, remedy):
    api.chats[42].trouble = trouble
    with pytest.raises(Refused, match=str(trouble.code)) as error:
        send(channel)
    assert remedy in error.value.remedy


def test_a_chat_that_nobody_started_is_refused(channel):
    with pytest.raises(Refused, match="chat not found") as error:
        send(channel, target="43")
    assert "Start" in error.value.remedy


def test_a_group_that_moved_is_followed(api, channel):
    api.chats.update({-7: bot_api.moved(-1007), -1007: Chat("supergroup")})
    assert send(channel, target="-7").where == ("telegram:-7 (moved to -1007)",)
    assert api.chats[-1007].texts == ["hello"]


@pytest.mark.parametrize("part", ["<b>open", "<img src=x>", "</i>", "x" * 4097, " "])
def test_a_message_that_is_wrong_is_refused(api, channel, part):
    with pytest.raises(Refused, match="400"):
        send(channel, part)
    assert api.taken() == []


@pytest.mark.parametrize("token", ["", "nonsense", "123", "1:2"])
def test_without_a_token_it_says_what_to_set(api, channel, token):
    for refuse in (lambda one: one.check("42"), send):
        with pytest.raises(Refused) as error:
            refuse(replace(channel, token=SecretStr(token)))
        assert "SVODKA_TELEGRAM_TOKEN" in error.value.remedy
    assert api.requests == []


def test_a_token_that_telegram_does_not_know_is_refused_unsaid(api, channel):
    wrong = "987654321:AAwrongWRONGwrongWRONGwrongWRONGwr"
    with pytest.raises(Refused, match="401") as error:
        send(replace(channel, token=SecretStr(wrong)))
    assert wrong not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("target", ["", "0", "me", "@x", "12a", "-", "@a b", "٤٢"])
def test_what_is_no_chat_is_refused(channel, target):
    with pytest.raises(Refused, match="no Telegram chat"):
        channel.check(target)


def test_a_proxys_page_tells_nothing(api, channel):
    api.next(bot_api.gateway)
    with pytest.raises(InDoubt, match="502"):
        send(channel)


def test_a_connection_that_breaks_tells_nothing_either(api, channel):
    api.next(bot_api.refuse_connection)
    with pytest.raises(InDoubt):
        send(channel)
    assert api.taken() == []


def test_nobody_there_is_certain(channel):
    with BotApi() as gone:
        url = gone.url
    with pytest.raises(Unreachable, match="cannot connect"):
        send(replace(channel, api_url=url))


def test_its_lanes_keep_telegrams_limits(api, channel):
    """Sent as its lanes let, nothing is ever too fast for the server that counts."""
    clock = StoppedClock(NOW)
    api.clock = clock
    api.chats[-1] = Chat("group")
    for target in ("42", "-1"):
        *_, own = channel.lanes(target)
        for number in range(40):
            if number >= own.burst:
                clock.advance(seconds=own.interval_s)
            send(channel, target=target)
        clock.advance(minutes=2)
    assert len(api.taken()) == 80
    assert {channel.lanes(one)[0].key for one in ("42", "-1", "@x")} == {"telegram"}
