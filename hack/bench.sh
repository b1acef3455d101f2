#!/usr/bin/env bash
# bench.sh [FLAGS]: measure carob beside podman and bare crun. The table goes
# to the terminal, every sample to bin/bench.json.
set -euo pipefail
cd "$(dirname "$0")/.."
go build -buildvcs=false -o bin/bench-tool ./test/bench
(cd test/bench && ../../bin/bench-tool "$@") >bin/bench.json
echo "samples: bin/bench.json" >&2
