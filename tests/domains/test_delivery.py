"""The parts of a delivery: whatever happens, none is lost and none is taken for two things."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domains.delivery import HISTORY, Progress
from domains.ports import Receipt

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def confirmed(progress, *parts):
    for part in parts:
        progress = progress.begin(part).confirm(part, Receipt((f"place {part}",), f"id {part}"), NOW)
    return progress


def test_a_new_delivery_has_everything_to_do():
    assert Progress(of=3).todo(ordered=True) == [0, 1, 2]
    assert not Progress(of=3).complete


def test_what_is_sent_is_not_to_be_sent():
    progress = confirmed(Progress(of=3), 0, 2)
    assert progress.todo(ordered=True) == [1]
    assert confirmed(progress, 1).complete


def test_nothing_follows_a_doubtful_part_where_parts_are_in_order():
    progress = confirmed(Progress(of=4), 0).begin(1).doubt()
    assert progress.todo(ordered=True) == []
    assert progress.todo(ordered=False) == [2, 3]


def test_receipts_come_in_the_order_of_the_parts_and_each_place_once():
    progress = confirmed(Progress(of=2), 1, 0)
    assert progress.receipt() == Receipt(("place 0", "place 1"), "id 0,id 1")
    twice = Progress(of=2)
    for part in (0, 1):
        twice = twice.confirm(part, Receipt(("chat",)), NOW)
    assert twice.receipt() == Receipt(("chat",), None)


def test_a_ruling_is_kept_with_who_gave_it():
    doubtful = Progress(of=2).begin(0).doubt()
    again = doubtful.rule("again", by="olga", at=NOW)
    assert (again.todo(ordered=True), again.sent) == ([0, 1], ())
    delivered = doubtful.rule("delivered", by="olga", at=NOW)
    assert delivered.todo(ordered=True) == [1]
    assert [(one.by, one.what) for one in delivered.history] == [("olga", "delivered: part 1 of 2")]


@given(st.integers(0, HISTORY * 2))
def test_history_does_not_grow_for_ever(times):
    progress = Progress()
    for _ in range(times):
        progress = progress.begin(0).doubt().rule("again", by="o", at=NOW)
    assert len(progress.history) == min(times, HISTORY)


class Deliveries(RuleBasedStateMachine):
    """Any course of events: what was confirmed stays so, and each part is in exactly one place."""

    @initialize(of=st.integers(1, 5), ordered=st.booleans())
    def begin(self, of, ordered):
        self.progress, self.ordered, self.confirmed = Progress(of=of), ordered, set()

    def pick(self, data):
        return data.draw(st.sampled_from(self.progress.todo(ordered=self.ordered)))

    @precondition(lambda self: self.progress.sending is None and self.progress.todo(ordered=self.ordered))
    @rule(data=st.data())
    def send(self, data):
        self.progress = self.progress.begin(self.pick(data))

    @precondition(lambda self: self.progress.sending is not None)
    @rule()
    def confirm(self):
        self.confirmed.add(self.progress.sending)
        self.progress = self.progress.confirm(self.progress.sending, Receipt(("x",)), NOW)

    @rule()
    def doubt(self):
        self.progress = self.progress.doubt()

    @rule()
    def release(self):
        self.progress = self.progress.release()

    @precondition(lambda self: self.progress.sending is None)
    @rule(ruling=st.sampled_from(["delivered", "again"]))
    def settle(self, ruling):
        if ruling == "delivered":
            self.confirmed |= set(self.progress.doubtful)
        self.progress = self.progress.rule(ruling, by="o", at=NOW)

    @invariant()
    def every_part_is_in_one_place(self):
        progress = self.progress
        sent = [one.part for one in progress.sent]
        assert set(sent) == self.confirmed
        assert len(sent) == len(set(sent))
        assert not set(sent) & set(progress.doubtful)
        assert set(progress.todo(ordered=False)) | set(sent) | set(progress.doubtful) == set(
            range(progress.of)
        )
        assert progress.complete == (set(sent) == set(range(progress.of)))

    @invariant()
    def it_comes_back_from_the_database_as_it_went(self):
        kept = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(self.progress)))
        assert msgspec.convert(kept, Progress) == self.progress


TestDeliveries = Deliveries.TestCase
