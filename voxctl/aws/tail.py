"""What an endpoint's container says, as it says it. Blocking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from voxctl.aws.cloud import Cloud
from voxctl.aws.names import log_group
from voxctl.aws.observed import is_missing
from voxctl.errors import AwsError

#: Lines reach CloudWatch late and not in order: so far is looked back each time.
_LATE_MS = 60_000


class Line(NamedTuple):
    """What a container said, when, in milliseconds since 1970, and which one of them."""

    at_ms: int
    stream: str
    text: str


@dataclass
class Tail:
    """The lines of an endpoint's containers from ``since_ms`` on. Every line is given once."""

    cloud: Cloud
    name: str
    since_ms: int
    _given: set[str] = field(default_factory=set)
    _newest_ms: int = 0

    def lines(self) -> list[Line]:
        """Return the lines that are new, oldest first; none where there is no log yet. Raises ``AwsError``."""
        group, what = log_group(self.name), f"the log of {self.name} cannot be read"
        start = max(self.since_ms, self._newest_ms - _LATE_MS)
        asked = {"logGroupName": group, "startTime": start}
        try:
            found = list(self.cloud.pages("logs", "FilterLogEvents", what, "events", asked))
        except AwsError as exc:
            if is_missing(exc):
                return []
            raise
        new = [event for event in found if event["eventId"] not in self._given]
        self._newest_ms = max([self._newest_ms, *(event["timestamp"] for event in new)])
        self._given = {event["eventId"] for event in found}
        lines = [Line(event["timestamp"], event["logStreamName"], event["message"].rstrip()) for event in new]
        return sorted(lines, key=lambda line: line.at_ms)
