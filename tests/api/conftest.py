"""A client of the running app, with a small tenant and with a slow one, for all of these tests."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.serve import Serving, launch
from tests.api.api_client import SLOW_USERS, Api, administrator
from tests.conftest import FORGETFUL


def _api(serving: Serving) -> Iterator[Api]:
    with httpx.Client(base_url=serving.url, trust_env=False, timeout=60) as http:
        yield Api(serving, http, administrator())


@pytest.fixture(scope="session")
def api(serving: Serving) -> Iterator[Api]:
    """The API as an administrator sees it."""
    yield from _api(serving)


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A tenant whose exports take longer than any test: two lanes of twelve ranges, each of three slow pages."""
    environment = {"EXPORT_RANGE_USERS": "2500", "EXPORT_PARALLEL": "2", **FORGETFUL}
    arguments = ("--users", str(SLOW_USERS), "--latency-ms", "100", "--workers", "1")
    with launch(Path(tmp_path_factory.mktemp("slow")), *arguments, environment=environment) as running:
        yield from _api(running)
