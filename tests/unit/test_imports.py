"""What a package of the product may import: arrows go downwards only, and each outside world has one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("api", "compare", "export", "storage", "settings", "files", "ranges", "schedules", "page", "graph", "errors")
"""From the top to the ground: each may import what is below it."""
DOORS = {
    "azure.functions": {"function_app.py"},
    "azure.durable_functions": {"function_app.py"},
    "azure.storage": {"shared/storage/"},
    "azure.identity": {"function_app.py"},
    "msgraph": {"shared/graph/"},
    "msgraph_core": {"shared/graph/"},
    "kiota_abstractions": {"shared/graph/"},
    "kiota_http": {"shared/graph/"},
    "kiota_authentication_azure": {"shared/graph/"},
    "aiohttp": {"shared/graph/"},
    "httpx": {"shared/graph/", "shared/export/notify.py"},
    "http": {"shared/api/"},
    "os": {"function_app.py"},
}
"""Who may import these, as the beginning of a path."""
FILES = sorted(
    path.relative_to(ROOT).as_posix() for path in [ROOT / "function_app.py", *(ROOT / "shared").rglob("*.py")]
)


def imports(file: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are absolute"
            yield from (f"{node.module}.{each.name}" for each in node.names)


def floor_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("file", [file for file in FILES if file not in {"function_app.py", "shared/__init__.py"}])
def test_a_package_imports_only_what_is_below_it(file: str) -> None:
    own = file.removeprefix("shared/").split("/")[0].removesuffix(".py")
    below = FLOORS[FLOORS.index(own) :]

    assert {floor_of(module) for module in imports(file) if module.startswith("shared.")} <= set(below)


@pytest.mark.parametrize("file", FILES)
def test_the_outside_world_comes_in_through_its_own_door(file: str) -> None:
    for module in imports(file):
        for outside, doors in DOORS.items():
            if module == outside or module.startswith(f"{outside}."):
                assert file.startswith(tuple(doors)), f"{file} imports {module}"
