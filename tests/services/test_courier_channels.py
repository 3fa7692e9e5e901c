"""Every channel in the courier's hands: a worker dies, or an answer is lost, and nothing arrives twice by itself."""

from dataclasses import replace

import pytest

from domains.ports import Parted
from services import delivery
from tests.bot_api import units
from tests.services.channel.rigs import RIGS
from tests.services.digestdesk import hostile
from tests.services.test_courier import Killed, Post, _words, ready, settle, tenant_id

__all__ = ["_words", "tenant_id"]
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")


class Mortal:
    """A channel whose worker is killed as soon as the first message has arrived."""

    ordered = True

    def __init__(self, channel):
        self.channel, self.name, self.idempotent, self.alive = (
            channel,
            channel.name,
            channel.idempotent,
            False,
        )

    def check(self, target):
        self.channel.check(target)

    def lanes(self, target):
        return self.channel.lanes(target) if hasattr(self.channel, "lanes") else ()

    def parts(self, parcel, target):
        return self.channel.parts(parcel, target) if isinstance(self.channel, Parted) else ("",)

    def send(self, parcel, target):
        return self.send_part(parcel, target, "")

    def send_part(self, parcel, target, part):
        parted = isinstance(self.channel, Parted)
        receipt = (
            self.channel.send_part(parcel, target, part) if parted else self.channel.send(parcel, target)
        )
        if not self.alive:
            self.alive = True
            raise Killed
        return receipt


@pytest.fixture(params=RIGS)
def rig(request, tmp_path):
    if request.param == "apprise":
        pytest.importorskip("apprise", reason="the extra apprise is not installed")
    with RIGS[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def post(database, tmp_path, rig):
    made = Post(database, tmp_path, rig.channel)
    yield made
    made.world.close()


def nudged_for_days(post, row_id):
    """Let sweeps and replayed letters do what they do, and return the row."""
    for _ in range(6):
        post.later(86_400 / 2)
        post.sweep()
    return post.row(row_id)


def test_a_worker_that_dies_after_sending_doubles_nothing(database, tenant_id, post, rig):
    mortal = Mortal(rig.channel)
    post.world = replace(post.world, channels={**post.world.channels, mortal.name: mortal})
    (one,) = ready(database, tenant_id, channel=mortal.name, target=rig.target)
    with pytest.raises(Killed):
        post.nudge(one)
    arrived = rig.taken()
    assert arrived
    row = nudged_for_days(post, one)
    assert rig.taken() == arrived
    assert row.state == ("done" if mortal.idempotent else "unknown")
    if not mortal.idempotent:
        assert settle(post, one, "delivered", tenant_id) == "done"
        assert rig.taken() == arrived


def test_an_answer_that_is_lost_doubles_nothing(database, tenant_id, post, rig):
    if rig.silent is None:
        pytest.skip("it always answers")
    (one,) = ready(database, tenant_id, channel=rig.channel.name, target=rig.target)
    rig.silent()
    post.nudge(one)
    row = nudged_for_days(post, one)
    assert row.state == ("done" if rig.channel.idempotent else "unknown")
    assert len(rig.taken()) == 1


def test_what_is_away_for_a_while_arrives_once(database, tenant_id, post, rig):
    if rig.away is None or rig.channel.name not in {"telegram", "webhook"}:
        pytest.skip("it does not come back by itself")
    (one,) = ready(database, tenant_id, channel=rig.channel.name, target=rig.target)
    rig.away()
    assert post.nudge(one).state == "dead"
    assert rig.taken() == []
    assert nudged_for_days(post, one).state == "done"
    assert len(rig.taken()) == 1


def test_no_secret_reaches_a_letter_or_a_list(database, tenant_id, post, rig, caplog):
    if rig.never is None:
        pytest.skip("nothing of it is ever gone for good")
    (one,) = ready(database, tenant_id, channel=rig.channel.name, target=rig.target)
    rig.never()
    assert post.nudge(one).state == "dead"
    letter = post.letter(one)
    assert (letter.kind, letter.state) == ("permanent", "permanent")
    with database.transaction() as session:
        listed = repr(delivery.listing(session, tenant_id))
    for said in (letter.message, letter.traceback, listed, caplog.text):
        assert "AAtestTEST" not in said
        assert "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in said


def test_a_long_digest_is_killed_between_its_messages_and_goes_on(database, tmp_path, tenant_id):
    """The real Telegram channel with a digest of several messages, the answer to the second of which is lost."""
    with RIGS["telegram"](tmp_path) as rig:
        post = Post(database, tmp_path, rig.channel)
        (one,) = ready(database, tenant_id, channel="telegram", target=rig.target, digest=hostile())
        cut = rig.silent
        sent = rig.channel.poster.post

        class Edge:
            """The network's edge: after the first message, the next one's answer is lost."""

            def __init__(self):
                self.count = 0

            def post(self, *args, **kwargs):
                self.count += 1
                if self.count == 2:
                    cut()
                return sent(*args, **kwargs)

        edge = Edge()
        channel = replace(rig.channel, poster=edge)
        post.world = replace(post.world, channels={**post.world.channels, "telegram": channel})
        assert post.nudge(one).state == "unknown"
        assert len(rig.taken()) == 2
        with database.transaction() as session:
            (told,) = delivery.unknowns(session, tenant_id)
        assert (told["sent"], told["in_doubt"]) == ([1], [2])
        assert told["parts"] > 2
        assert settle(post, one, "delivered", tenant_id) == "due"
        assert post.nudge(one).state == "done"
        taken = rig.taken()
        assert len(taken) == told["parts"]
        assert [text.partition("\n")[0] for text in taken] == [
            f"({number}/{told['parts']})" for number in range(1, told["parts"] + 1)
        ]
        assert all(units(text) <= 4096 for text in taken)
        post.world.close()
