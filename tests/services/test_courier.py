"""Deliveries part by part: each part is taken once, or somebody is told that nobody knows."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import msgspec
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from domains.digest import Digest
from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from domains.ports import Lane, Receipt
from domains.window import Window
from services import archive, delivery, pace, wiring
from services.audit import Audit
from services.channel.http import Poster
from services.channel.telegram import TelegramChannel
from services.courier import Courier
from services.language import OfflineLanguage
from services.schema import DeadLetter, Delivery, Run, Subscription
from tasks import job
from tests import bot_api, rows, worlds
from tests.bot_api import TOKEN, BotApi, Chat
from tests.rows import DAY
from tests.services.channel.rigs import PRIVATE

TOMORROW = DAY + timedelta(days=1)
words = cache(OfflineLanguage)
QUIET = Digest(
    window=Window(DAY, TOMORROW), zone="UTC", subscription="daily", sections=(), stories=(), shown=(), drops=(),
    rung="extractive", method="test", score=1.0, posts=(),
)  # fmt: skip


class Killed(BaseException):
    """What a worker sees of kill -9, as near as a test can come: nothing after it runs."""


class Flaky:
    """A channel of ``count`` messages; ``script`` says what happens at each hand-over, and `taken` what arrived.

    None or nothing: taken. An error: raised without taking. ("taken", error): taken, then raised.
    """

    name = "flaky"

    def __init__(self, *script, count=3, idempotent=False, ordered=True, lanes=()):
        self.script, self.count, self.idempotent, self.ordered = list(script), count, idempotent, ordered
        self.limits, self.taken, self.asked = lanes, [], 0

    def check(self, target):
        """Take any target."""

    def lanes(self, target):
        return self.limits

    def parts(self, parcel, target):
        return tuple(f"{parcel.key} {number}" for number in range(self.count))

    def send(self, parcel, target):
        return self.send_part(parcel, target, parcel.key)

    def send_part(self, parcel, target, part):
        self.asked += 1
        does = self.script.pop(0) if self.script else None
        if isinstance(does, BaseException):
            raise does
        self.taken.append(part)
        if does is not None:
            raise does[1]
        return Receipt((target,), str(len(self.taken)))


@pytest.fixture(autouse=True)
def _words(monkeypatch):
    """Read the word lists once: they take half a second, and no delivery needs them."""
    monkeypatch.setattr(wiring, "OfflineLanguage", words)


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


def ready(
    database, tenant_id, name="daily", *, channel="flaky", target="here", count=1, digest=QUIET, **settings
):
    """Deliveries that are due, each of a finished run of a new subscription's; return their rows."""
    ids = []
    with database.transaction() as session:
        sha256 = archive.put(session, msgspec.json.encode(digest))
    rows.subscribed(database, tenant_id, name=name)
    with database.transaction() as session:
        row = session.scalars(select(Subscription).where(Subscription.name == name)).one()
        row.settings = settings
        for number in range(count):
            start = DAY + timedelta(days=number)
            run = Run(
                tenant_id=tenant_id, subscription_id=row.id, domain="digest", window_start=start,
                window_end=start + timedelta(days=1), state="done", digest_sha256=sha256,
            )  # fmt: skip
            session.add(run)
            session.flush()
            one = Delivery(
                tenant_id=tenant_id, run_id=run.id, channel=channel, target=target, next_at=TOMORROW
            )
            session.add(one)
            session.flush()
            ids.append(one.id)
    return ids


