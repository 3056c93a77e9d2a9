"""What is to be deployed, and what SageMaker is asked for to have it. Pure.

Sources: SageMaker's API reference; AWS's own sample for bidirectional streaming, which needs ``InferenceAmiVersion``
with an image of CUDA 13 (without it streams are accepted and never answered).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voxctl.aws.names import MANAGED_TAG, MANAGED_VALUE, Place, log_group, run_role, with_digest

#: Whose endpoint a model, a configuration or a role belongs to.
ENDPOINT_TAG = "voxctl:endpoint"
USUAL_TYPE, USUAL_AMI = "ml.g6.4xlarge", "al2023-ami-sagemaker-inference-gpu-4-1"
#: The weights are downloaded from the Hugging Face Hub by the container itself.
HUB = "hf"
VARIANT = "AllTraffic"
#: Types whose disks are their own: SageMaker takes no key for them, as they are encrypted by the hardware.
_OWN_DISKS = ("ml.g4", "ml.g5", "ml.g6", "ml.g7", "ml.p4", "ml.p5", "ml.p6")


@dataclass(frozen=True, slots=True)
class Spec:
    """One endpoint. ``role`` is an ARN, ``None`` for one that is made. ``weights``: ``hf`` or an address in S3."""

    name: str
    image: str
    model: str
    role: str | None = None
    weights: str = HUB
    delay_ms: int | None = None
    instance_type: str = USUAL_TYPE
    instances: int = 1
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str | None = None
    ami_version: str | None = USUAL_AMI
    download_limit_s: int = 1800
    startup_limit_s: int = 1800
    log_days: int = 14
    env: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def encrypts_volume(self) -> bool:
        """Whether the key is for the instance's volume too."""
        return self.kms_key is not None and not self.instance_type.startswith(_OWN_DISKS)


@dataclass(frozen=True, slots=True)
class Requests:
    """What makes a ``Spec``: the parameters of the calls, names included."""

    model: dict[str, Any]
    config: dict[str, Any]
    endpoint: dict[str, Any]
    log_group: str

    @property
    def model_name(self) -> str:
        """The model's name."""
        return str(self.model["ModelName"])

    @property
    def config_name(self) -> str:
        """The configuration's name."""
        return str(self.config["EndpointConfigName"])


def tags_of(name: str, more: tuple[tuple[str, str], ...] = ()) -> list[dict[str, str]]:
    """Return the tags of everything that belongs to an endpoint."""
    pairs = {**dict(more), MANAGED_TAG: MANAGED_VALUE, ENDPOINT_TAG: name}
    return [{"Key": key, "Value": value} for key, value in sorted(pairs.items())]


def requests_of(spec: Spec, place: Place) -> Requests:
    """Return the calls' parameters. Their names change with what they hold, tags left out."""
    tags = tags_of(spec.name, spec.tags)
    model = _model(spec, place)
    model_name = with_digest(spec.name, model)
    config = _config(spec, model_name)
    config_name = with_digest(spec.name, config)
    return Requests(
        model={"ModelName": model_name, **model, "Tags": tags},
        config={"EndpointConfigName": config_name, **config, "Tags": tags},
        endpoint={"EndpointName": spec.name, "EndpointConfigName": config_name, "Tags": tags},
        log_group=log_group(spec.name),
    )


def _model(spec: Spec, place: Place) -> dict[str, Any]:
    container: dict[str, Any] = {"Image": spec.image, "Environment": _environment(spec)}
    if spec.weights != HUB:
        source = {"S3Uri": spec.weights, "S3DataType": "S3Prefix", "CompressionType": "None"}
        container["ModelDataSource"] = {"S3DataSource": source}
    model: dict[str, Any] = {
        "PrimaryContainer": container,
        "ExecutionRoleArn": spec.role or place.role_arn(run_role(spec.name, place.region)),
        # The container has no network at all then, and needs none.
        "EnableNetworkIsolation": spec.weights != HUB,
    }
    if spec.subnets:
        model["VpcConfig"] = {"Subnets": list(spec.subnets), "SecurityGroupIds": list(spec.security_groups)}
    return model


def _environment(spec: Spec) -> dict[str, str]:
    name, _, revision = spec.model.partition("@")
    found = {"SM_VLLM_SERVED_MODEL_NAME": name}
    if spec.weights == HUB:
        found["HF_MODEL_ID"] = name
        if revision:
            found["SM_VLLM_REVISION"] = revision
    if spec.delay_ms is not None:
        found["VOXCTL_DELAY_MS"] = str(spec.delay_ms)
    return found | dict(spec.env)


def _config(spec: Spec, model_name: str) -> dict[str, Any]:
    variant: dict[str, Any] = {
        "VariantName": VARIANT,
        "ModelName": model_name,
        "InstanceType": spec.instance_type,
        "InitialInstanceCount": spec.instances,
        "InitialVariantWeight": 1.0,
        "ModelDataDownloadTimeoutInSeconds": spec.download_limit_s,
        "ContainerStartupHealthCheckTimeoutInSeconds": spec.startup_limit_s,
        # Streams are long and unequal: the next one belongs where the fewest are open.
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }
    if spec.ami_version:
        variant["InferenceAmiVersion"] = spec.ami_version
    config: dict[str, Any] = {"ProductionVariants": [variant]}
    if spec.encrypts_volume:
        config["KmsKeyId"] = spec.kms_key
    return config
