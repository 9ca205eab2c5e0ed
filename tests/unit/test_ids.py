"""The ids of exports."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.api.operations import new_id

times = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # it sets it


@given(times, st.integers(1, 10**12))
def test_a_later_id_sorts_first(now: datetime, milliseconds: int) -> None:
    later = now + timedelta(milliseconds=milliseconds)

    assert new_id(later) < new_id(now - timedelta(milliseconds=1))


@given(times)
def test_an_id_is_a_uuid_of_version_8(now: datetime) -> None:
    made = new_id(now)

    assert str(uuid.UUID(made)) == made
    assert uuid.UUID(made).version == 8
    assert uuid.UUID(made).variant == uuid.RFC_4122


def test_ids_of_the_same_millisecond_differ() -> None:
    now = datetime.now(UTC)

    assert len({new_id(now) for _ in range(1000)}) == 1000
