"""The table of guards fits the code and the document; `python -m tests.guards` breaks them."""

import pytest

from tests.guards import DOCUMENT, GUARDS, ROOT, Guard, table


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_a_guard_is_in_its_place_once_and_its_test_exists(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text().count(guard.old) == 1
    file, _, name = guard.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text() or not name


def test_the_document_has_the_table_as_it_is() -> None:
    assert DOCUMENT.read_text() == table()
