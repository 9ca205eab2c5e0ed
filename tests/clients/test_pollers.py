"""Azure's pollers of long-running operations run exports, and show why one has failed."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import RequestIdPolicy, RetryPolicy
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LocationPolling, LROBasePolling
from azure.core.rest import HttpRequest

from local.serve import Serving
from tests.clients.conftest import told
from tests.conftest import USERS

REASON = "Could not find a property named 'noSuchProperty'"


def test_the_one_of_azure_core_ends_with_the_results(serving: Serving) -> None:
    """Also its retries of a 500, which a failed export is, do not hide the reason."""
    policies: list[Any] = [RequestIdPolicy(), RetryPolicy(retry_backoff_factor=0.01)]
    client: Any
    with PipelineClient(f"{serving.url}/api", policies=policies) as client:

        def poller(body: Any, cancel: bool = False) -> "LROPoller[Any]":
            request = HttpRequest("POST", f"{serving.url}/api/exports", json=body)
            answer = client.send_request(request, _return_pipeline_response=True)
            if cancel:
                cancelled = f"{answer.http_response.headers['Location']}/cancel"
                client.send_request(HttpRequest("POST", cancelled)).raise_for_status()
            polling: Any = LROBasePolling(lro_algorithms=[LocationPolling()])
            return LROPoller(client, answer, lambda last: json.loads(last.http_response.text()), polling)

        requests = ({"columns": "profile"}, {"columns": "profile", "filter": "noSuchProperty eq 'x'"})
        completed, failed = map(poller, requests)
        cancelled = poller(requests[0], cancel=True)
        with ThreadPoolExecutor() as threads:
            ends = list(threads.map(_end, (completed, failed, cancelled)))

    assert (completed.status(), ends[0]["status"]) == ("Succeeded", "Completed")
    assert ends[0]["counts"]["exported"] == USERS
    assert ends[0]["download"]["csv"]
    assert isinstance(ends[1], HttpResponseError)
    assert (failed.status(), ends[1].status_code) == ("Failed", 500)
    assert REASON in str(ends[1])
    # A poller knows success and failure only: the status says that it was cancelled, and `error` says it in words.
    assert (ends[2]["status"], ends[2]["error"]["code"]) == ("Cancelled", "Cancelled")


def _end(poller: "LROPoller[Any]") -> Any:
    try:
        return poller.result(60)
    except HttpResponseError as problem:
        return problem


def test_the_one_for_javascript_ends_with_the_results(serving: Serving, typescript: Path) -> None:
    found = told("node", typescript / "core_lro.js", f"{serving.url}/api")
    assert found["completed"] == {"state": "succeeded", "status": "Completed", "users": USERS}
    assert found["failed"]["state"] == "failed"
    assert REASON in found["failed"]["problem"]
    assert found["cancelled"]["status"] == "Cancelled"
