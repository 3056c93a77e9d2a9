"""Carries a plan out, step by step; when one fails, takes back what this run made. Blocking."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from voxctl.aws.cloud import Cloud
from voxctl.aws.faults import passes, unanswered
from voxctl.aws.observed import is_missing
from voxctl.aws.steps import BROKEN, GONE, IN_SERVICE, PASSING, Step
from voxctl.errors import AwsError, EndpointFailed, Interrupted, VoxError

#: A new role is not known everywhere at once, and what was just in use may still seem to be.
_SOON = ("assume role", "to assume the role", "in use by", "ConflictException")
_BUSY = "in-progress"
_EXISTS = ("already exist", "EntityAlreadyExists", "ResourceAlreadyExistsException")
#: How long a call is repeated that may go well soon; how long an endpoint may not be seen after it was made.
_SOON_S, _UNSEEN_S = 120.0, 60.0
_LEAST_S, _MOST_S = 0.25, 8.0


class Watch(Protocol):
    """Who is told what happens. ``waiting`` comes again and again, with the endpoint's status."""

    def begun(self, step: Step) -> None:
        """A step begins."""

    def waiting(self, step: Step, status: str, elapsed_s: float) -> None:
        """A step waits."""

    def undoing(self, step: Step) -> None:
        """What a step of this run made is taken back."""


@dataclass
class Application:
    """One plan being carried out. ``limit_s`` is for the waits all together. ``keep``: nothing is taken back."""

    cloud: Cloud
    watch: Watch
    limit_s: float
    keep: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    #: What takes back what was made, last first.
    _undo: list[Step] = field(default_factory=list)
    #: What this run has made, by the calls.
    _begun: set[str] = field(default_factory=set)
    _deadline_s: float = 0.0

    def run(self, steps: Sequence[Step]) -> None:
        """Carry the steps out. Raises ``AwsError``, ``EndpointFailed`` or ``Interrupted``; then nothing is left of it.

        Where something had to be left, the error's hint says so.
        """
        self._deadline_s = self.clock() + self.limit_s
        try:
            for step in steps:
                self.watch.begun(step)
                self._wait(step) if step.until else self._make(step)
                if step.until == IN_SERVICE:
                    self._undo.clear()  # it is as it was wanted; what is left to do only tidies up
        except KeyboardInterrupt:
            raise self._ended(Interrupted("interrupted")) from None
        except VoxError as exc:
            raise self._ended(exc) from exc.__cause__

    def _ended(self, error: VoxError) -> VoxError:
        """Take back what was made, and return the error with what is to be said of that."""
        if not self._undo:
            return error
        if "UpdateEndpoint" in self._begun and not isinstance(error, EndpointFailed):
            error.hint = "AWS goes on with the update by itself; `voxctl deploy` as before waits for it."
            return error
        if self.keep:
            error.hint = f"{error.hint or ''} What was made is kept; `voxctl delete` takes it away.".strip()
            return error
        undo, self._undo = self._undo, []
        self._deadline_s = self.clock() + self.limit_s
        try:
            for step in undo:
                if step.call == "DeleteLogGroup" and "CreateEndpoint" in self._begun:
                    continue  # it has the reason
                self.watch.undoing(step)
                self._wait(step) if step.until else self._call(step)
        except (AwsError, KeyboardInterrupt) as exc:
            why = exc.message if isinstance(exc, AwsError) else "interrupted"
            error.hint = f"`voxctl delete`, with the same name: not everything could be taken back ({why})."
        return error

    def _make(self, step: Step) -> None:
        """Make a call, and remember what takes it back unless somebody else had made the same before."""
        ours = True  # where nobody knows whether it was carried out
        try:
            ours = self._call(step)
        except AwsError as exc:
            ours = unanswered(exc)
            raise
        finally:
            if ours:
                self._undo[:0] = step.undo
                self._begun.add(step.call)

    def _call(self, step: Step) -> bool:
        """Return whether the call was carried out by us. What is so already, or is gone already, is as good."""
        pause_s, began_s, unsure = _LEAST_S, self.clock(), False
        while True:
            try:
                self.cloud.call(step.service, step.call, f"{step.does}: it cannot be done", step.parameters)
                return True
            except AwsError as exc:
                if step.call.startswith("Create") and _says(exc, _EXISTS):
                    return unsure
                if step.call.startswith("Delete") and is_missing(exc):
                    return False
                if step.call == "CreateSchedule" and exc.code == "ConflictException":
                    self.cloud.call(step.service, "UpdateSchedule", step.does, step.parameters)
                    return unsure
                unsure = unsure or unanswered(exc)
                busy = _BUSY in exc.message and self.clock() < self._deadline_s
                soon = (passes(exc) or _says(exc, _SOON)) and self.clock() - began_s < _SOON_S
                if not (busy or soon):
                    raise
            self.watch.waiting(step, "", self.clock() - began_s)
            self.sleep(pause_s)
            pause_s = min(pause_s * 2, _MOST_S)

    def _wait(self, step: Step) -> None:
        """Look at the endpoint until it has come to what the step waits for."""
        began_s, seen = self.clock(), False
        while True:
            now_s = self.clock()
            found = self._looked_at(step, began_s)
            status = str(found["EndpointStatus"]) if found else ""
            if _is_over(step, found) or (not found and (seen or now_s - began_s > _UNSEEN_S)):
                self._judge(step, found)
                return
            seen = seen or bool(found)
            self.watch.waiting(step, status, now_s - began_s)
            if now_s > self._deadline_s:
                name = step.parameters["EndpointName"]
                raise AwsError(
                    f"the endpoint {name} is not {step.until} after {self.limit_s:.0f} s: {status or 'not there'}",
                    hint=f"wait longer with --timeout; `voxctl logs {name}` shows what its container says.",
                )
            self.sleep(min(max(_LEAST_S, (now_s - began_s) / 20), _MOST_S))

    def _looked_at(self, step: Step, began_s: float) -> dict[str, Any] | None:
        failing_s: float | None = None
        while True:
            try:
                answer: dict[str, Any] = self.cloud.call(step.service, step.call, step.does, step.parameters)
                return answer
            except AwsError as exc:
                if is_missing(exc):
                    return None
                failing_s = self.clock() if failing_s is None else failing_s
                if not passes(exc) or self.clock() - failing_s > _SOON_S:
                    raise
            self.watch.waiting(step, "", self.clock() - began_s)
            self.sleep(1.0)

    @staticmethod
    def _judge(step: Step, found: dict[str, Any] | None) -> None:
        """Raise ``EndpointFailed`` for an end that is not the one that was waited for."""
        if step.until != IN_SERVICE:
            return
        name = step.parameters["EndpointName"]
        if found is None:
            raise EndpointFailed(f"the endpoint {name} has gone", reason="", hint="somebody else has deleted it.")
        status, reason = str(found["EndpointStatus"]), str(found.get("FailureReason", ""))
        if status != "InService":
            is_so = "has failed" if status in BROKEN else f"is {status}"
            raise EndpointFailed(f"the endpoint {name} {is_so}: {reason or 'no reason is given'}", reason=reason)
        if found["EndpointConfigName"] != step.config:
            raise EndpointFailed(
                f"the endpoint {name} is as it was before: SageMaker went back to it: {reason}", reason=reason
            )


def _is_over(step: Step, found: dict[str, Any] | None) -> bool:
    if found is None:
        return step.until == GONE
    return step.until != GONE and found["EndpointStatus"] not in PASSING


def _says(error: AwsError, texts: Sequence[str]) -> bool:
    return any(text in f"{error.code} {error.message}" for text in texts)
