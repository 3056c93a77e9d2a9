"""What holds for every test: whose settings and signals are not its own, how property tests run, who runs beside whom.

Those take new examples at every run by hand, the same ones on CI, and no verdict from the clock.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent

# Whoever runs the tests may use voxctl too: none of their settings is for the tests.
for name in [name for name in os.environ if name.startswith("VOXCTL_")]:
    del os.environ[name]
os.environ["VOXCTL_CONFIG"] = os.devnull

# In the background of a script, or under nohup, they are ignored, and so they would be by every program that is tested.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

settings.register_profile(
    "voxctl", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("voxctl")


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Tests of a folder that installs a heavy server share it: they run one after another in one process."""

    def _split_scope(self, nodeid: str) -> str:
        folder = (TESTS.parent / nodeid.split("::")[0]).parent
        return folder.name if (folder / "install.sh").exists() else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Schedule heavy suites by folder, `--dist loadscope`; anything else is xdist's own affair."""
    return Together(config, log) if config.getvalue("dist") == "loadscope" else None