class Post:
    """A worker's view: what it does with one nudge, on a clock that a wait moves."""

    def __init__(self, database, tmp_path, *channels):
        self.database, self.waits = database, []
        self.world = worlds.build(database, tmp_path, now=TOMORROW)
        for one in channels:
            self.world = worlds.with_channel(self.world, one)

    def wait(self, seconds):
        self.waits.append(seconds)
        self.world.clock.advance(seconds=seconds)

    def nudge(self, row_id):
        job.perform(self.world, self.kind, row_id)
        return self.row(row_id)

    @property
    def kind(self):
        return replace(job.DELIVERY, work=lambda world, lease: () if self.courier.send(lease) else None)

    @property
    def courier(self):
        world = self.world
        return Courier(
            world.database, world.clock, world.renderer, world.channel, world.settings.lease_s,
            world.settings.resent, self.wait,
        )  # fmt: skip

    def sweep(self, limit=500):
        with self.database.transaction() as session:
            ids = delivery.due(session, now=self.world.clock.now(), limit=limit)
        for one in ids:
            self.nudge(one)
        return ids

    def later(self, seconds=3600):
        """Let time pass, and the letters whose time has come be replayed, as the sweep does."""
        self.world.clock.advance(seconds=seconds)
        with self.database.transaction() as session:
            letters = list(session.scalars(select(DeadLetter.id).where(DeadLetter.state == "scheduled")))
        for letter in letters:
            job.replay(self.world, letter, by="sweep")

    def row(self, row_id):
        with self.database.transaction() as session:
            return session.get_one(Delivery, row_id)

    def letter(self, row_id):
        with self.database.transaction() as session:
            query = select(DeadLetter).where(DeadLetter.row_id == row_id).order_by(DeadLetter.id.desc())
            return session.scalars(query).first()


@pytest.fixture
def post(database, tmp_path):
    made = []

    def build(*channels):
        made.append(Post(database, tmp_path, *channels))
        return made[-1]

    yield build
    for one in made:
        one.world.close()


def parts_of(row_id, post, *numbers):
    run = post.row(row_id).run_id
    return [f"run-{run}-flaky {number}" for number in numbers]


def test_every_part_is_sent_in_turn_and_the_receipts_are_one(database, tenant_id, post):
    there = Flaky()
    post = post(there)
    (one,) = ready(database, tenant_id)
    row = post.nudge(one)
    assert (row.state, row.delivered_at) == ("done", TOMORROW)
    assert row.receipt == {"where": ["here"], "external_id": "1,2,3"}
    assert there.taken == parts_of(one, post, 0, 1, 2)
    assert post.nudge(one).state == "done"
    assert there.asked == 3


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_retry_goes_on_after_the_last_confirmed_part(database, tenant_id, post, failing):
    there = Flaky(*[None] * failing, Unavailable("busy"))
    post = post(there)
    (one,) = ready(database, tenant_id)
    assert post.nudge(one).state == "dead"
    assert len(there.taken) == failing
    post.later()
    assert post.nudge(one).state == "done"
    assert there.taken == parts_of(one, post, 0, 1, 2)
    assert post.letter(one).state == "resolved"


def test_a_retry_sends_the_parts_that_were_begun_though_they_are_now_cut_otherwise(database, tenant_id, post):
    there = Flaky(None, Unavailable("busy"))
    post = post(there)
    (one,) = ready(database, tenant_id)
    post.nudge(one)
    there.count = 2
    post.later()
    assert post.nudge(one).state == "done"
    assert there.taken == parts_of(one, post, 0, 1, 2)


@pytest.mark.parametrize("dying", [0, 1, 2])
@pytest.mark.parametrize("arrived", [False, True])
def test_a_worker_killed_between_send_and_confirm_leaves_that_part_unknown(
    database, tenant_id, post, dying, arrived
):
    there = Flaky(*[None] * dying, ("taken", Killed()) if arrived else Killed())
    post = post(there)
    (one,) = ready(database, tenant_id)
    with pytest.raises(Killed):
        post.nudge(one)
    assert post.row(one).state == "leased"
    post.world.clock.advance(seconds=3600)
    row = post.nudge(one)
    assert row.state == "unknown"
    assert there.asked == dying + 1
    with database.transaction() as session:
        (shown,) = delivery.unknowns(session, tenant_id)
    assert (shown["delivery"], shown["parts"], shown["in_doubt"]) == (one, 3, [dying + 1])
    assert shown["sent"] == [number + 1 for number in range(dying)]
    post.world.clock.advance(days=3)
    post.sweep()
    assert there.asked == dying + 1


def test_no_answer_leaves_it_unknown_at_once(database, tenant_id, post):
    there = Flaky(None, ("taken", InDoubt("no answer")))
    post = post(there)
    (one,) = ready(database, tenant_id)
    row = post.nudge(one)
    assert (row.state, row.sending_at) == ("unknown", None)
    assert post.letter(one) is None
    assert there.taken == parts_of(one, post, 0, 1)


