"""``python3 -m gateway``, run by the image before vLLM starts: checks the settings, and applies the one vLLM has not.

Prints the folder to give vLLM as ``--tokenizer``, or nothing if the model's own will do. Ends with 2 and one line on
stderr if a variable is wrong.
"""

from __future__ import annotations

import os
import sys

from gateway.delay import tokenizer_with
from gateway.settings import Settings, SettingWrong


def main() -> int:
    """Check, apply, and say what vLLM is to be told."""
    try:
        settings = Settings.read(os.environ)
        if settings.delay_ms is not None:
            sys.stdout.write(f"{tokenizer_with(settings.delay_ms, os.environ)}\n")
    except SettingWrong as exc:
        sys.stderr.write(f"voxctl: {exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
