#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The openai SDK's tests against the binary in SALLYPORT_BIN (build/release by default). One file at
# a time: some measure how fast a stream is cut.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export SALLYPORT_BIN=${SALLYPORT_BIN:-$here/../../build/release/sallyport}
node=${NODE:-$here/../../.deps/bin/node}
exec "$node" --test --test-concurrency=1 --test-timeout=480000 "$@" "$here"/*.test.mjs
