"""Why there is no open stream: the connection could not be made, or the call on it got no answer. Pure: no SDK."""

from __future__ import annotations

from voxctl.errors import ConnectFailed
from voxctl.transport.sagemaker_faults import log_group
from voxctl.transport.sagemaker_target import RUNTIME_PORT, SageMakerTarget


def name_of(error: BaseException) -> str:
    """Return what the SDK's C library calls an error, or what Python does."""
    return str(getattr(error, "name", "") or type(error).__name__)


def words_of(error: BaseException) -> str:
    """Return the name of an error in words: ``AWS_ERROR_HTTP_GOAWAY_RECEIVED`` is "goaway received"."""
    name = name_of(error)
    for prefix in ("AWS_", "ERROR_", "IO_", "HTTP_"):
        name = name.removeprefix(prefix)
    return name.replace("_", " ").lower() if name.isupper() else name


def hung_up(target: SageMakerTarget, how: str) -> ConnectFailed:
    """Return our error for a connection that ended before the call was answered."""
    said = f"{target.host}:{target.port} hung up before it answered the call ({how})"
    return ConnectFailed(said, hint="is it SageMaker's runtime, and not full? Try again later.", passing=True)


def silent(target: SageMakerTarget) -> ConnectFailed:
    """Return our error for a call that was taken and not answered."""
    where = f"{target.host}:{target.port}"
    if target.port != RUNTIME_PORT:
        return ConnectFailed(
            f"{where} took the call and did not answer it within {target.patience_s:g} s",
            hint=f"SageMaker answers streams on port {RUNTIME_PORT}, not {target.port}; check --endpoint-url.",
        )
    return ConnectFailed(
        f"{target.label} took the call and did not answer it within {target.patience_s:g} s",
        hint="a CUDA 13 image needs InferenceAmiVersion al2023-ami-sagemaker-inference-gpu-4-1; see the container's "
        f"log group {log_group(target.endpoint_name)}.",
        timed_out=True,
    )


def not_http2(target: SageMakerTarget) -> ConnectFailed:
    """Return our error for a server that is not asked further."""
    return ConnectFailed(
        f"{target.host}:{target.port} does not speak HTTP/2",
        hint="does a proxy on the way take TLS apart? It must pass HTTP/2.",
    )


def slow(target: SageMakerTarget) -> ConnectFailed:
    """Return our error for a connection that did not come about in time."""
    return ConnectFailed(
        f"no connection to {target.host}:{target.port} within {target.open_s:g} s",
        hint=f"do firewalls let you through to port {target.port}? Behind a proxy, set HTTPS_PROXY.",
        timed_out=True,
    )


def connect_failed(error: BaseException, target: SageMakerTarget) -> ConnectFailed:
    """Return our error for a connection that the SDK's library could not make."""
    name = name_of(error)
    where = f"{target.host}:{target.port}"
    if "PROXY" in name or (target.proxy and ("REFUSED" in name or "DNS" in name)):
        return ConnectFailed(
            f"the proxy did not let us through to {where} ({words_of(error)})",
            hint=f"have CONNECT to port {target.port} allowed, or name the host in NO_PROXY.",
        )
    if "DNS" in name:
        return ConnectFailed(
            f"no address is known for {where}", hint="check --region and --endpoint-url, and your network."
        )
    if "REFUSED" in name:
        return ConnectFailed(f"nobody is listening at {where}", hint="check the host and port in --endpoint-url.")
    if "UNSUPPORTED_PROTOCOL" in name or "ALPN" in name:
        return not_http2(target)
    if "TIMEOUT" in name:
        return slow(target)
    said = f"no connection to {where}: {words_of(error)}"
    return ConnectFailed(said, hint=f"do firewalls let you through to port {target.port}?")
