"""Keys of users, and sets of them."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.ranges import keys

GUIDS = st.one_of(st.uuids(), st.integers(0, 300).map(lambda number: UUID(int=number)))


@given(st.lists(GUIDS.map(lambda guid: keys.key_of(str(guid)))))
def test_a_set_of_keys_is_a_set(given_keys: list[bytes]) -> None:
    found, expected = keys.KeySet(), set[bytes]()
    for key in given_keys:
        assert found.add(key) == (key not in expected)
        expected.add(key)
    assert sorted(keys.split(found.packed())) == sorted(expected)
    assert not any(keys.set_of(found.packed()).add(key) for key in expected)


def test_a_key_is_not_taken_for_one_that_only_lies_across_two() -> None:
    first, second = b"\x01" * 15 + b"\x02", b"\x03" * 15 + b"\x04"
    found = keys.KeySet([first + second] * keys.BUCKETS)
    assert found.add(first[8:] + second[:8])
    assert found.add(first[1:] + second[:1])
    assert not found.add(second)


def test_a_key_that_begins_like_the_end_of_another_is_found_behind_it() -> None:
    key = b"\x05" * 16
    found = keys.KeySet([b"\x01" + b"\x05" * 15 + b"\x05" * 16] * keys.BUCKETS)
    assert not found.add(key)


@given(st.lists(st.text("abxyz019", min_size=1, max_size=40), unique=True))
def test_ids_that_are_no_guids_have_keys_of_their_own_too(ids: list[str]) -> None:
    found = [keys.key_of(each) for each in ids]
    assert {len(key) for key in found} <= {keys.SIZE}
    assert len(set(found)) == len(ids)
