"""A digest on a stream."""

from typing import TextIO

from domains.errors import Refused, Unavailable
from domains.ports import Parcel, Receipt


class StdoutChannel:
    """Writes a digest's Markdown to a stream, once: what has been printed cannot be taken back."""

    name = "stdout"
    idempotent = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def check(self, target: str) -> None:
        """Raise Refused for any target but "" and "-"."""
        if target not in {"", "-"}:
            raise Refused(f"the channel stdout has no target {target!r}", remedy='use "-"')

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Write the Markdown and flush; ``target`` must be empty or "-".

        Raises Refused for another target and Unavailable when the stream is closed. A stream that breaks while it is
        written to raises OSError: nobody knows how much was read.
        """
        self.check(target)
        if self._stream.closed:
            raise Unavailable("standard output is closed", remedy="choose the file channel for a service")
        self._stream.write(f"{parcel.markdown}\n")
        self._stream.flush()
        return Receipt(("stdout",))
