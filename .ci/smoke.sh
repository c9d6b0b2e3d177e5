#!/usr/bin/env bash
# One minute with an installed gridcnn in an empty folder: train, evaluate, predict. Usage: smoke.sh PATH-OF-GRIDCNN
set -euo pipefail
gridcnn=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GRIDCNN_CACHE="$folder/cache"

"$gridcnn" --version
"$gridcnn" datasets
"$gridcnn" train xo -o xo.safetensors --epochs 2
"$gridcnn" evaluate xo.safetensors xo
printf 'text,label\n' >reviews.csv
for i in 1 2 3 4 5 6 7 8 9 10; do printf 'good film %s,praise\nbad film %s,complaint\n' "$i" "$i" >>reviews.csv; done
"$gridcnn" train reviews.csv --text text --label label -o reviews.safetensors --epochs 2
printf 'good\nbad\n' | "$gridcnn" predict reviews.safetensors - -o predictions.csv
test "$(wc -l <predictions.csv)" -eq 3
