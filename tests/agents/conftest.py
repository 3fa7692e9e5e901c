import pytest
from windowdesk import SUBJECTS, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def busy() -> Desk:
    """A day of fourteen happenings."""
    made = Desk()
    for number, (lead, detail) in enumerate(SUBJECTS, 1):
        made.happening(number, lead, detail, sources=2 + number % 3, hour=number / 2)
    return made
