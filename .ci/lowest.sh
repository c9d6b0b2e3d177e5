#!/usr/bin/env bash
# The tests with the lowest versions that pyproject.toml declares: .ci/lowest.sh [PYTEST ARGUMENTS]
# Needs uv. UV_TORCH_BACKEND=cpu takes the CPU build of torch where its index can be reached; without it, the CUDA build
# comes with some 3 GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

uv pip compile --quiet pyproject.toml --extra test --resolution lowest-direct --python-version 3.11 -o "$work/lowest.txt" >/dev/null
uv venv --quiet --python 3.11 "$work/venv"
uv pip install --quiet --python "$work/venv/bin/python" -r "$work/lowest.txt"
uv pip install --quiet --python "$work/venv/bin/python" --no-deps -e .
grep -Ei '^(torch|numpy|scipy|pandas|scikit-learn|pillow|librosa|onnx|onnxruntime|typer)==' "$work/lowest.txt"
CUDA_VISIBLE_DEVICES='' "$work/venv/bin/pytest" "$@"
