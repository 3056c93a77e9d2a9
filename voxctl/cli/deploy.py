"""``voxctl deploy``: one endpoint, as it is wanted, and what ends it."""

from __future__ import annotations

from voxctl.cli import aws_options as aws
from voxctl.cli import deploy_options as d
from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import UseOpt
from voxctl.cli.wish import Container, Machine, Wish

_NAME, _TYPE, _AMI = "voxctl", "ml.g6.4xlarge", "al2023-ami-sagemaker-inference-gpu-4-1"


def deploy(
    name: d.NameArg = _NAME,
    use: UseOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    image: d.ImageOpt = None,
    model: d.DeployModelOpt = None,
    weights: d.WeightsOpt = "hf",
    delay_ms: d.DelayOpt = None,
    instance_type: d.InstanceTypeOpt = _TYPE,
    instances: d.InstancesOpt = 1,
    ttl: d.TtlOpt = None,
    role: d.RoleOpt = None,
    subnets: d.SubnetsOpt = None,
    security_groups: d.SecurityGroupsOpt = None,
    kms_key: d.KmsKeyOpt = None,
    ami_version: d.AmiOpt = _AMI,
    download_timeout: d.DownloadOpt = 1800,
    startup_timeout: d.StartupOpt = 1800,
    log_days: d.LogDaysOpt = 14,
    env: d.EnvOpt = [],  # noqa: B006  # typer copies it
    tag: d.TagsOpt = [],  # noqa: B006
    timeout: d.TimeoutOpt = None,
    dry_run: d.DryRunOpt = False,
    yes: d.YesOpt = False,
    no_wait: d.NoWaitOpt = False,
    keep: d.KeepOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Make an endpoint of SageMaker that transcribes, or change the one that is there. Nothing is made unasked.

    What is made first: what ends it (--ttl). When it fails, what was made is taken back, and the reason is shown.
    """
    machine = Machine(instance_type, instances, ami_version, subnets, security_groups, kms_key)
    container = Container(image, model, weights, delay_ms, role, env, download_timeout, startup_timeout)
    wish = Wish(name, machine, container, log_days, tag, ttl, timeout)
    from voxctl.aws.client import open_account
    from voxctl.cli.deploying import How, deployed

    how = How(dry_run, yes, json_, wish.limit_s, not no_wait, keep)
    deployed(open_account(profile, region), wish.spec(), wish.ttl_s, how)
