"""The errors of an export.

ExportError          the export, or a part of it, can't go on: a code, and a reason for a person
├── GraphError       Microsoft Graph refused a request: status and request-id beside them
│   └── Transient    it may work when asked again: throttled, 5xx, a broken connection or body
└── ChainBroken      this chain of pages can't be continued: begin again at its first page
"""

from typing import Any


class ExportError(Exception):
    """What stopped an export. `code` is one word for programs, `reason` a sentence for a person."""

    def __init__(self, code: str, reason: str, *, request_id: str = "") -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.request_id = request_id

    def as_dict(self) -> dict[str, Any]:
        """The shape of an entry in the results file's `errors`."""
        entry = {"code": self.code, "reason": self.reason, "requestId": self.request_id}
        return {key: value for key, value in entry.items() if value}


class GraphError(ExportError):
    """An answer of Microsoft Graph with a status of 400 or more."""

    def __init__(self, status: int, code: str, reason: str, *, request_id: str = "") -> None:
        super().__init__(code, reason, request_id=request_id)
        self.status = status


class Transient(GraphError):
    """A failure that is expected to pass. `retry_after`: seconds; None when Graph did not say."""

    def __init__(
        self, status: int, code: str, reason: str, *, request_id: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(status, code, reason, request_id=request_id)
        self.retry_after = retry_after


class PartOfBatch(Transient):
    """A batch was answered, but some of its requests must be sent again. Failures are counted for each of these."""

    def __init__(self, retry_after: float | None) -> None:
        reason = "Graph asked for a part of a batch to be sent again."
        super().__init__(200, "Throttled", reason, retry_after=retry_after)


class ChainBroken(ExportError):
    """What a chain has read so far is void: its page token died, its links loop, or its rows don't fit."""
