#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sinks of the binary in SALLYPORT_BIN (build/release by default) against strict receivers and real
# servers (rsyslog, Prometheus, nginx), and the files of packaging/ against what it says.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export SALLYPORT_BIN=${SALLYPORT_BIN:-$here/../../build/release/sallyport}
node=${NODE:-$here/../../.deps/bin/node}
exec "$node" --test --test-concurrency=1 --test-timeout=240000 "$@" "$here"/*.test.mjs
