"""What the Durable extension does with the actions that an orchestrator returned. Pure: no IO.

On each turn, the orchestrator returns all actions that it has ever asked for. The extension replays this list
against the history, and schedules the actions that have no event there. Four of its rules decide how an
orchestration behaves. They are the same here as in the extension's OutOfProcOrchestrationShim:

1. The top-level actions are awaited one after the other. `task_any` over tasks that were yielded before
   puts only the new ones into its action, and the next action is not looked at until one of *those* ends.
   A window slid over `task_any` therefore starts its next activity only when the latest one has ended.
   Ask for everything in one `task_all` or `task_any`.
2. Ids 0, 1, 2... are given when an action is reached, timers and retries included. The SDK counts along,
   from the other side, and the two must come to the same numbers. A retry that begins while an action is
   still held back by rule 1 takes that action's number: results then go to the wrong tasks.
3. After each failed attempt of a task with retries comes a timer; after the last one it fires at once.
4. An orchestration that has returned goes on until all activities and timers that it has asked for have ended.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from azure.durable_functions.models.actions.ActionType import ActionType
from azure.durable_functions.models.history import HistoryEventType as EventType

from local.durable_store import Event, seconds

Action = dict[str, Any]


class OrchestrationError(Exception):
    """The orchestration fails with this message: it asked for what the host cannot do."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An action that has got its id. `fire_at` is set for timers, in seconds since 1970."""

    id: int
    kind: EventType
    action: Action
    fire_at: float = 0.0


@dataclass(slots=True)
class Replay:
    """Where the extension stands after replaying the actions against the history.

    `passed`: every action has been passed. `finished`: nothing is open either, so the orchestrator's result or error
    counts.
    """

    scheduled: list[Scheduled] = field(default_factory=list)
    passed: bool = False
    finished: bool = False


@dataclass(slots=True, eq=False)
class _Task:
    """A task of the extension's side: a leaf, or a WhenAll/WhenAny of others."""

    parent: "_Task | None" = None
    waits_for: int = 1
    done: bool = False
    retry: "_Retry | None" = None


@dataclass(slots=True, eq=False)
class _Retry:
    action: Action
    outer: _Task
    attempts: int = 0
    failed: bool = False


def replay(actions: list[Action], history: Iterable[Event]) -> Replay:
    """Follow `history` (with this turn's events) through `actions`."""
    state = _Replayer(actions)
    for event in history:
        state.process(event)
    state.result.finished = state.result.passed and not state.open
    return state.result


class _Replayer:
    def __init__(self, actions: list[Action]) -> None:
        self.result = Replay()
        self.open: dict[int, _Task] = {}
        self._actions: Iterator[Action] = iter(actions)
        self._awaited: _Task | None = None
        self._waiting: dict[str, deque[_Task]] = defaultdict(deque)
        self._early: dict[str, int] = defaultdict(int)
        self._time = 0.0

    def process(self, event: Event) -> None:
        match event["EventType"]:
            case EventType.ORCHESTRATOR_STARTED:
                self._time = seconds(event["Timestamp"])
            case EventType.EXECUTION_STARTED:
                self._advance()
            case EventType.TASK_COMPLETED:
                self._complete(event["TaskScheduledId"], failed=False)
            case EventType.TASK_FAILED:
                self._complete(event["TaskScheduledId"], failed=True)
            case EventType.TIMER_FIRED:
                self._complete(event["TimerId"], failed=False)
            case EventType.EVENT_RAISED:
                self._raise(event["Name"])

    def _advance(self) -> None:
        """Pass every action whose task has ended, and await the first that has not."""
        while self._awaited is None or self._awaited.done:
            action = next(self._actions, None)
            if action is None:
                self.result.passed = True
                return
            self._awaited = self._invoke(action, None)

    def _invoke(self, action: Action, parent: _Task | None) -> _Task:
        task = _Task(parent)
        match action["actionType"]:
            case ActionType.CALL_ACTIVITY:
                self._schedule(task, EventType.TASK_SCHEDULED, action)
            case ActionType.CALL_ACTIVITY_WITH_RETRY:
                self._attempt(_Retry(action, task))
            case ActionType.CREATE_TIMER:
                self._schedule(task, EventType.TIMER_CREATED, action, seconds(action["fireAt"]))
                if action.get("isCanceled"):
                    self.open.popitem()
                    self._end(task)
            case ActionType.WAIT_FOR_EXTERNAL_EVENT:
                self._wait(task, action["externalEventName"])
            case ActionType.WHEN_ALL | ActionType.WHEN_ANY as kind:
                self._invoke_all(task, action["compoundActions"], kind == ActionType.WHEN_ALL)
            case other:
                raise OrchestrationError(f"{ActionType(other).name} is not supported when running locally.")
        return task

    def _invoke_all(self, task: _Task, children: list[Action], wait_for_all: bool) -> None:
        if not children and not wait_for_all:
            raise OrchestrationError("The tasks argument contains no tasks. (Parameter 'tasks')")
        task.waits_for = len(children) if wait_for_all else 1
        for child in children:
            self._invoke(child, task)
        if not children:
            self._end(task)

    def _schedule(self, task: _Task, kind: EventType, action: Action, fire_at: float = 0.0) -> None:
        number = len(self.result.scheduled)
        self.result.scheduled.append(Scheduled(number, kind, action, fire_at))
        self.open[number] = task

    def _attempt(self, retry: _Retry) -> None:
        retry.attempts += 1
        self._schedule(_Task(retry=retry), EventType.TASK_SCHEDULED, retry.action)

    def _complete(self, number: int, failed: bool) -> None:
        task = self.open.pop(number, None)
        if task is None:
            return
        if task.retry is not None:
            self._continue_retry(task.retry, failed)
        self._end(task)
        self._advance()

    def _continue_retry(self, retry: _Retry, failed: bool) -> None:
        """An attempt or the timer after it has ended. The timer comes even when no attempt is left."""
        options = retry.action["retryOptions"]
        more = retry.attempts < options["maxNumberOfAttempts"]
        if failed:
            retry.failed = True
            fire_at = self._time + (options["firstRetryIntervalInMilliseconds"] / 1000 if more else 0)
            self._schedule(_Task(retry=retry), EventType.TIMER_CREATED, {}, fire_at)
        elif retry.failed and more:
            retry.failed = False
            self._attempt(retry)
        else:
            self._end(retry.outer)

    def _wait(self, task: _Task, name: str) -> None:
        if self._early[name]:
            self._early[name] -= 1
            self._end(task)
        else:
            self._waiting[name].append(task)

    def _raise(self, name: str) -> None:
        if self._waiting[name]:
            self._end(self._waiting[name].popleft())
            self._advance()
        else:
            self._early[name] += 1

    def _end(self, task: _Task) -> None:
        if task.done:
            return
        task.done = True
        if task.parent is not None and not task.parent.done:
            task.parent.waits_for -= 1
            if task.parent.waits_for == 0:
                self._end(task.parent)
