"""What the service allows, and what it has counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The service's own figures, in seconds and bytes; the second group bounds the stand-in itself.

    ``accept_s`` is how long the model has to accept the WebSocket. A ping is sent every ``ping_s``; the model is given
    up after ``missed_pings`` without an answer. A stream is cut after ``cut_s``. ``skew_s`` is how far a signature's
    date may be off.
    """

    accept_s: float = 0.25
    ping_s: float = 60.0
    missed_pings: int = 5
    cut_s: float = 1800.0
    skew_s: float = 300.0

    #: Until a remote model's machine takes the TCP connection; not part of ``accept_s``.
    dial_s: float = 5.0
    #: For the goodbye, on either side.
    close_s: float = 2.0
    #: Between two looks at whether the certificate is to be renewed.
    renewal_s: float = 3600.0
    #: A message, PARTIAL parts joined; the model's own servers take no more.
    message_bytes: int = 16 * 2**20
    #: What a client may send of a stream before the model has taken it.
    window_bytes: int = 256 * 1024
    streams_per_connection: int = 100
    streams: int = 256
    connections: int = 256


@dataclass(slots=True)
class Counters:
    """What has happened since the start; ``open_streams`` is the one that also goes down.

    A stream counts once its request was found right; ``refused`` counts every other answer than a good one.
    """

    connections: int = 0
    streams: int = 0
    open_streams: int = 0
    refused: int = 0
    #: Whose signature was right, the empty one at the end included.
    signed_events: int = 0
    messages_in: int = 0
    messages_out: int = 0
    pings: int = 0
    missed_pings: int = 0
    cuts: int = 0
