"""Carries out `voxctl build`: looks at what there is, makes the plan, takes its steps, tells the result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxctl.aws.client import Account, open_account
from voxctl.aws.registry import Login, has_repository, make_repository, registry_login, stored_image
from voxctl.cli.build_options import BuilderName
from voxctl.errors import UsageError
from voxctl.image.commands import Builder, Engine, Recipe, environment_for, identity_command
from voxctl.image.engines import found_engine
from voxctl.image.manifest import MEDIA_TYPES, check_manifest
from voxctl.image.names import Ecr, ImageName, ecr_of
from voxctl.image.output import Output
from voxctl.image.plan import Action, Step, plan_here
from voxctl.image.process import Log, asked, carried_out, new_log
from voxctl.image.signs import error_from
from voxctl.ui.building import BuildView

_ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built, and how, as the command line has it."""

    builder: BuilderName
    image: ImageName
    platform: str
    base_image: str | None
    folder: Path
    push: bool
    region: str | None
    profile: str | None
    dry_run: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an image is pushed: a repository in ECR, and whose."""

    account: Account
    image: ImageName
    ecr: Ecr

    async def has_repository(self) -> bool:
        """Whether it is there already."""
        return await asyncio.to_thread(has_repository, self.account, self.ecr.account, self.image.repository)

    async def make_repository(self) -> None:
        """Make it."""
        await asyncio.to_thread(make_repository, self.account, self.ecr.account, self.image.repository)

    async def check(self, pushed: str | None) -> str:
        """Read the manifest back, judge it, and return its digest."""
        image = self.image
        stored = await asyncio.to_thread(
            stored_image, self.account, self.ecr.account, image.repository, image.tag, MEDIA_TYPES
        )
        check_manifest(str(image), stored.media_type, stored.manifest, stored.digest, pushed)
        return stored.digest


async def carry_out(order: Order, view: BuildView) -> None:
    """Build, and push if that was asked for; write the image's name to stdout."""
    if order.builder is BuilderName.CODEBUILD:
        from voxctl.cli.building_aws import carry_out_in_aws

        await carry_out_in_aws(order, view)
        return
    engine = await found_engine(None if order.builder is BuilderName.AUTO else Builder(order.builder))
    destination = await open_destination(order) if order.push else None
    image = destination.image if destination else order.image
    recipe = Recipe(str(order.folder), image, order.platform, order.base_image)
    has_repository = await destination.has_repository() if destination else False
    plan = plan_here(engine, recipe, push=order.push, has_repository=has_repository)
    if order.dry_run:
        show_plan(plan, order, view)
        return
    with new_log() as log:
        view.say(f"building with {engine}; the log is {log.path}")
        work = _Here(order, view, engine, destination, log)
        for step in plan:
            await work.take(step)
        identity = await asked(identity_command(engine, image), limit_s=_ASK_S)
    show_result(order, view, image, work.digest, str(engine.builder), identity.out if identity else None)


async def open_destination(order: Order) -> Destination:
    """Return where the image goes: where its name says, else the caller's own registry. Raises ``AwsError``."""
    named = order.image.ecr
    account = await asyncio.to_thread(open_account, order.profile, named.region if named else order.region)
    if named:
        return Destination(account, order.image, named)
    login = await asyncio.to_thread(registry_login, account)
    return Destination(account, order.image.at(login.host), registry_of(login))


def registry_of(login: Login) -> Ecr:
    """Return whose registry a login is for. Raises ``UsageError`` for one that is not AWS's."""
    ecr = ecr_of(login.host)
    if ecr is None:
        raise UsageError(f"{login.host} is no registry of Amazon ECR", hint="check AWS_ENDPOINT_URL_ECR.")
    return ecr


def show_plan(plan: tuple[Step, ...], order: Order, view: BuildView) -> None:
    """Write the plan to stdout, a step a line."""
    if order.as_json:
        steps = [{"action": str(step.action), "text": step.text, "command": list(step.command)} for step in plan]
        view.document(json.dumps({"steps": steps}, ensure_ascii=False))
        return
    for number, step in enumerate(plan, 1):
        view.document(f"{number}. {step.shown}")


def show_result(
    order: Order, view: BuildView, image: ImageName, digest: str | None, builder: str, identity: str | None
) -> None:
    """Write to stdout what was made: the image by its digest once it is pushed, else by its name."""
    uri = f"{image.host}/{image.repository}@{digest}" if digest else str(image)
    if order.as_json:
        result: Mapping[str, Any] = {
            "image": str(image),
            "digest": digest,
            "uri": uri,
            "id": identity or None,
            "builder": builder,
            "pushed": order.push,
        }
        view.document(json.dumps(result))
        return
    if digest:
        view.say(f"{image} is what SageMaker takes")
    view.document(uri)


class _Here:
    """Takes the steps of a plan on this machine. ``digest`` is that of the pushed image, once it was read back."""

    def __init__(
        self, order: Order, view: BuildView, engine: Engine, destination: Destination | None, log: Log
    ) -> None:
        self.digest: str | None = None
        self._order = order
        self._view = view
        self._engine = engine
        self._destination = destination
        self._log = log
        self._pushed: str | None = None

    async def take(self, step: Step) -> None:
        """Take a step, and raise the ``VoxError`` that it came to instead."""
        output = Output(self._view.stage)
        with self._view.step(step.text, lambda: output.progress):
            if step.command:
                await self._run(step, output)
            elif step.action is Action.REPOSITORY and self._destination:
                await self._destination.make_repository()
            elif step.action is Action.CHECK and self._destination:
                self.digest = await self._destination.check(self._pushed)
        if step.action is Action.PUSH:
            self._pushed = output.digest

    async def _run(self, step: Step, output: Output) -> None:
        secret = await self._password(step.place) if step.action is Action.LOGIN else None
        code = await carried_out(step.command, environment_for(self._engine), self._log, output.feed, secret=secret)
        if code:
            for line in output.tail:
                self._view.say(f"| {line}")
            raise error_from(output.tail, f"to {step.text}", code, str(self._log.path))

    async def _password(self, host: str) -> str:
        ecr = ecr_of(host)
        region = ecr.region if ecr else self._order.region
        if self._destination and self._destination.account.region == region:
            account = self._destination.account
        else:
            account = await asyncio.to_thread(open_account, self._order.profile, region)
        return (await asyncio.to_thread(registry_login, account)).password
