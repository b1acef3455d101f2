#!/usr/bin/env bash
# gendocs.sh TAGS: write docs/man and docs/completions anew from the commands.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf docs/man docs/completions
CAROB_WRITE_DOCS=1 go test -count=1 -tags "$1" -run '^TestDocsAreCurrent$' ./cmd/carob ./cmd/carob-image
