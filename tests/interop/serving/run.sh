#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Our scoring beside MLflow's own.
#   run.sh prepare            the environments of tests/interop/mlflow, and a libonnxruntime beside them
#   run.sh compare [VERSION]  Skerry is asked what the real scoring servers were asked, and must say the same
#   run.sh live [VERSION]     the real clients log, register and move aliases; predictions equal Python's
#   run.sh record [VERSION]   makes the models anew and asks the real servers (ONNX: where skl2onnx and onnxruntime are installed)
# VERSION is 2.22 or 3. BUILD_DIR is where all that is; ONNX_LIB names another libonnxruntime.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD_DIR:-$root/build}
export SKERRY_BINARY="${SKERRY_BINARY:-$root/build/skerry}" PYTHONDONTWRITEBYTECODE=1

[ -n "${BUILD_DIR:-}" ] || "$here/../mlflow/run.sh" prepare
# The one that the models were recorded with. A folder that was left half-made has no list.
onnx=onnxruntime==1.32.0
if [ -z "${ONNX_LIB:-}" ] && [ "$(cat "$build/onnxruntime/installed.txt" 2>/dev/null)" != $onnx ]; then
    rm -rf "$build/onnxruntime"
    "$build/mlflow-3-venv/bin/pip" install -q --disable-pip-version-check --no-compile --no-deps --target "$build/onnxruntime" $onnx
    echo $onnx >"$build/onnxruntime/installed.txt"
fi
export SKERRY_ONNX_LIB="${ONNX_LIB:-$(echo "$build"/onnxruntime/onnxruntime/capi/libonnxruntime.so.*)}"
[ "${1:-}" != prepare ] || exit 0

for version in ${2:-2.22 3}; do
    venv=$build/mlflow-$version-venv
    SKERRY_XGBOOST_LIB=$(echo "$venv"/lib/python3*/site-packages/xgboost/lib/libxgboost.so)
    export SKERRY_XGBOOST_LIB
    case ${1:-} in
    compare)
        "$venv/bin/python" "$here/compare.py" "$here/models/$version" "$here/golden/$version.json" ;;
    live)
        "$venv/bin/python" -c "
import os, subprocess, sys
sys.path.insert(0, '$root/tests/http')
import harness
server = harness.Server(env={'SKERRY_XGBOOST_LIB': os.environ['SKERRY_XGBOOST_LIB']})
try:
    done = subprocess.run([sys.executable, '$here/live.py', f'http://127.0.0.1:{server.port}']).returncode
finally:
    server.close()
sys.exit(done)" ;;
    record)
        "$venv/bin/python" "$here/models.py" "$here/models/$version"
        find "$here/models/$version" -type f ! -name MLmodel ! -name 'model.*' -delete
        "$venv/bin/python" "$here/record.py" "$here/models/$version" "$here/golden/$version.json"
        rm -f "$here/models/$version"/sklearn/model.* ;;
    *)
        sed -n '4,9s/^# *//p' "$0"; exit 2 ;;
    esac
done
