"""Azurite once for all of these tests, and the edges to it and to a simulated tenant."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from local import azurite
from local.azurite import Azurite
from tests.edges import connected as connect
from tests.integration.runner import Connect


@pytest.fixture(scope="session")
def storage_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite.running(Path(tmp_path_factory.mktemp("azurite")), forgetful=True) as running:
        yield running


@pytest.fixture
def connected(storage_emulator: Azurite) -> Connect:
    """`async with connected(tenant, EXPORT_RANGE_USERS="100") as edges`."""
    return partial(connect, storage_emulator.connection_string)
