# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a folder with a model, as MLflow wrote it, into a server: its files over HTTP, and a version of the registry."""

import os
import urllib.parse

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


def put_files(server, folder, path):
    for name in ("MLmodel", *(n for n in os.listdir(folder) if n.startswith("model."))):
        with open(os.path.join(folder, name), "rb") as f:
            reply = server.request("PUT", ARTIFACTS + urllib.parse.quote(f"{path}/{name}"), f.read())
        assert reply.status == 200, reply


def register(server, name, version, source, alias=None):
    """Rows as the registry's API makes them."""
    server.sql("INSERT INTO registered_models (name, kind, created_ms, updated_ms) VALUES (?, 'mlflow', 1, 1)"
               " ON CONFLICT (name) DO NOTHING", name)
    server.sql("INSERT INTO model_versions (id, name, version, kind, stage, status, source, bytes, created_ms,"
               " updated_ms) VALUES (?, ?, ?, 'mlflow', 'None', 'READY', ?, 0, 1, 1)",
               f"{name}-{version}", name, version, source)
    if alias:
        point(server, name, alias, version)


def point(server, name, alias, version):
    server.sql("INSERT INTO model_aliases (name, alias, version) VALUES (?, ?, ?)"
               " ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version", name, alias, version)


def add(server, name, version, folder, alias=None):
    path = f"0/models/{name}-{version}/artifacts"
    put_files(server, folder, path)
    register(server, name, version, f"mlflow-artifacts:/{path}", alias)
