"""The README tells of the columns what the code does."""

from shared.files.columns import COLUMN_SETS
from tests.columns import README, documented


def test_the_table_of_columns_is_the_codes() -> None:
    text = README.read_text()
    assert documented(text) == text


def test_every_set_of_columns_is_in_the_readme() -> None:
    text = README.read_text()
    assert [name for name in COLUMN_SETS if f"`{name}`" not in text] == []
