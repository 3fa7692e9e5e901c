"""Targets as people may see them."""

import pytest

from services.channel.target import shown


@pytest.mark.parametrize(
    ("channel", "target", "seen"),
    [
        ("file", "anna/morning", "anna/morning"),
        ("mail", "anna@example.org", "anna@example.org"),
        ("webhook", "https://me:hunter2@x.example:8443/a?token=b#c", "https://x.example:8443/a?…"),
        ("webhook", "https://x.example/a", "https://x.example/a"),
        ("webhook", "https://[", "…"),
        ("webhook", "https://x:99999/", "…"),
        ("apprise", "slack://hunter2/token/token", "slack://…"),
    ],
)
def test_what_lets_others_write_is_not_shown(channel, target, seen):
    assert shown(channel, target) == seen
