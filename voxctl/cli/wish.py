"""What `voxctl deploy` is asked for, judged: options → ``Spec``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from voxctl.cli.durations import parse_duration
from voxctl.errors import UsageError
from voxctl.realtime.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from voxctl.aws.spec import Spec

#: What has to happen beside the start of the container: an instance is found, the image is pulled.
_BESIDE_S = 900
_LEAST_TTL_S = 600
#: What CloudWatch keeps logs for.
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
#: Parts of names of variables that hold secrets; SM_VLLM_TOKENIZER is none.
_SECRET_WORDS = {"TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "KEY", "APIKEY", "CREDENTIAL", "CREDENTIALS"}
_SECRET_VALUE = re.compile(r"hf_[A-Za-z0-9]{20,}|(AKIA|ASIA)[A-Z0-9]{16}|-----BEGIN .*PRIVATE KEY.*|gh[pousr]_\w{30,}")


def parse_pairs(option: str, texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what ``NAME=VALUE``, once or often, says. Raises ``UsageError``."""
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {text!r:.40} is no NAME=VALUE", hint=f"as in {option} NAME=VALUE.")
        pairs[name] = value
    return tuple(sorted(pairs.items()))


def parse_env(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the variables of ``--env``. Raises ``UsageError`` for what is none, or looks like a secret."""
    pairs = parse_pairs("--env", texts)
    for name, value in pairs:
        if not re.fullmatch(r"[A-Za-z_]\w{0,1023}", name):
            raise UsageError(f"--env {name!r:.40} is no name of a variable", hint="letters, digits and _.")
        if _SECRET_WORDS & set(name.upper().split("_")) or _SECRET_VALUE.fullmatch(value):
            raise UsageError(
                f"--env {name} looks like a secret, which everybody who may describe the model could read",
                hint="no token belongs on AWS; copy gated weights to S3 and deploy with --weights s3://bucket/prefix/.",
            )
    return pairs


def parse_tags(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the tags of ``--tag``. Raises ``UsageError`` for those of voxctl and AWS themselves."""
    pairs = parse_pairs("--tag", texts)
    for key, _ in pairs:
        if key.lower().startswith(("voxctl:", "aws:")):
            raise UsageError(f"--tag {key!r:.60} is not yours to set", hint="choose a name without voxctl: or aws:.")
    return pairs


def checked_weights(weights: str) -> str:
    """Return what ``--weights`` says, a prefix ended by a slash. Raises ``UsageError``."""
    if weights == "hf":
        return weights
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?", weights):
        raise UsageError(
            f"--weights {weights!r:.80} is neither hf nor in S3", hint="as in --weights s3://bucket/voxtral/."
        )
    return weights.rstrip("/") + "/"


def checked_delay(delay_ms: int | None) -> int | None:
    """Return what ``--delay-ms`` says. Raises ``UsageError`` for a delay that the model was not made for."""
    if delay_ms is not None and delay_ms != 2400 and not (80 <= delay_ms <= 1200 and delay_ms % 80 == 0):
        raise UsageError(f"--delay-ms {delay_ms} is none of the model's", hint="80 to 1200 in steps of 80, or 2400.")
    return delay_ms


def checked_log_days(days: int) -> int:
    """Return what ``--log-days`` says. Raises ``UsageError`` for what CloudWatch does not offer."""
    if days not in _LOG_DAYS:
        nearest = min(_LOG_DAYS, key=lambda offered: abs(offered - days))
        raise UsageError(f"--log-days {days} is not offered by CloudWatch", hint=f"--log-days {nearest}")
    return days


def checked_role(role: str | None) -> str | None:
    """Return what ``--role`` names. Raises ``UsageError`` for no ARN."""
    if role and not re.fullmatch(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+", role):
        raise UsageError(f"--role {role!r:.80} is no role", hint="as in --role arn:aws:iam::123456789012:role/mine.")
    return role or None


def parse_network(subnets: str | None, groups: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return subnets and security groups. Raises ``UsageError`` for one without the other, or what is none."""
    found = [_ids("--subnets", "subnet-", subnets), _ids("--security-groups", "sg-", groups)]
    if bool(found[0]) != bool(found[1]):
        raise UsageError(
            "--subnets and --security-groups belong together", hint="--subnets subnet-1,subnet-2 --security-groups sg-1"
        )
    return found[0], found[1]


def _ids(option: str, prefix: str, text: str | None) -> tuple[str, ...]:
    ids = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    for one in ids:
        if not re.fullmatch(rf"{prefix}[0-9a-z]+", one):
            raise UsageError(f"{option}: {one!r:.40} is none", hint=f"as in {option} {prefix}0abc,{prefix}0def.")
    return ids


class Machine(NamedTuple):
    """Which instances, and where."""

    instance_type: str
    instances: int
    ami_version: str
    subnets: str | None
    security_groups: str | None
    kms_key: str | None


class Container(NamedTuple):
    """What runs on them."""

    image: str | None
    model: str | None
    weights: str
    delay_ms: int | None
    role: str | None
    env: Sequence[str]
    download_timeout: int
    startup_timeout: int


class Wish(NamedTuple):
    """One endpoint as it is asked for. Its methods raise ``UsageError`` for what cannot be."""

    name: str
    machine: Machine
    container: Container
    log_days: int
    tags: Sequence[str]
    ttl: str | None
    timeout: str | None

    @property
    def ttl_s(self) -> int | None:
        """How long it lives, ``None`` for as long as nobody deletes it."""
        return parse_duration(self.ttl, "--ttl", least_s=_LEAST_TTL_S) if self.ttl else None

    @property
    def limit_s(self) -> int:
        """How long may be waited for it."""
        if self.timeout:
            return parse_duration(self.timeout, "--timeout")
        return self.container.download_timeout + self.container.startup_timeout + _BESIDE_S

    def spec(self) -> Spec:
        """Return what is to be deployed; an image of ``""`` is the newest."""
        from voxctl.aws.names import checked_name
        from voxctl.aws.spec import Spec

        machine, container = self.machine, self.container
        subnets, groups = parse_network(machine.subnets, machine.security_groups)
        return Spec(
            name=checked_name(self.name),
            image=container.image or "",
            model=container.model or DEFAULT_MODEL,
            role=checked_role(container.role),
            weights=checked_weights(container.weights),
            delay_ms=checked_delay(container.delay_ms),
            instance_type=machine.instance_type,
            instances=machine.instances,
            subnets=subnets,
            security_groups=groups,
            kms_key=machine.kms_key or None,
            ami_version=machine.ami_version or None,
            download_limit_s=container.download_timeout,
            startup_limit_s=container.startup_timeout,
            log_days=checked_log_days(self.log_days),
            env=parse_env(container.env),
            tags=parse_tags(self.tags),
        )
