"""The server that most tests can share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vllm.make_tiny_model import write_tiny_model
from tests.vllm.server import VllmServer, running_vllm


@pytest.fixture(scope="session")
def ordinary_vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A real vLLM with room for everything, started once; nobody may harm it."""
    with running_vllm(write_tiny_model(tmp_path_factory.mktemp("voxtral"))) as vllm:
        yield vllm
