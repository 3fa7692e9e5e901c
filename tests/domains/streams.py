"""Made-up streams of mentions for tests and benchmarks of trends: seeded, in event time."""

from datetime import UTC, datetime, timedelta

import numpy as np

from domains.tally import Mention

START = datetime(2024, 11, 4, tzinfo=UTC)
FAMILIES = tuple(f"family {number}" for number in range(12))
MINUTE = timedelta(minutes=1)


def background(rng, days, per_day=300, *, daily=0.6, weekly=0.0, noise=5.0, start=START):
    """Return posts, each a story of its own, whose rate follows the day and the week and is over-dispersed."""
    mentions = []
    for hour in range(24 * days):
        at = start + timedelta(hours=hour)
        wave = 1 + daily * np.sin(2 * np.pi * (at.hour - 9) / 24)
        wave *= 1 - weekly * (at.weekday() >= 5)
        rate = per_day / 24 * max(wave, 0.05) * rng.gamma(noise, 1 / noise)
        for minute in sorted(rng.uniform(0, 60, rng.poisson(rate))):
            number = len(mentions)
            mentions.append(post(number, at + minute * MINUTE, rng, f"s:{number}"))
    return mentions


def post(number, at, rng, *units, family=None):
    """Return a mention by a publisher drawn from the twelve."""
    family = family or FAMILIES[int(rng.integers(len(FAMILIES)))]
    return Mention(number, at, family, units, f"{family}/{number}")


def burst(rng, unit, at, size, hours=3.0, number=1_000_000):
    """Return ``size`` posts of a unit, the first at ``at``, the others thinning out."""
    delays = np.concatenate([[0.0], np.sort(rng.exponential(hours / 2, size - 1))])
    return [
        post(number + one, at + float(delay) * timedelta(hours=1), rng, unit)
        for one, delay in enumerate(delays)
    ]
