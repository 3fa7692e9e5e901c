"""Every channel of an installation, by its name."""

from pathlib import Path
from typing import TextIO

from domains.ports import Channel
from services.channel.file import FileChannel
from services.channel.stdout import StdoutChannel


def channels(root: Path, stream: TextIO) -> dict[str, Channel]:
    """Return every channel of this installation by its name."""
    every: tuple[Channel, ...] = (FileChannel(root), StdoutChannel(stream))
    return {channel.name: channel for channel in every}
