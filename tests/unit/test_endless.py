"""When a chain of pages can't have an end, judged by its pages and never by the time."""

import pytest

from shared.errors import ExportError
from shared.graph.pages import BARREN_PAGES, FEW, Advance


def test_a_thousand_pages_in_a_row_without_anyone_new_have_no_end() -> None:
    advance = Advance(None)
    for _ in range(BARREN_PAGES - 1):
        advance.page(0)
    advance.page(1)
    for _ in range(BARREN_PAGES - 1):
        advance.page(0)
    with pytest.raises(ExportError, match="EndlessPages"):
        advance.page(0)


@pytest.mark.parametrize("kind", ["others", "purged"])
def test_pages_of_users_that_belong_elsewhere_are_not_empty(kind: str) -> None:
    advance = Advance(None)
    for _ in range(3 * BARREN_PAGES):
        advance.page(0, **{kind: 999})


def test_what_an_activity_before_has_seen_counts() -> None:
    with pytest.raises(ExportError, match="EndlessPages"):
        Advance(None, barren=BARREN_PAGES - 1).page(0)


@pytest.mark.parametrize(("counted", "most"), [(0, 2 * FEW), (FEW, 2 * FEW), (40_000, 80_000)])
def test_twice_as_many_users_as_were_counted_have_no_end(counted: int, most: int) -> None:
    advance = Advance(counted, users=most - 1)
    advance.page(1)
    with pytest.raises(ExportError, match=f"counted {counted:,} users"):
        advance.page(1)


def test_twice_as_many_users_of_other_ranges_as_there_are_have_no_end() -> None:
    advance = Advance(10, total=40_000, others=80_000)
    with pytest.raises(ExportError, match="counted 40,000 users"):
        advance.page(0, others=1)


def test_without_a_count_any_number_of_new_users_is_welcome() -> None:
    Advance(None, users=10**9).page(999)
