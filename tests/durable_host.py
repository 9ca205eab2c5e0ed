"""Durable, turn by turn and without IO: the SDK replays the app's orchestrator, the rules of the extension schedule.

Each turn must only ever add to what was asked before, and is replayed twice: that is what determinism means.
"""

import json
from collections.abc import Callable
from typing import Any

from azure.durable_functions.models.history import HistoryEventType as EventType

import function_app
from local.durable_replay import Scheduled, replay
from local.durable_turn import remember_timestamps
from shared.compare.workflow import COMPARE
from shared.export.workflow import EXPORT

ATTEMPTS: int = function_app._retry().max_number_of_attempts
"""Of an activity that Durable itself tries again."""
MOMENT = "2026-01-01T00:00:{:02d}.000000Z"
# As the local worker does.
remember_timestamps()
_ORCHESTRATORS = {EXPORT: function_app.export_users, COMPARE: function_app.compare_exports}


def orchestrator(name: str) -> Callable[[str], str]:
    """As the Functions host calls it: the app's own function around Durable's replay."""
    call: Callable[[str], str] = _ORCHESTRATORS[name]._function.get_user_function()
    return call


class Host:
    """One orchestration. `open` holds what is scheduled and has not ended, by its id. `again`: each turn is replayed
    twice; whole exports, whose orchestrator the unit tests look at, spare that.
    """

    def __init__(self, name: str, given: Any, *, again: bool = True) -> None:
        self._again = again
        self._orchestrator = orchestrator(name)
        self._input = json.dumps(given)
        self._history: list[dict[str, Any]] = []
        self._scheduled: list[Scheduled] = []
        self._actions: list[Any] = []
        self._turns = 0
        self.open: dict[int, Scheduled] = {}
        self.most_open = 0
        self.output: Any = None
        self.done = False
        self.status: Any = None
        self._turn({"EventType": EventType.EXECUTION_STARTED, "Name": name, "Input": self._input, "Version": ""})

    def named(self, name: str) -> list[int]:
        """The ids of what is open under this name."""
        return [number for number, each in self.open.items() if each.action.get("functionName") == name]

    def timers(self) -> list[int]:
        """The ids of the open ones."""
        return [number for number, each in self.open.items() if each.kind == EventType.TIMER_CREATED]

    def asked(self, number: int) -> Any:
        """The input of an open activity."""
        return json.loads(self.open[number].action["input"])

    def complete(self, number: int, result: Any) -> None:
        self.complete_with(number, json.dumps(result))

    def complete_with(self, number: int, text: str) -> None:
        del self.open[number]
        self._turn({"EventType": EventType.TASK_COMPLETED, "TaskScheduledId": number, "Result": text})

    def fail(self, number: int, reason: str, details: str = "") -> None:
        del self.open[number]
        self._turn(
            {"EventType": EventType.TASK_FAILED, "TaskScheduledId": number, "Reason": reason, "Details": details}
        )

    def fire(self) -> None:
        """The open timer that was created first."""
        number = min(self.timers())
        del self.open[number]
        self._turn({"EventType": EventType.TIMER_FIRED, "TimerId": number})

    def fail_for_good(self, name: str, reason: str, details: str = "") -> None:
        """The one open activity of this name, in all its attempts."""
        for _ in range(ATTEMPTS):
            (number,) = self.named(name)
            self.fail(number, reason, details)
            self.fire()

    def raise_event(self, name: str) -> None:
        self._turn({"EventType": EventType.EVENT_RAISED, "Name": name, "Input": "true"})

    def _turn(self, event: dict[str, Any]) -> None:
        assert not self.done, "the orchestration has ended already"
        moment = MOMENT.format(min(self._turns, 59))
        self._turns += 1
        begin = {"EventType": EventType.ORCHESTRATOR_STARTED, "Timestamp": moment}
        for each in (begin, event):
            self._history.append({"EventId": -1, "IsPlayed": False, "Timestamp": moment} | each)
        text = self._replayed()
        assert not self._again or text == self._replayed()
        state = json.loads(text)
        actions = state["actions"][0]
        assert actions[: len(self._actions)] == self._actions
        self._actions = actions
        scheduled = replay(actions, self._history)
        assert [each.action for each in scheduled.scheduled[: len(self._scheduled)]] == [
            each.action for each in self._scheduled
        ]
        self.open |= {each.id: each for each in scheduled.scheduled[len(self._scheduled) :]}
        self._scheduled = scheduled.scheduled
        self.most_open = max(self.most_open, len(self.open))
        self.status = state.get("customStatus", self.status)
        self.done = bool(state["isDone"]) and scheduled.passed
        self.output = state.get("output")
        for each in self._history:
            each["IsPlayed"] = True
        self._history.append(
            {"EventType": EventType.ORCHESTRATOR_COMPLETED, "EventId": -1, "IsPlayed": True, "Timestamp": moment}
        )

    def _replayed(self) -> str:
        history = [each | {"EventType": int(each["EventType"])} for each in self._history]
        given = {"history": history, "instanceId": "i", "isReplaying": self._turns > 1, "parentInstanceId": None}
        text: str = self._orchestrator(json.dumps(given | {"input": self._input, "upperSchemaVersion": 2}))
        return text
