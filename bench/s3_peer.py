# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts each S3 server and measures s3_bench and boto3 against it, turn by turn; a JSON line a figure.

usage: s3_peer.py S3_BENCH FOLDER ROUNDS OBJECTS BYTES      (bench.py calls it)

Both put and get the same bytes: files in memory where there is /dev/shm, so that the server's disk is
what both wait for. boto3 uploads and downloads files with its transfer manager as it comes.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "interop"))
from s3_servers import REGION, SeaweedFS, VersityGW  # noqa: E402


def ours(program, server, local, objects, size):
    env = {**os.environ, "SKERRY_TEST_S3_ENDPOINT": server.endpoint, "SKERRY_TEST_S3_REGION": REGION,
           "SKERRY_TEST_S3_BUCKET": "speed", "SKERRY_TEST_S3_ACCESS": server.access, "SKERRY_TEST_S3_SECRET": server.secret}
    done = subprocess.run([program, "speed", local, str(objects), str(size)], env=env, check=True, stdout=subprocess.PIPE)
    return {r["op"]: r["mb_s"] for r in map(json.loads, done.stdout.decode().splitlines())}


def theirs(server, local, objects, size):
    client = server.client()
    source, target = f"{local}/source", f"{local}/target"
    speeds = {}
    with open(source, "wb") as f:
        f.write(os.urandom(size))
    begin = time.perf_counter()
    for i in range(objects):
        client.upload_file(source, "speed", f"boto3/{i}")
    speeds["put"] = objects * size / 1e6 / (time.perf_counter() - begin)
    begin = time.perf_counter()
    for i in range(objects):
        client.download_file("speed", f"boto3/{i}", target)
    speeds["get"] = objects * size / 1e6 / (time.perf_counter() - begin)
    for i in range(objects):
        client.delete_object(Bucket="speed", Key=f"boto3/{i}")
    return speeds


def empty(server):
    client = server.client()
    for o in client.list_objects_v2(Bucket="speed").get("Contents", []):
        client.delete_object(Bucket="speed", Key=o["Key"])


def main():
    program, folder, rounds, objects, size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    local = tempfile.mkdtemp(prefix="skerry-s3-bench-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else folder)
    try:
        for kind in (VersityGW, SeaweedFS):
            server = kind()
            try:
                a, b = [], []
                for _ in range(rounds):
                    a.append(ours(program, server, f"{local}/blobs", objects, size))
                    b.append(theirs(server, local, objects, size))
                    empty(server)
                for op in ("put", "get"):
                    print(json.dumps({"server": kind.__name__.lower(), "op": op,
                                      "ours": statistics.median(r[op] for r in a),
                                      "theirs": statistics.median(r[op] for r in b)}), flush=True)
            finally:
                server.close()
    finally:
        shutil.rmtree(local, ignore_errors=True)


if __name__ == "__main__":
    main()
