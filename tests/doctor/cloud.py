"""STS, IAM, ECR and SageMaker's control plane on a loopback port, as far as doctor asks them, for the real botocore."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.aws.services import Endpoint, Json, Services, listening

ROLE = "arn:aws:sts::123456789012:assumed-role/worker/session"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/voxctl:v1"
LABEL = "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"


@dataclass
class Cloud(Services):
    """One account. ``refused`` are actions that IAM's simulation says no to."""

    arn: str = ROLE
    refused: set[str] = field(default_factory=set)
    image: str = IMAGE
    labels: dict[str, str] | None = field(default_factory=lambda: {LABEL: "true"})
    manifest: Json = field(default_factory=lambda: {"config": {"digest": "sha256:00"}})
    principals: list[str] = field(default_factory=list)

    def DescribeEndpoint(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        status, document = super().DescribeEndpoint(given)
        variant = {"VariantName": "AllTraffic", "DeployedImages": [{"SpecifiedImage": self.image}]}
        return status, document | ({"ProductionVariants": [variant]} if status == 200 and self.image else {})

    def BatchGetImage(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        found = {"registryId": given["registryId"], "imageManifest": json.dumps(self.manifest)}
        known = given["repositoryName"] == "voxctl" and given["imageIds"] == [{"imageTag": "v1"}]
        return 200, {"images": [found] if known else []}

    def GetDownloadUrlForLayer(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        return 200, {"downloadUrl": f"{self.url}/blob/{given['layerDigest']}?token=sesame"}

    def get(self, path: str) -> str:
        return "no JSON" if self.labels is None else json.dumps({"config": {"Labels": self.labels}})

    def query(self, fields: dict[str, list[str]]) -> tuple[int, str]:
        action = fields["Action"][0]
        self.asked.append(action)
        if action in self.denied:
            text = f"<Error><Code>AccessDenied</Code><Message>not authorized to perform: {action}</Message></Error>"
            return 403, f"<ErrorResponse>{text}</ErrorResponse>"
        match action:
            case "GetCallerIdentity":
                inner = f"<Arn>{self.arn}</Arn><UserId>u</UserId><Account>123456789012</Account>"
            case "GetRole":
                inner = f"<Role><Arn>arn:aws:iam::123456789012:role/sso/{fields['RoleName'][0]}</Arn></Role>"
            case _:
                self.principals += fields["PolicySourceArn"]
                names = [value[0] for key, value in sorted(fields.items()) if key.startswith("ActionNames")]
                inner = f"<EvaluationResults>{''.join(map(self._decision, names))}</EvaluationResults>"
        return 200, f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"

    def _decision(self, name: str) -> str:
        decision = "implicitDeny" if name in self.refused else "allowed"
        return f"<member><EvalActionName>{name}</EvalActionName><EvalDecision>{decision}</EvalDecision></member>"


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Listen on a free port; an endpoint named ``mine`` is in service."""
    with listening(Cloud(endpoints={"mine": Endpoint(managed=True)})) as made:
        yield made
