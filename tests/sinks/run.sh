#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sinks of the binary in SALLYPORT_BIN (build/release by default): `sinks` and `otlp` against strict
# receivers, `real_servers` against rsyslog, Prometheus and nginx, `shipped_files` what lies in
# packaging/. Without a name all of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export SALLYPORT_BIN=${SALLYPORT_BIN:-$here/../../build/release/sallyport}
node=${NODE:-$here/../../.deps/bin/node}
if [ "$#" = 0 ]; then set -- sinks otlp real_servers shipped_files; fi
files=()
for name in "$@"; do files+=("$here/$name.test.mjs"); done
exec "$node" --test --test-concurrency=1 --test-timeout=480000 "${files[@]}"
