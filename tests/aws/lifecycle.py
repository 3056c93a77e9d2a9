"""What tests of an endpoint's life share: a spec, a place, a clock that costs nothing, and who watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from tests.fakes.aws.front import Aws
from voxctl.aws.apply import Application
from voxctl.aws.client import open_account
from voxctl.aws.cloud import Cloud
from voxctl.aws.names import Place
from voxctl.aws.observed import observe
from voxctl.aws.plan import delete_plan, deploy_plan
from voxctl.aws.spec import Spec
from voxctl.aws.steps import Observed, Step

PLACE = Place("123456789012", "us-east-1")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/voxctl@sha256:00"
SPEC = Spec("mine", IMAGE, "mistralai/Voxtral-Mini-4B-Realtime-2602")
OTHER = replace(SPEC, instance_type="ml.g6.xlarge")
NOW_S = 1.9e9


class Killed(BaseException):
    """The program is gone: nothing of it runs any longer."""


@dataclass
class Clock:
    """Time that passes by sleeping only."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Told:
    """Remembers what it is told. The step number ``dies_before`` is never begun, if there is one."""

    dies_before: int | None = None
    error: type[BaseException] = Killed
    calls: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)

    def begun(self, step: Step) -> None:
        if len(self.calls) == self.dies_before:
            raise self.error
        self.calls.append(step.call)

    def waiting(self, step: Step, status: str, elapsed_s: float) -> None:
        return

    def undoing(self, step: Step) -> None:
        self.undone.append(step.call)


@cache
def cloud_here(n: int = 0) -> Cloud:
    """Return the n-th caller. Making clients costs more than all that they do; the address stays the same."""
    return Cloud(open_account(None, "us-east-1"))


def carried_out(cloud: Cloud, steps: Sequence[Step], told: Told | None = None, *, keep: bool = False) -> Told:
    told, clock = told or Told(), Clock()
    Application(cloud, told, 3600.0, keep, clock, clock.sleep).run(steps)
    return told


def to_deploy(cloud: Cloud, spec: Spec = SPEC, ttl_s: int | None = 14_400, now_s: float = NOW_S) -> list[Step]:
    return deploy_plan(spec, PLACE, observe(cloud, PLACE, spec.name), ttl_s, now_s)


def to_delete(cloud: Cloud, name: str = "mine") -> list[Step]:
    return delete_plan(name, PLACE, observe(cloud, PLACE, name), logs=True)


def seen_after(aws: Aws, cloud: Cloud) -> Observed:
    aws.plane.lag = 0
    return observe(cloud, PLACE, "mine")
