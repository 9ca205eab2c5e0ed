"""Refusals: problem details (RFC 9457), raised and never returned.

ProblemError        status, title, detail, and the headers that belong to them
├── BadRequest      400, 403, 411: a request has problems, each with its JSON pointer
├── Refused         401, 403, 415, 503: the caller, or the origin of the request, is refused
├── TooManyRunning  429
└── KeyReused       422
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

TOO_MANY_SECONDS = 60
"""After which a POST that was refused may be sent again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request. `pointer`: where (JSON pointer, RFC 6901); empty: the whole request."""

    pointer: str
    detail: str


class ProblemError(Exception):
    """The answer to a request that was refused: nothing was done."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        problems: tuple[Problem, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.problems = problems
        self.headers = dict(headers or {})


class BadRequest(ProblemError):
    """The request has problems; nothing was started."""

    def __init__(self, *problems: Problem, status: int = 400) -> None:
        title = {411: "", 403: "A role is missing"}.get(status, "The request can't be taken")
        detail = "; ".join(f"{problem.pointer} {problem.detail}".strip() for problem in problems)
        super().__init__(status, title, detail, problems)


class Refused(ProblemError):
    """The caller may not do this. 401: not signed in; 403: a role is missing; 503: Easy Auth is off."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(status, title, detail, headers={"WWW-Authenticate": "Bearer"} if status == 401 else {})


class TooManyRunning(ProblemError):
    """The caller has as many running exports as the setting allows; nothing was started."""

    def __init__(self, limit: int) -> None:
        detail = (
            f"You have {limit} exports running, as many as EXPORT_MAX_RUNNING allows. Wait until one has ended, or"
            " cancel one."
        )
        super().__init__(429, "Too many exports are running", detail, headers={"Retry-After": str(TOO_MANY_SECONDS)})


class KeyReused(ProblemError):
    """The key belongs to another request; nothing was started."""

    def __init__(self) -> None:
        detail = (
            "This Idempotency-Key was used for another request, so nothing was started. Use a new key for each request,"
            " and the same key only to repeat that request."
        )
        super().__init__(422, "The Idempotency-Key was used before", detail)
