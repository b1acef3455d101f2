#!/usr/bin/env bash
# fuzz.sh TAGS TIME: run every fuzz target for TIME.
set -euo pipefail
cd "$(dirname "$0")/.."
tags=$1 time=$2
grep -rlE '^func Fuzz' --include='*_test.go' cmd libpod pkg | xargs -r -n1 dirname | sort -u | while read -r dir; do
	grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | awk '{print $2}' | while read -r target; do
		echo "== $dir $target"
		go test -tags "$tags" -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$dir" </dev/null
	done
done
