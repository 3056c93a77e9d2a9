"""How property tests run: new examples at every run by hand, the same ones on CI, and no verdict from the clock."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Whoever runs the tests may use voxctl too: none of their settings is for the tests.
for name in [name for name in os.environ if name.startswith("VOXCTL_")]:
    del os.environ[name]
os.environ["VOXCTL_CONFIG"] = os.devnull

settings.register_profile(
    "voxctl", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("voxctl")
