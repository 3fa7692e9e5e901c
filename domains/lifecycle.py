"""How a trend lives: emerging ─▶ rising ─▶ peaking ─▶ fading ─▶ over, with hysteresis.

A `Pulse` is a trend's speed as of a moment: posts an hour, each post counting half after `HALF_LIFE`. It never looks
at what comes later and needs no list of posts, so a trend of a million posts costs what one of four costs.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

State = Literal["emerging", "rising", "peaking", "fading", "over"]
STATES: Final[tuple[State, ...]] = get_args(State)

HALF_LIFE: Final = timedelta(hours=2)
# Rising: faster than at the alarm by so much. Peaking: for so long no new highest speed. Fading and back: these shares
# of the highest speed; the gap between the two is what keeps a trend from flapping.
RISE: Final = 1.25
PLATEAU: Final = timedelta(minutes=30)
FADE: Final = 0.5
REVIVE: Final = 0.9
# Over: this share of the highest speed and no post for so long; or no post for so long whatever the speed.
END: Final = 0.1
SILENT: Final = timedelta(hours=6)
DEAD: Final = timedelta(hours=18)
_LN2_PER_HOUR: Final = 0.6931471805599453 / (HALF_LIFE / timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Pulse:
    """A trend's speed at ``at`` in posts an hour, the hour before's, the highest so far and when, and its last post."""

    at: datetime
    speed: float
    before: tuple[float, float]
    hour: datetime
    peak: float
    peak_at: datetime
    last_post: datetime

    @classmethod
    def begun(cls, at: datetime) -> "Pulse":
        """Return the pulse of a trend without posts."""
        return cls(at, 0.0, (0.0, 0.0), at, 0.0, at, at)

    def beat(self, at: datetime, posts: int, last_post: datetime | None = None) -> "Pulse":
        """Return the pulse at ``at``, ``posts`` more having come since; ``at`` must not lie before."""
        speed = self.faded(at) + posts * _LN2_PER_HOUR
        before, hour = self.before, self.hour
        if at - hour >= timedelta(hours=1):
            before, hour = (speed, before[0]), at
        peak, peak_at = (speed, at) if speed > self.peak else (self.peak, self.peak_at)
        return Pulse(at, speed, before, hour, peak, peak_at, max(self.last_post, last_post or self.last_post))

    def faded(self, at: datetime) -> float:
        """Return the speed at ``at`` when nothing comes until then."""
        return self.speed * float(2.0 ** (-((at - self.at) / HALF_LIFE)))

    @property
    def velocity(self) -> float:
        """How much faster than at the last full hour, in posts an hour."""
        return self.speed - self.before[0]

    @property
    def acceleration(self) -> float:
        """How much the velocity grew over the hour before's, in posts an hour per hour."""
        return self.velocity - (self.before[0] - self.before[1])


@dataclass(frozen=True, slots=True)
class Life:
    """A trend's state, since when, and its speed when it was noticed."""

    state: State
    since: datetime
    pulse: Pulse
    start: float

    @classmethod
    def noticed(cls, pulse: Pulse) -> "Life":
        """Return a trend's life at its alarm."""
        return cls("emerging", pulse.at, pulse, pulse.speed)

    def beat(self, at: datetime, posts: int, last_post: datetime | None = None) -> "Life":
        """Return the life at ``at``; its state is the old one or the one that follows."""
        pulse = self.pulse.beat(at, posts, last_post)
        state = following(self.state, pulse, self.start)
        since = self.since if state == self.state else at
        return replace(self, state=state, since=since, pulse=pulse)


def following(state: State, pulse: Pulse, start: float) -> State:
    """Return the state after ``state``, one step at most, so that nothing is skipped unseen. "over" stays over."""
    silent = pulse.at - pulse.last_post
    if state == "over":
        return "over"
    if state == "fading":
        if silent >= DEAD or (pulse.speed <= END * pulse.peak and silent >= SILENT):
            return "over"
        return "rising" if pulse.speed >= REVIVE * pulse.peak and pulse.at == pulse.peak_at else "fading"
    if pulse.speed <= FADE * pulse.peak:
        return "fading"
    if pulse.at == pulse.peak_at:
        return "rising" if pulse.speed >= RISE * start else state
    if state == "peaking" or (state == "rising" and pulse.at - pulse.peak_at < PLATEAU):
        return state
    return "peaking" if pulse.at - pulse.peak_at >= PLATEAU else state
