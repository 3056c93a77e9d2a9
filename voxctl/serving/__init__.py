"""Servers we run ourselves: the vLLM Realtime protocol over a recogniser of our own."""

from __future__ import annotations

import logging

# A library is mute unless its user says otherwise: without this, Python prints warnings of unconfigured loggers.
logging.getLogger(__name__).addHandler(logging.NullHandler())
