"""Carries out `voxctl build --builder codebuild`: all of it happens in AWS, and its log is followed from here."""

from __future__ import annotations

import asyncio
import time

from voxctl.aws import codebuild
from voxctl.aws.codebuild_documents import PROJECT, Place
from voxctl.aws.registry import registry_login
from voxctl.cli.building import Destination, Order, open_destination, registry_of, show_plan, show_result
from voxctl.errors import AwsError, VoxError
from voxctl.image.commands import Recipe
from voxctl.image.folder import named_by_content, packed
from voxctl.image.names import ecr_of, host_of
from voxctl.image.output import Output, plain
from voxctl.image.plan import Action, Step
from voxctl.image.process import Log, new_log
from voxctl.image.remote import plan_remote, script
from voxctl.image.signs import error_from
from voxctl.ui.building import BuildView

#: The name and the bytes of the archive that is built.
type Source = tuple[str, bytes]

#: How long CodeBuild may take to learn of a new role, and the waits between two looks, in seconds.
ROLE_S, FIRST_LOOK_S, LAST_LOOK_S = 60.0, 0.25, 5.0
#: What CodeBuild calls the stages of a build → what they are to a person.
_PHASES = {
    "QUEUED": "waiting for a machine",
    "PROVISIONING": "starting a machine",
    "DOWNLOAD_SOURCE": "fetching the source",
    "BUILD": "building",
    "FINALIZING": "ending",
}


async def carry_out_in_aws(order: Order, view: BuildView) -> None:
    """Build and push in AWS; write the image's name to stdout."""
    destination = await open_destination(order)
    # Its machines are the caller's, whoever's registry the image goes to.
    own = registry_of(await asyncio.to_thread(registry_login, destination.account))
    place = _place(order, destination, own.account)
    archive = packed(order.folder)
    key = named_by_content(archive)
    missing = await _missing(destination, place)
    commands = script(Recipe(".", destination.image, order.platform, order.base_image))
    plan = plan_remote(destination.image, missing, f"s3://{place.bucket}/{key}", commands)
    if order.dry_run:
        show_plan(plan, order, view)
        return
    with new_log() as log:
        work = _InAws(view, destination, place, log, commands, (key, archive))
        for step in plan:
            await work.take(step)
    show_result(order, view, destination.image, work.digest, "codebuild", None)


def _place(order: Order, destination: Destination, account: str) -> Place:
    ecr, partition = destination.ecr, codebuild.partition_of(destination.account)
    host = host_of(order.base_image or "")
    base = ecr_of(host)
    name = (order.base_image or "").removeprefix(f"{host}/").partition("@")[0].partition(":")[0]
    arn = f"arn:{partition}:ecr:{base.region}:{base.account}:repository/{name}" if base else None
    return Place(partition, account, ecr.region, destination.image.repository, ecr.account, arn)


async def _missing(destination: Destination, place: Place) -> dict[Action, str]:
    """Return what has to be made first, in its order, each with a line on it."""
    seen = await asyncio.to_thread(codebuild.observe, destination.account, place)
    steps = (
        (await destination.has_repository(), Action.REPOSITORY, ""),
        (seen.bucket, Action.BUCKET, f"make the bucket {place.bucket}, closed to the public"),
        (seen.role, Action.ROLE, f"make the role {place.role}, which may push to {place.repository} and little else"),
        (seen.project, Action.PROJECT, f"make the project {PROJECT} in CodeBuild"),
    )
    return {action: text for there, action, text in steps if not there}


class _InAws:
    """Takes the steps of a plan in AWS. ``digest`` is that of the pushed image, once it was read back."""

    def __init__(
        self,
        view: BuildView,
        destination: Destination,
        place: Place,
        log: Log,
        commands: tuple[str, ...],
        source: Source,
    ) -> None:
        self.digest: str | None = None
        self._view = view
        self._destination = destination
        self._place = place
        self._log = log
        self._commands = commands
        self._source = source
        self._pushed: str | None = None

    async def take(self, step: Step) -> None:
        """Take a step, and raise the ``VoxError`` that it came to instead."""
        account, place = self._destination.account, self._place
        output = Output(self._view.stage)
        with self._view.step(step.text, lambda: output.progress):
            match step.action:
                case Action.REPOSITORY:
                    await self._destination.make_repository()
                case Action.BUCKET:
                    await asyncio.to_thread(codebuild.make_bucket, account, place)
                case Action.ROLE:
                    await asyncio.to_thread(codebuild.make_role, account, place)
                case Action.PROJECT:
                    await self._make_project()
                case Action.UPLOAD:
                    key, archive = self._source
                    await asyncio.to_thread(codebuild.upload, account, place, key, archive)
                case Action.REMOTE:
                    await self._build(output)
                case Action.CHECK:
                    self.digest = await self._destination.check(self._pushed)

    async def _make_project(self) -> None:
        deadline_s, wait_s = time.monotonic() + ROLE_S, FIRST_LOOK_S
        while not await asyncio.to_thread(codebuild.make_project, self._destination.account, self._place):
            if time.monotonic() > deadline_s:
                raise AwsError(
                    f"CodeBuild does not take the role {self._place.role} after {ROLE_S:.0f} s",
                    hint="run the command again: new roles take a while to be known everywhere.",
                )
            self._view.stage("CodeBuild does not know the new role yet")
            await asyncio.sleep(wait_s)
            wait_s = min(1.5 * wait_s, LAST_LOOK_S)

    async def _build(self, output: Output) -> None:
        account = self._destination.account
        build = await asyncio.to_thread(codebuild.start, account, self._place, self._source[0], self._commands)
        self._view.say(f"the build is {build}; its log is {self._log.path}")
        try:
            progress = await self._followed(build, output)
        except BaseException:
            # Nobody waits for it any more, and an hour of it would be paid for.
            await asyncio.to_thread(codebuild.stop, account, build)
            raise
        self._pushed = output.digest
        if not progress.succeeded:
            raise self._failure(progress, output)

    async def _followed(self, build: str, output: Output) -> codebuild.BuildState:
        """Look at a build until it has ended, and hand its log on."""
        token: str | None = None
        phase, wait_s = "", FIRST_LOOK_S
        while True:
            progress = await asyncio.to_thread(codebuild.look_at, self._destination.account, build)
            if progress.phase != phase and progress.phase in _PHASES:
                self._view.stage(_PHASES[progress.phase])
            phase = progress.phase
            if progress.stream:
                token = await self._read(progress.stream, token, output)
            if progress.ended:
                return progress
            await asyncio.sleep(wait_s)
            wait_s = min(1.5 * wait_s, LAST_LOOK_S)

    async def _read(self, stream: str, token: str | None, output: Output) -> str | None:
        """Read the log to its present end."""
        while True:
            lines, following = await asyncio.to_thread(
                codebuild.read_log, self._destination.account, self._place, stream, token
            )
            for line in lines:
                text = plain(line)
                self._log.write(text)
                output.feed(text)
            if not lines or following == token:
                return following
            token = following

    def _failure(self, progress: codebuild.BuildState, output: Output) -> VoxError:
        for line in output.tail:
            self._view.say(f"| {line}")
        if progress.link:
            self._view.say(f"in a browser: {progress.link}")
        lines = [*progress.reasons, *output.tail]
        return error_from(lines, f"the build in AWS ended as {progress.status}, and", None, str(self._log.path))