@pytest.mark.parametrize("arrived", [False, True])
def test_where_twice_is_better_than_never_it_is_sent_again(database, tenant_id, post, arrived):
    there = Flaky(None, ("taken", InDoubt("no answer")) if arrived else InDoubt("no answer"))
    post = post(there)
    (one,) = ready(database, tenant_id, in_doubt="rather_twice")
    assert post.nudge(one).state == "dead"
    assert (post.letter(one).kind, post.letter(one).state) == ("transient", "scheduled")
    post.later()
    assert post.nudge(one).state == "done"
    assert there.taken == parts_of(one, post, 0, *([1] if arrived else []), 1, 2)


def test_the_installation_may_rather_send_twice_where_the_subscription_says_nothing(
    database, tenant_id, post, monkeypatch
):
    monkeypatch.setenv("SVODKA_RATHER_TWICE", "mail, flaky")
    there = Flaky(Killed())
    post = post(there)
    (one,) = ready(database, tenant_id)
    (careful,) = ready(database, tenant_id, "careful", in_doubt="never_twice")
    with pytest.raises(Killed):
        post.nudge(one)
    there.script = [Killed()]
    with pytest.raises(Killed):
        post.nudge(careful)
    post.world.clock.advance(hours=1)
    assert post.nudge(one).state == "done"
    assert post.nudge(careful).state == "unknown"


def test_an_idempotent_channel_is_simply_sent_again(database, tenant_id, post):
    there = Flaky(None, ("taken", Killed()), count=2, idempotent=True)
    post = post(there)
    (one,) = ready(database, tenant_id)
    with pytest.raises(Killed):
        post.nudge(one)
    post.world.clock.advance(hours=1)
    assert post.nudge(one).state == "done"
    assert there.taken == parts_of(one, post, 0, 1, 1)


def settle(post, row_id, ruling, tenant_id, by="olga"):
    with post.database.transaction() as session:
        return delivery.settle_unknown(
            session, tenant_id, row_id, ruling=ruling, by=by, now=post.world.clock.now()
        )


def test_an_operator_says_that_it_arrived_and_the_rest_is_sent(database, tenant_id, post):
    there = Flaky(None, ("taken", InDoubt("no answer")))
    post = post(there)
    (one,) = ready(database, tenant_id)
    post.nudge(one)
    assert settle(post, one, "delivered", tenant_id) == "due"
    row = post.nudge(one)
    assert row.state == "done"
    assert there.taken == parts_of(one, post, 0, 1, 2)
    assert "taken, says olga" in row.receipt["where"]
    with database.transaction() as session:
        (told,) = delivery.listing(session, tenant_id)
        (noted,) = session.scalars(select(Audit))
    assert [(one["by"], one["what"]) for one in told["history"]] == [("olga", "delivered: part 2 of 3")]
    assert (noted.what, noted.who, noted.row_id) == ("settle", "olga", one)
    assert (noted.before, noted.after) == (
        {"state": "unknown", "in_doubt": [2]},
        {"state": "due", "as": "delivered"},
    )


def test_an_operator_says_to_send_it_again(database, tenant_id, post):
    there = Flaky(None, InDoubt("no answer"))
    post = post(there)
    (one,) = ready(database, tenant_id)
    post.nudge(one)
    assert settle(post, one, "again", tenant_id) == "due"
    assert post.nudge(one).state == "done"
    assert there.taken == parts_of(one, post, 0, 1, 2)


def test_the_last_part_that_arrived_ends_the_delivery(database, tenant_id, post):
    post = post(Flaky(("taken", InDoubt("no answer")), count=1))
    (one,) = ready(database, tenant_id)
    post.nudge(one)
    assert settle(post, one, "delivered", tenant_id) == "done"
    assert post.row(one).delivered_at == TOMORROW


