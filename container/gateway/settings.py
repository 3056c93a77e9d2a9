"""What the gateway is told by the environment, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The model was trained for these delays, in milliseconds.
DELAYS_MS = (*range(80, 1201, 80), 2400)


class SettingWrong(Exception):
    """A variable holds what it cannot; the text names it and says what it may hold."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``max_streams``: streams at a time, ``None`` for no limit. ``emf_s``: seconds between two records of metrics for
    CloudWatch, 0 for none. ``endpoint``: the name under which they are filed. ``delay_ms``: the model's transcription
    delay, ``None`` for its own. ``drain_s``: how long streams may go on after SIGTERM.
    """

    max_streams: int | None = None
    emf_s: int = 60
    endpoint: str = ""
    delay_ms: int | None = None
    drain_s: int = 8

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Return what the environment says. Raises ``SettingWrong``.

        Without a limit of its own, vLLM's holds: a stream beyond it would wait there without a word.
        """
        limit = "VOXCTL_MAX_STREAMS" if environment.get("VOXCTL_MAX_STREAMS") else "SM_VLLM_MAX_NUM_SEQS"
        delay_ms = _number(environment, "VOXCTL_DELAY_MS", least=0)
        if delay_ms is not None and delay_ms not in DELAYS_MS:
            raise SettingWrong(f"VOXCTL_DELAY_MS={delay_ms}: the delay is 80 to 1200 in steps of 80, or 2400")
        emf_s = _number(environment, "VOXCTL_EMF_SECONDS", least=0)
        drain_s = _number(environment, "VOXCTL_DRAIN_SECONDS", least=0)
        return cls(
            max_streams=_number(environment, limit, least=1),
            emf_s=60 if emf_s is None else emf_s,
            endpoint=environment.get("VOXCTL_ENDPOINT", ""),
            delay_ms=delay_ms,
            drain_s=8 if drain_s is None else drain_s,
        )


def _number(environment: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise SettingWrong(f"{name}={text}: give a whole number, {least} or more")
    return int(text)
