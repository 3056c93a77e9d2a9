"""One person's AWS: the profile, the region, the addresses, and clients of the control plane. Blocking.

Everything is asked of botocore, so that it is as the AWS CLI has it. boto3 adds nothing that is needed here and takes
longer to load.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import botocore.session
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError
from botocore.utils import validate_region_name

from voxctl.aws.faults import renamed
from voxctl.errors import UsageError

#: The port of SageMaker's runtime that answers streams.
RUNTIME_PORT = 8443
#: Services by botocore's names. It does not have the one of streams, for which the SDK reads
#: AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2; its host is that of the runtime.
SAGEMAKER, LOGS, STREAMS, _RUNTIME = "sagemaker", "logs", "sagemaker-runtime-http2", "sagemaker-runtime"

# botocore logs failures that it raises too; without anybody listening Python would show them at the terminal.
logging.getLogger("botocore").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Account:
    """A session of botocore and the region it is used in."""

    session: Any
    region: str

    def client(self, service: str, *, limit_s: float = 3.0, attempts: int = 2) -> Any:
        """Return a client of the control plane that gives up soon. Raises ``AwsError``."""
        config = Config(
            connect_timeout=limit_s,
            read_timeout=limit_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        try:
            return self.session.create_client(service, region_name=self.region, config=config)
        except (BotoCoreError, ValueError) as exc:
            raise renamed(exc, f"AWS's {service} cannot be asked") from exc


def new_session(profile: str | None) -> Any:
    """Return botocore's session for a profile of the AWS configuration. Raises ``AwsError``, ``UsageError``."""
    session = botocore.session.Session(profile=profile)
    try:
        session.get_scoped_config()
    except BotoCoreError as exc:
        raise renamed(exc, "the AWS configuration cannot be used") from exc
    return session


def open_account(profile: str | None = None, region: str | None = None) -> Account:
    """Return whose AWS it is, and where: ``region``, else AWS_REGION, AWS_DEFAULT_REGION or the profile's.

    Raises ``UsageError`` where no region is named or it is none, ``AwsError`` for a configuration that cannot be read.
    """
    session = new_session(profile)
    region = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise UsageError("no AWS region is named", hint="say which: --region us-east-1, VOXCTL_REGION or AWS_REGION.")
    try:
        validate_region_name(region)
    except BotoCoreError as exc:
        raise UsageError(f"--region {region!r} is not a region", hint="a region looks like us-east-1.") from exc
    return Account(session, region)


def configured_url(account: Account, service: str) -> str | None:
    """Return where the AWS configuration says that a service is, ``None`` if it says nothing of it."""
    session = account.session
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    provider = ConfiguredEndpointProvider(
        full_config=session.full_config,
        scoped_config=session.get_scoped_config(),
        client_name=service,
    )
    return cast(str | None, provider.provide())


def runtime_url(account: Account) -> str:
    """Return where SageMaker's runtime answers streams in a region of any partition: botocore's address and our port.

    AWS_USE_FIPS_ENDPOINT and the profile's ``use_fips_endpoint`` are obeyed. Raises ``AwsError``.
    """
    session = account.session
    loader = session.get_component("data_loader")
    try:
        rules = EndpointProvider(
            loader.load_service_model(_RUNTIME, "endpoint-rule-set-1"), loader.load_data("partitions")
        )
        found = rules.resolve_endpoint(
            Region=account.region, UseFIPS=bool(session.get_config_variable("use_fips_endpoint")), UseDualStack=False
        )
    except BotoCoreError as exc:
        raise renamed(exc, f"no address is known for SageMaker in {account.region}") from exc
    return f"{found.url}:{RUNTIME_PORT}"


def ca_bundle(account: Account) -> Path | None:
    """Return the certificates to trust as AWS_CA_BUNDLE or the profile's ``ca_bundle`` has them."""
    path = account.session.get_config_variable("ca_bundle")
    return Path(path).expanduser() if path else None
