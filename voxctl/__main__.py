"""``python -m voxctl`` and the ``voxctl`` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run voxctl; a Ctrl-C while it is still loading ends it as quietly as a later one."""
    # numpy would start a thread for every core, for linear algebra that nobody here does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from voxctl.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
