"""When a connection has lasted long enough: numbers, without a wire. Pure."""

from __future__ import annotations

from voxctl.session.policy import Policy

#: The part of a model's context that is used before another connection takes over.
_CONTEXT_USED = 0.8
#: A context so short that rotating would never end is not rotated for, in seconds.
_LEAST_S = 6.0
#: After a server let no second connection in, it is left alone for this long, in seconds.
_PUT_OFF_S = 30.0


class Rotation:
    """Knows how much audio a connection may hear, as far as it was configured, measured or learnt."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._context_s: float | None = None
        self._not_before_s = 0.0

    def learn(self, audio_s: float) -> None:
        """A model's context ended after so much audio."""
        self._context_s = audio_s

    def put_off(self, now_s: float) -> None:
        """It could not be done now."""
        self._not_before_s = now_s + _PUT_OFF_S

    def due(self, now_s: float, *, audio_s: float, age_s: float, model_s: float | None) -> bool:
        """Whether a connection that heard ``audio_s`` and is ``age_s`` old should be followed by another.

        ``model_s`` is what suits the model, ``None`` if its connections may last.
        """
        if now_s < self._not_before_s:
            return False
        rotate_s = model_s if self._policy.rotate_s is None else self._policy.rotate_s or None
        limits = [] if rotate_s is None else [rotate_s]
        if self._context_s is not None and self._context_s * _CONTEXT_USED >= _LEAST_S:
            limits.append(self._context_s * _CONTEXT_USED)
        return age_s >= self._policy.connection_s or any(audio_s >= limit_s for limit_s in limits)