def test_readers_of_one_letter_do_not_wait_for_each_other(database, tenant_id, post):
    there = Flaky(Unavailable("greylisted"), Refused("no such reader"), None, ordered=False)
    post = post(there)
    (one,) = ready(database, tenant_id)
    assert post.nudge(one).state == "dead"
    assert there.taken == parts_of(one, post, 2)
    assert post.letter(one).kind == "transient"
    there.script = [None, Refused("no such reader")]
    post.later()
    assert post.nudge(one).state == "dead"
    assert there.taken == parts_of(one, post, 2, 0)
    assert (post.letter(one).kind, post.letter(one).state) == ("permanent", "permanent")


def test_one_readers_doubt_is_no_other_readers(database, tenant_id, post):
    there = Flaky(None, ("taken", InDoubt("no answer")), None, ordered=False)
    post = post(there)
    (one,) = ready(database, tenant_id)
    assert post.nudge(one).state == "unknown"
    assert there.taken == parts_of(one, post, 0, 1, 2)
    assert settle(post, one, "delivered", tenant_id) == "done"


def test_a_server_that_is_away_is_asked_once_for_all_its_readers(database, tenant_id, post):
    there = Flaky(*[Unreachable("nobody there")] * 3, ordered=False, lanes=(Lane("flaky"),))
    post = post(there)
    (one,) = ready(database, tenant_id)
    assert post.nudge(one).state == "dead"
    assert there.asked == 1
    assert post.letter(one).kind == "transient"


def test_a_server_that_hangs_leaves_one_letter_in_doubt_and_the_rest_for_later(database, tenant_id, post):
    there = Flaky(("taken", InDoubt("no answer")), ordered=False, lanes=(Lane("flaky"),))
    post = post(there)
    (one,) = ready(database, tenant_id)
    row = post.nudge(one)
    assert (row.state, row.next_at) == ("due", TOMORROW + timedelta(seconds=pace.CLOSED_S))
    with database.transaction() as session:
        (told,) = delivery.listing(session, tenant_id)
    assert (told["in_doubt"], there.asked) == ([1], 1)
    post.world.clock.advance(seconds=pace.CLOSED_S)
    assert post.nudge(one).state == "unknown"
    assert there.taken == parts_of(one, post, 0, 1, 2)


SLOW = Lane("flaky", 1.0)


def test_a_slot_that_is_near_is_waited_for(database, tenant_id, post):
    there = Flaky(lanes=(SLOW,))
    post = post(there)
    (one,) = ready(database, tenant_id)
    assert post.nudge(one).state == "done"
    assert post.waits == [1.0, 1.0]


def test_a_slot_that_is_far_puts_the_row_back_and_holds_no_worker(database, tenant_id, post):
    there = Flaky(lanes=(Lane("flaky", 40.0),))
    post = post(there)
    (one,) = ready(database, tenant_id)
    row = post.nudge(one)
    assert (row.state, row.next_at, row.sending_at) == ("due", TOMORROW + timedelta(seconds=40), None)
    assert (there.taken, post.waits) == (parts_of(one, post, 0), [])
    for _ in range(2):
        assert post.sweep() == []
        post.world.clock.advance(seconds=40)
        post.sweep()
    assert post.row(one).state == "done"
    assert there.taken == parts_of(one, post, 0, 1, 2)
    assert post.letter(one) is None


def test_who_is_told_to_wait_is_left_alone_by_every_delivery_there(database, tenant_id, post):
    there = Flaky(
        Unavailable("flood", retry_after_s=300.0), count=1, lanes=(Lane("flaky"), Lane("flaky:here"))
    )
    post = post(there)
    first, second = ready(database, tenant_id, count=2)
    assert post.nudge(first).state == "dead"
    assert post.letter(first).next_at >= TOMORROW + timedelta(seconds=300)
    row = post.nudge(second)
    assert (row.state, row.next_at) == ("due", TOMORROW + timedelta(seconds=300))
    assert there.asked == 1


def test_a_dead_channel_with_hundreds_waiting_blocks_nobody(database, tenant_id, post):
    dead = Flaky(*[Unreachable("nobody there")] * 1000, count=1, lanes=(Lane("flaky"),))
    live = Flaky(count=1)
    live.name = "live"
    post = post(dead, live)
    waiting = ready(database, tenant_id, "many", count=500)
    served = ready(database, tenant_id, "few", channel="live", count=5)
    with database.transaction() as session:
        first = delivery.due(session, now=TOMORROW, limit=10)
        assert set(served) < set(first)
    assert len(post.sweep(limit=20)) == 20
    assert [post.row(one).state for one in served] == ["done"] * 5
    assert dead.asked == 1
    post.sweep(limit=50)
    assert dead.asked == 1
    assert {post.row(one).state for one in waiting} == {"due", "dead"}


