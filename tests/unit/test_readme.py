"""README and docs tell of columns and codes what the code does."""

from pathlib import Path

import pytest

from shared.files.columns import COLUMN_SETS
from tests.tables import DOCS, TABLES, documented

README = DOCS.parent / "README.md"


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_table_made_from_the_code_is_the_codes(file: Path) -> None:
    assert documented(file) == file.read_text()


@pytest.mark.parametrize("file", [README, DOCS / "columns.md"], ids=lambda file: file.stem)
def test_every_set_of_columns_is_in_the_document(file: Path) -> None:
    text = file.read_text()
    assert [name for name in COLUMN_SETS if f"`{name}`" not in text] == []
