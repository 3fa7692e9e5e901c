"""Every error the product raises on purpose.

    SvodkaError
    ├── UsageError            the person asked for something impossible        exit 2
    ├── InputError            a file, feed or line is not what it should be    exit 1
    │   └── TooLarge          ... because it passes a size or time cap
    ├── NotFound              a run, source, post or letter that is not there  exit 1
    ├── Busy                  somebody else holds it; says who                 exit 1
    ├── Unavailable           a server, host or disk does not answer           exit 1, retried by tasks
    │   └── Unreachable       ... because nobody is there, for whatever is asked
    ├── InDoubt               nobody knows whether it was done                 exit 1, shown, never guessed
    ├── Refused               policy forbids it (private address, schema)      exit 1
    └── GateClosed            a digest failed its checks and is not shipped    exit 1

The class docstring is the default message. Services translate a driver's error at the edge and keep it
as ``__cause__``. ``remedy`` is what the reader can do next.
"""


class SvodkaError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, *, remedy: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().partition("\n")[0])
        self.remedy = remedy


class UsageError(SvodkaError):
    """This request cannot be understood."""


class InputError(SvodkaError):
    """The input cannot be read."""


class TooLarge(InputError):
    """The input passes a size or time cap."""


class NotFound(SvodkaError):
    """There is no such thing."""


class Busy(SvodkaError):
    """Somebody else holds it."""


class Unavailable(SvodkaError):
    """A server or disk does not answer.

    ``retry_after_s``: how long it asked to be left alone, if it did.
    """

    def __init__(
        self, message: str | None = None, *, remedy: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class Unreachable(Unavailable):
    """Nobody answers there."""


class InDoubt(SvodkaError):
    """Nobody knows whether it was done."""


class Refused(SvodkaError):
    """Policy forbids it."""


class GateClosed(SvodkaError):
    """The digest failed its checks and is not shipped."""
