"""A digest on a stream."""

import errno
from io import StringIO

import pytest

from domains.errors import SvodkaError, Unavailable
from services.channel.stdout import StdoutChannel
from services.render import Renderer
from tests.services.digestdesk import trilingual


@pytest.fixture(scope="module")
def parcel():
    return Renderer().parcel(trilingual(), key="run-12-stdout", run=12)


@pytest.fixture
def stream():
    return StringIO()


def test_the_markdown_is_printed_once(parcel, stream):
    assert StdoutChannel(stream).send(parcel, "-").where == ("stdout",)
    assert stream.getvalue() == parcel.markdown + "\n"


def test_a_closed_stream_is_unavailable(parcel, stream):
    stream.close()
    with pytest.raises(Unavailable, match="closed"):
        StdoutChannel(stream).send(parcel, "")


class Broken(StringIO):
    def flush(self):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_stream_that_breaks_while_written_to_leaves_it_unknown(parcel):
    with pytest.raises(OSError, match="Broken pipe") as error:
        StdoutChannel(Broken()).send(parcel, "")
    assert not isinstance(error.value, SvodkaError)
