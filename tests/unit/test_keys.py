"""Keys of users, and sets of them."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.ranges import keys

GUIDS = st.one_of(st.uuids(), st.integers(0, 300).map(lambda number: UUID(int=number)))


@given(st.lists(GUIDS.map(lambda guid: keys.key_of(str(guid)))))
def test_a_key_is_fresh_once(given_keys: list[bytes]) -> None:
    seen = set[bytes]()
    assert [key for key in given_keys if keys.fresh(seen, key)] == list(dict.fromkeys(given_keys))
    assert sorted(keys.split(b"".join(seen))) == sorted(set(given_keys))


@given(st.sets(GUIDS), st.lists(GUIDS))
def test_of_a_page_the_same_keys_are_fresh_as_one_by_one(before: set[UUID], page: list[UUID]) -> None:
    given_keys = [keys.key_of(str(each)) for each in page]
    seen, expected = ({keys.key_of(str(each)) for each in before} for _ in range(2))

    assert keys.all_fresh(seen, given_keys) == [keys.fresh(expected, key) for key in given_keys]
    assert seen == expected


@given(st.lists(st.text("abxyz019", min_size=1, max_size=40), unique=True))
def test_ids_that_are_no_guids_have_keys_of_their_own_too(ids: list[str]) -> None:
    found = [keys.key_of(each) for each in ids]
    assert {len(key) for key in found} <= {keys.SIZE}
    assert len(set(found)) == len(ids)
