#!/usr/bin/env bash
# e2e.sh [FLAGS of go test]: the tests that need a prepared host. They prepare
# it by themselves (test/rig), as root or through sudo, and run carob as an
# unprivileged account.
set -euo pipefail
cd "$(dirname "$0")/.."
# One package after the other: two cores are not many, and some tests measure.
go test -count=1 -p 1 -timeout 40m "$@" ./test/script ./test/compare ./test/crash ./test/workload
# -v: the number of tests that ran inside the machine is in it.
go test -count=1 -v -timeout 60m "$@" ./test/vm
