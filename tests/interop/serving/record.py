# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow's own scoring server answers: `mlflow models serve` for each model of models.py, every question of
cases.py, one golden file. Runs inside an environment of tests/interop/mlflow.

usage: record.py MODELS GOLDEN.json [MODEL...]"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import cases

START_S_MAX = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(url, kind, body):
    request = urllib.request.Request(url, body.encode(), {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def kept(status, text):
    """The answer without traces of the server's own stack and repeated data."""
    try:
        body = json.loads(text)
    except ValueError:
        return {"status": status, "text": text[:200]}
    if status == 200 or not isinstance(body, dict):
        return {"status": status, "body": body}
    message = body.get("message", "")
    at = message.find("Error: ")
    if message.startswith("Failed to predict data") and at > 0:
        message = message[at:]
    return {"status": status, "error_code": body.get("error_code"), "message": message.split("\nInput:")[0][:300]}


def serve(folder, programs=os.path.dirname(sys.executable)):
    """A scoring server of the environment whose programs are there."""
    port = free_port()
    command = [os.path.join(programs, "mlflow"), "models", "serve", "-m", folder, "-p", str(port),
               "--env-manager", "local", "-h", "127.0.0.1"]
    environment = {**os.environ, "PATH": programs + ":" + os.environ["PATH"]}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
                              start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    for _ in range(START_S_MAX * 5):
        try:
            urllib.request.urlopen(url + "/ping", timeout=2).close()
            return server, url
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{folder}: the scoring server does not come up")


def record(folder):
    server, url = serve(folder)
    try:
        return {name: kept(*ask(url + "/invocations", kind, body)) for name, kind, body in cases.all_cases()}
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def main():
    models, golden = sys.argv[1:3]
    names = sys.argv[3:] or sorted(n for n in os.listdir(models) if n != "sklearn")
    result = {}
    if os.path.exists(golden):
        with open(golden, encoding="utf-8") as f:
            result = json.load(f)
    for name in names:
        result[name] = record(os.path.join(models, name))
        print(name, flush=True)
        lines = [f"{json.dumps(m)}: {{\n" + ",\n".join(f"  {json.dumps(c)}: {json.dumps(result[m][c])}" for c in
                                                       result[m]) + "\n}" for m in sorted(result)]
        with open(golden, "w", encoding="utf-8") as f:
            f.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