def test_a_channel_that_comes_back_takes_everything(database, tenant_id, post):
    there = Flaky(*[Unreachable("nobody there")] * 3, count=1, lanes=(Lane("flaky"),))
    post = post(there)
    ids = ready(database, tenant_id, count=4)
    for _ in range(8):
        post.sweep()
        post.later(1000)
    assert {post.row(one).state for one in ids} == {"done"}
    assert sorted(there.taken) == sorted(part for one in ids for part in parts_of(one, post, 0))
    with database.transaction() as session:
        assert [row.failures for row in session.scalars(select(pace.Pace))] == [0]


def test_an_operators_replay_does_not_wait_for_a_closed_lane(database, tenant_id, post):
    there = Flaky(Unreachable("nobody there"), count=1, lanes=(Lane("flaky"),))
    post = post(there)
    (one,) = ready(database, tenant_id)
    post.nudge(one)
    assert job.replay(post.world, post.letter(one).id, by="olga") is not None
    assert post.nudge(one).state == "done"


def test_what_is_wrong_with_a_message_is_no_reason_to_leave_the_channel_alone(database, tenant_id, post):
    there = Flaky(Refused("too long"), count=1, lanes=(Lane("flaky"),))
    post = post(there)
    first, second = ready(database, tenant_id, count=2)
    assert post.nudge(first).state == "dead"
    assert post.nudge(second).state == "done"


def test_as_its_lanes_let_telegram_never_has_to_say_that_it_is_too_much(database, tenant_id, post):
    """Sixty deliveries to a person, a group and others, against a Bot API that counts by the same clock."""
    with BotApi() as api:
        there = TelegramChannel(SecretStr(TOKEN), api.url, Poster(PRIVATE, 5.0))
        post = post(there)
        api.clock = post.world.clock
        targets = ["42", "-7", *(str(number) for number in range(100, 120))]
        api.chats.update({int(one): Chat("group" if one[0] == "-" else "private") for one in targets})
        for number, target in enumerate((*targets, *["42"] * 5, *["-7"] * 25)):
            ready(database, tenant_id, f"s{number}", channel="telegram", target=target)
        for _ in range(30):
            post.sweep()
            post.world.clock.advance(seconds=30)
        assert len(api.taken()) == len(targets) + 30
    with database.transaction() as session:
        assert {row.state for row in session.scalars(select(Delivery))} == {"done"}
        assert session.scalars(select(DeadLetter)).all() == []
    assert max(post.waits) <= pace.PATIENCE_S


def test_every_failure_of_telegrams_ends_in_the_state_that_it_means(database, tenant_id, post):
    with BotApi() as api:
        post = post(TelegramChannel(SecretStr(TOKEN), api.url, Poster(PRIVATE, 5.0)))
        api.chats.update({1: Chat(), 2: bot_api.blocked(), 3: Chat(), 4: Chat(), 5: Chat()})
        ids = [
            ready(database, tenant_id, f"s{chat}", channel="telegram", target=str(chat))[0]
            for chat in range(1, 6)
        ]
        behaviours = (None, None, bot_api.flood(300), bot_api.cut, None)
        for row_id, behave in zip(ids, behaviours, strict=True):
            api.next(behave)
            post.nudge(row_id)
            post.world.clock.advance(minutes=1)
    assert [post.row(one).state for one in ids] == ["done", "dead", "dead", "unknown", "done"]
    letters = [post.letter(one) for one in ids]
    assert [one and (one.kind, one.state) for one in letters] == [
        None, ("permanent", "permanent"), ("transient", "scheduled"), None, None,
    ]  # fmt: skip
    assert letters[2].next_at >= TOMORROW + timedelta(seconds=300)
    assert TOKEN not in "".join(one.message + one.traceback for one in letters if one)
