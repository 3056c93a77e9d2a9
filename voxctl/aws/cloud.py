"""Calls of AWS's control plane by their names, with errors of ours. Blocking; may be used by several threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, cast

from botocore import xform_name
from botocore.exceptions import UnknownRegionError

from voxctl.aws.client import Account
from voxctl.aws.faults import FAILURES, renamed, unanswered
from voxctl.aws.names import Place
from voxctl.errors import AwsError

_LIMIT_S = 15.0
#: How often what only reads is asked, and how its operations begin.
_ATTEMPTS = 3
_READS = ("BatchGet", "Describe", "Filter", "Get", "List")


class Cloud:
    """One account in one region. Clients are made when they are first needed, and kept.

    What only reads is asked again where that may help; what changes something is asked once: whoever changes it knows
    what may be repeated.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._clients: dict[tuple[str, int], Any] = {}
        self._lock = Lock()

    @property
    def region(self) -> str:
        """The region that is asked."""
        return self.account.region

    def elsewhere(self, region: str) -> Cloud:
        """Return the same account in another region."""
        return Cloud(Account(self.account.session, region))

    def call(self, service: str, operation: str, what: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return AWS's answer. Raises ``AwsError``, which says ``what`` failed."""
        try:
            return getattr(self._client(service, operation), xform_name(operation))(**(parameters or {}))
        except FAILURES as exc:
            raise self._error(service, exc, what) from exc

    def pages(
        self, service: str, operation: str, what: str, key: str, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield what all pages of an answer have under ``key``. Raises ``AwsError``."""
        try:
            found = self._client(service, operation).get_paginator(xform_name(operation)).paginate(**(parameters or {}))
            for page in found:
                yield from page.get(key, [])
        except FAILURES as exc:
            raise self._error(service, exc, what) from exc

    def _client(self, service: str, operation: str) -> Any:
        attempts = _ATTEMPTS if operation.startswith(_READS) else 1
        with self._lock:  # a session of botocore makes one client at a time
            if (service, attempts) not in self._clients:
                self._clients[service, attempts] = self.account.client(service, limit_s=_LIMIT_S, attempts=attempts)
            return self._clients[service, attempts]

    def _error(self, service: str, exc: Exception, what: str) -> AwsError:
        if service == "sagemaker" and unanswered(exc) and self.region not in regions(self.account):
            return AwsError(
                f"nobody answers for SageMaker in {self.region}: AWS does not have it there, as far as is known here",
                hint="choose another region, as in --region us-east-1.",
            )
        return renamed(exc, what)


def partition(account: Account) -> str:
    """Return the partition of the account's region: ``aws``, ``aws-cn`` and so on."""
    try:
        return str(account.session.get_partition_for_region(account.region))
    except UnknownRegionError:
        return "aws"


def regions(account: Account) -> list[str]:
    """Return the regions of the same partition that have SageMaker, as far as botocore knows."""
    return cast(list[str], account.session.get_available_regions("sagemaker", partition(account)))


def place_of(cloud: Cloud) -> Place:
    """Return whose account it is, by asking AWS. Raises ``AwsError``."""
    answer = cloud.call("sts", "GetCallerIdentity", "AWS does not accept the credentials")
    return Place(str(answer["Account"]), cloud.region, partition(cloud.account))
