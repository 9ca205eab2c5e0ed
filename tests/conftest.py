"""What all tests share: the order of the files, and one running app with a small tenant."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.serve import Serving, launch

USERS = 40
FORGETFUL = {"AZURITE_FORGETFUL": "1"}
"""For servers that no test kills: Azurite need not write its index before each answer."""
LONGEST_FIRST = (
    "durable/test_extension_crashes",
    "durable",
    "browser",
    "clients",
    "integration",
    "api",
    "local",
    "infra",
    "unit",
)
"""What waits most, or lasts longest in one file, begins first: short files fill the other processes at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path.relative_to(Path(__file__).parent).as_posix()))


def _place(file: str) -> int:
    return next((place for place, name in enumerate(LONGEST_FIRST) if file.startswith(name)), 0)


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """An app with a small tenant. Each test is a caller of its own, so that all of them can use it."""
    with launch(tmp_path_factory.mktemp("app"), "--users", str(USERS), environment=FORGETFUL) as running:
        yield running
