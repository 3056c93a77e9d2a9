#!/bin/sh
# Prepares vLLM's environment and becomes the entry point of the base image, which starts vLLM.
set -eu

fail() {
    echo "voxctl: $*" >&2
    exit 2
}

base=${VOXCTL_BASE_ENTRYPOINT:-/usr/local/bin/sagemaker_entrypoint.sh}
[ -f "$base" ] || fail "the base image has no $base: build on AWS's vLLM image for SageMaker, or name the base's own" \
    "entry point with --build-arg BASE_ENTRYPOINT=…"

# Before the base's own, which stays.
export PYTHONPATH="/opt/voxctl${PYTHONPATH:+:$PYTHONPATH}"

# It checks the variables of voxctl; where another delay is asked for, it names a tokenizer that has it.
tokenizer=$(python3 -m gateway) || exit 2
if [ -n "$tokenizer" ]; then
    export SM_VLLM_TOKENIZER="$tokenizer"
fi

# vLLM before 0.32 cannot be left to choose how it captures Voxtral in CUDA graphs.
if [ -z "${SM_VLLM_COMPILATION_CONFIG+set}" ]; then
    older=$(python3 -c '
import re
from importlib.metadata import PackageNotFoundError, version
try:
    found = re.match(r"(\d+)\.(\d+)", version("vllm"))
except PackageNotFoundError:
    found = None
print("yes" if found and (int(found[1]), int(found[2])) < (0, 32) else "")
')
    if [ -n "$older" ]; then
        export SM_VLLM_COMPILATION_CONFIG='{"cudagraph_mode":"PIECEWISE"}'
    fi
fi

exec "$base" "$@"
