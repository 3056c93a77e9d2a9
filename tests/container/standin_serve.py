"""What AWS's image does when it starts, with a scripted recogniser in place of a model; runs inside the container."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

import uvicorn

from tests.fakes.scripted import ScriptedEngine, a_word_every
from voxctl.serving.app import RealtimeApp

_PREFIX = "SM_VLLM_"


def main() -> None:
    options = {key.removeprefix(_PREFIX).lower(): os.environ[key] for key in sorted(os.environ) if _PREFIX in key}
    print(json.dumps({"options": options, "arguments": sys.argv[1:]}), flush=True)
    engine = ScriptedEngine(a_word_every(0.5, 600), model=options["served_model_name"])
    app: Any = RealtimeApp(engine, max_streams=int(options["max_num_seqs"])).asgi
    module, _, name = options["middleware"].rpartition(".")
    app = getattr(import_module(module), name)(app)
    grace_s = int(options["shutdown_timeout"])
    uvicorn.run(app, host="0.0.0.0", port=8080, ws="websockets-sansio", timeout_graceful_shutdown=grace_s)
    print("ended", flush=True)


if __name__ == "__main__":
    main()
