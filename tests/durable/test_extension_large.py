"""Hundreds of ranges and lanes on Microsoft's own Durable extension."""

from pathlib import Path

import httpx
import pytest

from tests.durable.conftest import extension
from tests.integration.truth import check_ids
from tests.waiting import wait


# A minute or more on two cores; messages above 45 KiB are tested in every run (test_extension).
@pytest.mark.long
def test_four_hundred_ranges_in_two_hundred_lanes_come_to_their_end(program: str, tmp_path: Path) -> None:
    settings = {"EXPORT_RANGE_USERS": "3", "EXPORT_PARALLEL": "200", "AZURITE_FORGETFUL": "1"}
    with extension(tmp_path, program, "--users", "1500", **settings) as api:
        export_id = api.start()
        found = wait(
            lambda: (a := api.get(f"/api/exports/{export_id}")).status_code != 202 and a.json(), "the end", 200
        )
        assert found["status"] == "Completed", found
        assert found["counts"]["ranges"] >= 400
        ids = set(httpx.get(f"{api.serving.graph}/_tenant/ids").text.split())
        check_ids(httpx.get(found["download"]["csv"]).raise_for_status().content, ids)
