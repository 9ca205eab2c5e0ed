"""What to do at an error or a warning: data for the page, the API and the docs."""

import re
from pathlib import Path

import pytest

import shared
from local.tenant.permissions import _REFUSALS
from shared.page.advice import advice_for

CODE = re.compile(
    r"""(?:ExportError|GraphError|ChainBroken|Transient|Failure)\(\s*(?:[\w.]+, )?"(\w+)"|"code": "(\w+)\""""
)
PASSING = {"Throttled"}
"""Only asked again, never shown."""


def codes() -> set[str]:
    folder = Path(shared.__file__).parent
    sources = [path for name in ("export", "graph", "api") for path in (folder / name).rglob("*.py")]
    return {one or other for path in sources for one, other in CODE.findall(path.read_text())}


def test_every_code_of_the_app_and_of_a_refusal_has_a_meaning_and_something_to_do() -> None:
    found = codes()
    assert {"SeveralUsers", "ConnectionBroken", "OneChain", "NoResults"} <= found
    wanted = (found | {code for code, _ in _REFUSALS.values()}) - PASSING
    assert wanted - {each["code"] for each in advice_for({"code": code} for code in wanted)} == set()


@pytest.mark.parametrize(
    ("entry", "meaning"),
    [
        ({"code": "HTTP502"}, "An answer without a code of Graph's"),
        ({"code": "BadRequest"}, "Graph refuses the query"),
        ({"code": "BadRequest", "column": "managerId"}, "Graph refuses the query"),
        ({"code": "BadRequest", "column": "authenticationEmail"}, "This cloud has no authentication methods"),
    ],
)
def test_the_meaning_is_that_of_the_code_at_its_place(entry: dict[str, str], meaning: str) -> None:
    (found,) = advice_for([entry])
    assert found["code"] == entry["code"]
    assert found["meaning"].startswith(meaning)
    assert found["whatToDo"].endswith(".")


def test_each_code_is_there_once_and_a_code_of_others_is_not() -> None:
    entries = [{"code": "OneChain"}, {"code": "TheirOwn"}, {"code": "OneChain"}]
    assert [each["code"] for each in advice_for(entries)] == ["OneChain"]
