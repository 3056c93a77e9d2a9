"""What everything that belongs to an endpoint is called: the same for the same content, so that a second run finds it.

Pure. Lengths are those that the services allow: 63 for an endpoint, 64 for a role and a schedule.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voxctl.errors import UsageError

#: The tag of what voxctl deployed.
MANAGED_TAG, MANAGED_VALUE = "voxctl:managed", "true"
#: The endpoint's name where none is given.
USUAL_NAME = "voxctl"
#: Letters of the digest in a name, and what an endpoint's name may have so that it and a dash fit behind it.
_DIGEST, MOST_LETTERS = 10, 52
# SageMaker takes large letters too, and makes small ones of them in the names that policies are about.
_NAME = re.compile(r"[a-z0-9](?:-*[a-z0-9])*")
_ROLE_LETTERS = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Whose account it is, and which region of which partition."""

    account: str
    region: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        """Return the name of a resource of this region for all of AWS."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def role_arn(self, role: str) -> str:
        """Return the same of a role, which belongs to no region."""
        return f"arn:{self.partition}:iam::{self.account}:role/{role}"


def checked_name(name: str) -> str:
    """Return what is a name for an endpoint. Raises ``UsageError``."""
    if len(name) > MOST_LETTERS or not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r:.80} is no name for an endpoint",
            hint=f"small letters, digits, dashes between them, {MOST_LETTERS} at most: voxctl deploy my-endpoint",
        )
    return name


def with_digest(name: str, content: Mapping[str, Any]) -> str:
    """Return the name of what has this content and belongs to the endpoint ``name``."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]}"


def belongs(made: str, name: str) -> bool:
    """Return whether ``with_digest`` could have made a name for the endpoint ``name``."""
    return re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{{_DIGEST}}}", made) is not None


def run_role(name: str, region: str) -> str:
    """Return the name of the role that the endpoint's container runs with."""
    return _short(f"voxctl-{name}-{region}-run")


def end_role(name: str, region: str) -> str:
    """Return the name of the role that may delete the endpoint when its time is over."""
    return _short(f"voxctl-{name}-{region}-end")


def schedule(name: str) -> str:
    """Return the name of the schedule that deletes the endpoint."""
    return f"voxctl-{name}"


def log_group(name: str) -> str:
    """Return where SageMaker writes what the endpoint's container says."""
    return f"/aws/sagemaker/Endpoints/{name}"


def _short(name: str) -> str:
    if len(name) <= _ROLE_LETTERS:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: _ROLE_LETTERS - _DIGEST - 5]}-{digest}-{name.rpartition('-')[2]}"
