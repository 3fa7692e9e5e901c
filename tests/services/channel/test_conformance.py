"""What every channel promises, whatever is at its other end."""

import traceback

import pytest

from domains.errors import InDoubt, Refused, SvodkaError, Unavailable
from domains.ports import Channel, Lane, Paced, Parted, Receipt
from services.render import Renderer
from tests.bot_api import TOKEN
from tests.services.channel.rigs import RIGS, SECRET
from tests.services.digestdesk import trilingual

# A plugin of apprise's asks Python 3.11 for a module that 3.13 no longer has.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
IDEMPOTENT = {"file", "atom", "page", "webhook"}


@pytest.fixture(params=RIGS)
def rig(request, tmp_path):
    if request.param == "apprise":
        pytest.importorskip("apprise", reason="the extra apprise is not installed")
    with RIGS[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def parcel(rig):
    return Renderer().parcel(trilingual(), key=f"run-12-{rig.channel.name}", run=12)


def test_it_says_who_it_is_and_whether_it_may_be_repeated(rig):
    typed: Channel = rig.channel
    assert RIGS[typed.name]
    assert typed.idempotent is (typed.name in IDEMPOTENT)


def test_it_knows_its_limits(rig):
    if isinstance(rig.channel, Paced):
        lanes = rig.channel.lanes(rig.target)
        assert lanes
        assert all(isinstance(lane, Lane) and lane.key.startswith(rig.channel.name) for lane in lanes)


def test_it_takes_a_parcel_and_says_where_it_went(rig, parcel):
    rig.channel.check(rig.target)
    receipts = rig.send(parcel)
    assert all(isinstance(one, Receipt) and one.where and all(one.where) for one in receipts)
    assert rig.taken()


def test_sent_twice_an_idempotent_channel_has_it_once(rig, parcel):
    first = rig.send(parcel)
    once = rig.taken()
    again = rig.send(parcel)
    if rig.channel.idempotent:
        assert again == first
        assert rig.taken() == once
    else:
        assert len(rig.taken()) == 2 * len(once) or rig.taken()[0] == 2 * once[0]


def test_a_target_that_it_cannot_have_is_refused_and_nothing_is_handed_over(rig, parcel):
    for refuse in (rig.channel.check, lambda target: rig.channel.send(parcel, target)):
        with pytest.raises(Refused) as error:
            refuse(rig.wrong)
        assert error.value.remedy
    assert rig.taken() == []


def test_what_is_away_for_now_is_unavailable_and_took_nothing(rig, parcel):
    if rig.away is None:
        pytest.skip("it cannot tell")
    rig.away()
    before = rig.taken()
    with pytest.raises(Unavailable) as error:
        rig.send(parcel)
    assert error.value.remedy
    assert rig.taken() == before


def test_what_is_gone_for_good_refuses_and_took_nothing(rig, parcel):
    if rig.never is None:
        pytest.skip("nothing of it is ever gone for good")
    rig.never()
    with pytest.raises(Refused) as error:
        rig.send(parcel)
    assert error.value.remedy
    assert rig.taken() == []


def test_without_an_answer_nobody_knows_unless_another_try_does_no_harm(rig, parcel):
    if rig.silent is None:
        pytest.skip("it always answers")
    rig.silent()
    with pytest.raises(Unavailable if rig.channel.idempotent else InDoubt) as error:
        rig.send(parcel)
    assert error.value.remedy
    assert len(rig.taken()) == 1
    if rig.channel.idempotent:
        rig.send(parcel)
        assert len(rig.taken()) == 1


def test_no_secret_is_ever_said(rig, parcel):
    for trouble in filter(None, (rig.silent, rig.away, rig.never)):
        trouble()
        with pytest.raises(SvodkaError) as error:
            rig.send(parcel)
        said = "".join(traceback.format_exception(error.value)) + repr(rig.channel)
        assert TOKEN not in said
        assert TOKEN.partition(":")[2] not in said
        assert SECRET not in said


def test_parts_are_what_a_retry_can_go_on_with(rig, parcel):
    if isinstance(rig.channel, Parted):
        parts = rig.channel.parts(parcel, rig.target)
        assert parts == rig.channel.parts(parcel, rig.target)
        assert all(isinstance(part, str) and part for part in parts)
