"""Credentials as botocore finds them: environment, profiles, SSO, roles, web identity, containers, instances."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, NamedTuple

from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError

from voxctl.aws.client import Account, new_session
from voxctl.aws.faults import FAILURES, renamed
from voxctl.errors import AwsError


class Keys(NamedTuple):
    """What signs requests."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None

    def __repr__(self) -> str:
        return f"Keys({self.access_key_id!r}, …)"


def credentials_of(account: Account, *, limit_s: float = 8.0) -> Callable[[], Awaitable[Keys]]:
    """Return what gives keys that are good now, within ``limit_s``. Raises ``AwsError`` when it is asked.

    Keys that botocore can renew are renewed when they are about to expire. Others are looked up again each time, as
    somebody may have renewed them meanwhile.
    """
    source = _Source(account)

    async def keys() -> Keys:
        looking = asyncio.wrap_future(_started(source.keys))
        looking.add_done_callback(lambda looked: looked.cancelled() or looked.exception())  # it may come too late
        await asyncio.wait({looking}, timeout=limit_s)
        if not looking.done():
            raise AwsError(
                f"AWS credentials were not found within {limit_s:g} s",
                hint="`aws sts get-caller-identity` tries the same; name keys with --profile or AWS_PROFILE.",
            )
        return looking.result()

    return keys


def _started(work: Callable[[], Keys]) -> Future[Keys]:
    """Do ``work`` on a thread that nobody has to wait for when the program ends; those of asyncio's pool are."""
    looking: Future[Keys] = Future()

    def run() -> None:
        try:
            looking.set_result(work())
        except AwsError as exc:
            looking.set_exception(exc)
        finally:
            if not looking.done():  # a bug, whose traceback Python shows
                looking.set_exception(RuntimeError("the search for AWS credentials failed"))

    Thread(target=run, name="voxctl-credentials", daemon=True).start()
    return looking


class _Source:
    def __init__(self, account: Account) -> None:
        self._account = account
        self._found: Any = None

    def keys(self) -> Keys:
        try:
            if self._found is None or type(self._found) is Credentials:
                self._found = self._look_up()
            frozen = self._found.get_frozen_credentials()
        # The others are what a `credential_process` brings about that is not there, or prints something else.
        except (*FAILURES, ValueError, OSError) as exc:
            raise renamed(exc, "there are no AWS credentials to use") from exc
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def _look_up(self) -> Any:
        before = self._account.session
        session = new_session(before.profile) if self._found else before
        found = session.get_credentials()
        if found is None:
            raise NoCredentialsError
        return found
