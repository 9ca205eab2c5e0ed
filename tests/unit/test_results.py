"""The results file: made of blocks, and readable from its beginning alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GraphError
from shared.files import results

texts = st.text(st.characters(exclude_categories=["Cs"]))
entries = st.lists(
    st.fixed_dictionaries(
        {"code": texts, "reason": texts | st.sampled_from(["]}", "\n]}\n", ',\n"errors":[\n', "},\n{", "\r\n"])},
        optional={"user": texts, "column": texts, "range": st.integers(0, 99), "requestId": texts},
    ),
    max_size=6,
)
fields = st.fixed_dictionaries(
    {"id": texts, "request": st.dictionaries(texts, texts, max_size=3), "warnings": entries},
    optional={"file": st.none() | st.dictionaries(texts, texts, max_size=2), "counts": st.just({"errors": 1})},
)

Entry = dict[str, Any]


def file_of(head: Entry, *blocks: list[Entry]) -> bytes:
    """As publish commits it: between two blocks stands a separator."""
    return results.head(head) + results.SEPARATOR.join(results.lines(block) for block in blocks if block) + results.TAIL


@given(fields, st.lists(entries, max_size=3))
def test_the_file_is_json_with_all_errors_in_their_order(head: Entry, blocks: list[list[Entry]]) -> None:
    whole = file_of(head, *blocks)
    errors = [error for block in blocks for error in block]

    assert json.loads(whole) == head | {"errors": errors}
    assert results.first_errors(whole, 1000) == head | {"errors": errors}


@given(fields, entries, st.integers(0, 8))
def test_at_most_so_many_errors_are_given(head: Entry, errors: list[Entry], most: int) -> None:
    assert results.first_errors(file_of(head, errors), most)["errors"] == errors[:most]


@given(fields, entries, st.data())
def test_wherever_the_file_is_cut_the_head_is_whole_and_so_is_each_error_that_is_given(
    head: Entry, errors: list[Entry], data: st.DataObject
) -> None:
    whole = file_of(head, errors)
    cut = data.draw(st.integers(len(results.head(head)), len(whole)))
    found = results.first_errors(whole[:cut], 1000)

    assert {name: value for name, value in found.items() if name != "errors"} == head
    assert found["errors"] == errors[: len(found["errors"])]
    # Only what touches the cut is left out.
    complete = 1 + len(results.head(head)) + len(results.lines(errors[: len(found["errors"]) + 1]))
    assert found["errors"] == errors or cut <= complete


def test_an_error_of_graph_is_told_with_its_code_reason_and_request_id() -> None:
    problem = GraphError(403, "Authorization_RequestDenied", "Insufficient privileges.", request_id="r-1")

    assert results.lines([problem.as_dict()]) == (
        b'{"code":"Authorization_RequestDenied","reason":"Insufficient privileges.","requestId":"r-1"}'
    )
    assert "requestId" not in GraphError(403, "a", "b").as_dict()


def test_a_results_file_of_a_million_errors_is_read_from_its_first_half_mebibyte() -> None:
    block = results.lines({"code": "c", "reason": "r" * 400, "user": str(number)} for number in range(2000))
    start = (results.head({"id": "1"}) + block)[: results.HEAD_BYTES]

    assert [each["user"] for each in results.first_errors(start, 100)["errors"]] == [str(at) for at in range(100)]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"id":"1"', results.head({"id": "1"})[:-1]])
def test_what_is_no_results_file_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="no results file"):
        results.first_errors(data, 10)
