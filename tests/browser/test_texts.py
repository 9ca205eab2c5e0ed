"""The page's texts: whole in each language, chosen by the browser, and the same advice as in the docs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from local.serve import Serving
from shared import page
from shared.files.columns import COLUMN_SETS, COLUMNS

FOLDER = Path(page.__file__).parent
BY_VALUE = ("status.", "empty.", "format.", "group.", "set.", "cost.", "when.")
"""Texts whose key ends with a value."""
TWICE = re.compile(r'"((?:errors|users)\.\w+)"')
"""Keys that are chosen before they are given to t()."""


def texts(language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"texts.{language}.json").read_text())
    return found


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", page.LANGUAGES)
def test_every_language_has_every_text_with_its_values_and_plurals(language: str) -> None:
    english, found = texts("en"), texts(language)
    assert found["page"].keys() == english["page"].keys()
    assert found["advice"].keys() == english["advice"].keys()
    for key, text in found["page"].items():
        other = english["page"][key]
        assert isinstance(text, str) == isinstance(other, str), key
        forms, others = ([each] if isinstance(each, str) else list(each.values()) for each in (text, other))
        assert all(forms), key
        assert set.union(*map(places, forms)) == set.union(*map(places, others)), key
        assert isinstance(text, str) or set(text) == {"one", "other"}, key


@pytest.mark.parametrize("language", page.LANGUAGES)
def test_every_language_says_what_each_column_holds_and_names_its_group_and_its_set(language: str) -> None:
    found, groups = texts(language), {column.group for column in COLUMNS.values()}
    assert [*found["columns"]] == [*COLUMNS]
    assert all(found["columns"].values())
    names = {f"group.{group}" for group in groups} | {f"set.{name}" for name in COLUMN_SETS}
    assert names - found["page"].keys() == set()
    assert {key for key in found["page"] if key.startswith(("group.", "set."))} == names


def test_the_english_words_for_columns_are_those_of_the_api() -> None:
    assert texts("en")["columns"] == {header: column.description for header, column in COLUMNS.items()}


def test_the_page_uses_each_text_and_has_each_that_it_uses() -> None:
    source = "".join(path.read_text() for path in FOLDER.iterdir() if path.suffix in {".js", ".html"})
    used = set(re.findall(r'\bt\("([^"]+)"', source)) | set(TWICE.findall(source))
    used |= set(re.findall(r'data-(?:label-)?(?:text|placeholder)="([^"]+)"', source))
    known = set(texts("en")["page"])
    assert used - known == set()
    assert {key for key in known - used if not key.startswith(BY_VALUE)} == set()


@pytest.mark.parametrize(
    ("locale", "language", "title"),
    [
        ("nl-NL", "nl", "Resultaten van bulkbewerkingen"),
        ("en-US", "en", "Bulk operation results"),
        ("fr-FR", "en", "Bulk"),
    ],
)
def test_the_browser_chooses_the_language(
    browser: Browser, serving: Serving, locale: str, language: str, title: str
) -> None:
    context = browser.new_context(locale=locale, timezone_id="Europe/Amsterdam")
    shown = context.new_page()
    shown.goto(f"{serving.url}/api/bulk-operations")
    expect(shown.get_by_role("heading", level=1)).to_contain_text(title)
    expect(shown.locator("html")).to_have_attribute("lang", re.compile(language))
    expect(shown.locator("#zone")).to_contain_text(re.compile(r"GMT\+0[12]:00"))
    context.close()
