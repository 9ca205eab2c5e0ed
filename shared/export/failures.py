"""What a person reads when a step has failed: one sentence, where Durable gives a text with stack traces."""

import re

from shared.errors import ChainBroken, ExportError, GraphError, Transient
from shared.export.messages import Failure, Unreadable

MAX_REASON = 500
_OWN = "|".join(kind.__name__ for kind in (ExportError, GraphError, Transient, ChainBroken))


def failure(step: str, problem: Exception, number: int | None = None) -> Failure:
    """Why the export fails: `step` has raised each time, or has returned what can't be read."""
    if isinstance(problem, Unreadable):
        reason = f"The step {step} returned what this version of the app can't read: {problem}"
    else:
        reason = f"The step {step} failed each time it was tried: {_message_of(step, str(problem))}"
    reason = reason[:MAX_REASON].rstrip()
    return Failure("ActivityFailed", reason if reason.endswith((".", "!", "?")) else f"{reason}.", range=number)


def _message_of(step: str, text: str) -> str:
    """The exception's own message, taken out of the text that Durable makes of it.

    The SDK adds the failure's details after " \\n ": a .NET exception as JSON, with stack traces. The log has those.
    """
    message = text.partition(" \n ")[0].strip()
    message = message.removeprefix(f"Activity function '{step}' failed:").strip()
    message = re.sub(r"\AResult: Failure\s+Exception: ", "", message)
    message = re.split(r'\s*(?:\n\s*(?:Stack:|File ")|Traceback \(most recent|\{"\$type")', message)[0]
    message = re.sub(rf"\A(?:{_OWN}): ", "", message)
    # A query may hold a signature.
    message = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", message)
    return " ".join(message.split()) or "it gave no reason"
