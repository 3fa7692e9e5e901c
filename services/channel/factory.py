"""Every channel of an installation, by its name. What lacks its setting is there too, and says so when it is chosen."""

from typing import Final, TextIO

from domains.ports import Channel, Clock
from services.address import Guard, resolve
from services.channel.apprised import AppriseChannel
from services.channel.atom import AtomChannel
from services.channel.file import FileChannel
from services.channel.http import Poster
from services.channel.letter import Letterhead
from services.channel.mail import MailChannel
from services.channel.site import PageChannel
from services.channel.stdout import StdoutChannel
from services.channel.telegram import TelegramChannel
from services.channel.webhook import WebhookChannel
from services.settings import Settings

# Shorter than the shortest lease that is any use: what is being sent is not taken over by another worker.
ATTEMPT_S: Final = 30.0


def channels(settings: Settings, stream: TextIO, clock: Clock) -> dict[str, Channel]:
    """Return every channel of this installation by its name; nothing is connected before it is used.

    Targets that subscriptions name are guarded like feeds; the operator's own servers may be private.
    """
    attempt_s = min(ATTEMPT_S, settings.lease_s / 2)
    ours = Poster(Guard(resolve, allow_private=True), attempt_s)
    guard = Guard(resolve, settings.allow_private_addresses)
    every: tuple[Channel, ...] = (
        FileChannel(settings.digests),
        StdoutChannel(stream),
        TelegramChannel(settings.telegram_token, settings.telegram_api_url, ours),
        MailChannel(settings.smtp_url, _letterhead(settings), clock, attempt_s, settings.mail_per_minute),
        WebhookChannel(settings.webhook_secret, Poster(guard, attempt_s), clock, settings.user_agent),
        AppriseChannel(guard),
        AtomChannel(settings.digests, settings.digests_url),
        PageChannel(settings.digests),
    )
    return {channel.name: channel for channel in every}


def _letterhead(settings: Settings) -> Letterhead | None:
    if not settings.mail_from:
        return None
    return Letterhead(settings.mail_from, settings.unsubscribe_url, settings.unsubscribe_secret)
