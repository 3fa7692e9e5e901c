"""Every channel is there; what is not set up says what to set."""

from io import StringIO

import pytest

from domains.errors import Refused
from services import settings
from services.channel.factory import channels
from services.clock import StoppedClock
from tests.services.channel.rigs import NOW, RIGS

TARGETS = {"telegram": "42", "mail": "anna@example.org", "webhook": "https://example.org/hook"}
SET = {
    "telegram_token": "123456789:AAtestTESTtestTEST",
    "smtp_url": "smtp://u:p@mail.example.org",
    "mail_from": "digest@example.org",
    "webhook_secret": "hunter2",
}


def every(tmp_path, **overrides):
    return channels(settings.load(var=tmp_path, **overrides), StringIO(), StoppedClock(NOW))


def test_every_channel_is_known_by_its_name(tmp_path):
    made = every(tmp_path)
    assert {name: each.name for name, each in made.items()} == {name: name for name in RIGS}
    assert {name for name, each in made.items() if each.idempotent} == {"file", "atom", "page", "webhook"}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_not_set_up_says_which_setting_it_lacks(tmp_path, name):
    with pytest.raises(Refused, match="not set up here") as error:
        every(tmp_path)[name].check(TARGETS[name])
    assert "SVODKA_" in error.value.remedy
    every(tmp_path, **SET)[name].check(TARGETS[name])


def test_no_secret_is_in_what_is_shown_of_them(tmp_path):
    shown = repr(every(tmp_path, **SET))
    assert not [value for value in ("AAtestTESTtestTEST", "u:p@", "hunter2") if value in shown]
