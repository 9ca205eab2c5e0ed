"""A running host with two workers for the toy app."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import serve
from tests.local.toy_host import ARGUMENTS, Host


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Some storage, so that no Azurite is started; and where the toy app's timer leaves its mark."""
    mark = tmp_path_factory.mktemp("toy") / "timer.txt"
    return {"EXPORT_STORAGE": "UseDevelopmentStorage=true", "TOY_FILE": str(mark)}


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Host]:
    data: Path = tmp_path_factory.mktemp("host")
    with serve.launch(data, *ARGUMENTS, environment=environment) as serving:
        made = Host(serving)
        with made.http:
            yield made
