"""``python -m voxctl`` and the ``voxctl`` command."""

from __future__ import annotations

from voxctl.cli.app import main

if __name__ == "__main__":
    main()
