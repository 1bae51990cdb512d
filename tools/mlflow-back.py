#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies what a Skerry holds into an MLflow server, with MLflow's own client (pip install mlflow): experiments, runs
with params, tags, all metric points and files, registered models with versions and aliases.

usage: mlflow-back.py FROM TO [EXPERIMENT...]      URLs of the two; only these experiments
The other side gives runs ids of its own; ours is the tag skerry.run_id. What was copied is not copied again: run it
as often as you like. Logged models of MLflow 3, prompts, traces and what is deleted stay; what is in other stores (s3://) is
named, not moved.
"""
import pathlib
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

RUN, VERSION, PARENT = "skerry.run_id", "skerry.version", "mlflow.parentRunId"
TEXTS_AT_ONCE, METRICS_AT_ONCE = 100, 1000


def every(search, *args, **how):
    """The items of all pages."""
    page = search(*args, **how)
    yield from page
    while page.token:
        page = search(*args, **how, page_token=page.token)
        yield from page


def slices(items, size):
    return (items[i:i + size] for i in range(0, len(items), size))


class Copy:
    def __init__(self, source_url, target_url):
        self.urls = source_url, target_url
        self.source, self.target = MlflowClient(source_url, source_url), MlflowClient(target_url, target_url)
        self.ids = {}   # of runs: theirs by ours

    def files(self, down, up):
        """down(folder) from ours, up(folder) to theirs: an mlflow-artifacts: address is of whom the client speaks with."""
        with tempfile.TemporaryDirectory() as folder:
            mlflow.set_tracking_uri(self.urls[0])
            down(folder)
            mlflow.set_tracking_uri(self.urls[1])
            if any(pathlib.Path(folder).iterdir()):
                up(folder)

    def run(self, run, experiment):
        """Whether it was copied now. One whose copy did not end is copied anew."""
        for there in self.target.search_runs([experiment], f"tags.`{RUN}` = '{run.info.run_id}'"):
            if there.info.status != "RUNNING":
                self.ids[run.info.run_id] = there.info.run_id
                return False
            self.target.delete_run(there.info.run_id)
        tags = {**run.data.tags, RUN: run.info.run_id}
        if tags.get(PARENT) in self.ids:
            tags[PARENT] = self.ids[tags[PARENT]]
        made = self.target.create_run(experiment, run.info.start_time, {RUN: run.info.run_id}, run.info.run_name).info.run_id
        points = [Metric(m.key, m.value, m.timestamp, m.step) for key in run.data.metrics
                  for m in self.source.get_metric_history(run.info.run_id, key)]
        for some in slices(points, METRICS_AT_ONCE):
            self.target.log_batch(made, metrics=some)
        for some in slices([Param(*p) for p in run.data.params.items()], TEXTS_AT_ONCE):
            self.target.log_batch(made, params=some)
        for some in slices([RunTag(*t) for t in tags.items()], TEXTS_AT_ONCE):
            self.target.log_batch(made, tags=some)
        if run.info.artifact_uri.startswith("mlflow-artifacts:"):
            self.files(lambda folder: [self.source.download_artifacts(run.info.run_id, f.path, folder)
                                       for f in self.source.list_artifacts(run.info.run_id)],
                       lambda folder: self.target.log_artifacts(made, folder))
        else:
            print(f"run {run.info.run_id}: its files stay in {run.info.artifact_uri}")
        if run.info.status in ("FINISHED", "FAILED", "KILLED"):   # one that goes on is copied anew the next time
            self.target.set_terminated(made, run.info.status, run.info.end_time)
        self.ids[run.info.run_id] = made
        return True

    def experiment(self, ours):
        there = self.target.get_experiment_by_name(ours.name)
        experiment = there.experiment_id if there else self.target.create_experiment(ours.name)
        for key, value in ours.tags.items():
            self.target.set_experiment_tag(experiment, key, value)
        runs = every(self.source.search_runs, [ours.experiment_id], order_by=["attributes.start_time ASC"])
        copied = [self.run(run, experiment) for run in runs]
        print(f"{ours.name}: {sum(copied)} runs copied, {len(copied) - sum(copied)} were there", flush=True)

    def model(self, ours):
        """Files of a version go below the run that holds them: its own, or one that is made for it."""
        try:
            self.target.create_registered_model(ours.name, ours.tags, ours.description)
        except MlflowException as e:
            if e.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        there = {v.tags.get(VERSION): v.version for v in every(self.target.search_model_versions, f"name = '{ours.name}'")}
        for version in sorted(every(self.source.search_model_versions, f"name = '{ours.name}'"), key=lambda v: int(v.version)):
            if str(version.version) not in there:
                there[str(version.version)] = self.version(ours.name, version)
        for alias, version in self.source.get_registered_model(ours.name).aliases.items():
            self.target.set_registered_model_alias(ours.name, alias, there[str(version)])
        print(f"{ours.name}: {len(there)} versions are there", flush=True)

    def version(self, name, version):
        run, source = self.ids.get(version.run_id), version.source
        if source.startswith(("mlflow-artifacts:", "models:", "runs:")):
            made = run or self.target.create_run("0", run_name=f"{name} {version.version}").info.run_id
            path = f"registered/{name}/{version.version}"
            self.files(lambda folder: mlflow.artifacts.download_artifacts(
                           f"models:/{name}/{version.version}", dst_path=folder, tracking_uri=self.urls[0]),
                       lambda folder: self.target.log_artifacts(made, folder, path))
            if not run:
                self.target.set_terminated(made)
            run, source = made, f"{self.target.get_run(made).info.artifact_uri}/{path}"
        return self.target.create_model_version(name, source, run, {**version.tags, VERSION: str(version.version)},
                                                description=version.description).version


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    copy, only = Copy(*(url.rstrip("/") for url in sys.argv[1:3])), sys.argv[3:]
    for experiment in every(copy.source.search_experiments, ViewType.ACTIVE_ONLY):
        if not only or experiment.name in only:
            copy.experiment(experiment)
    for model in [] if only else every(copy.source.search_registered_models):
        copy.model(model)


if __name__ == "__main__":
    main()
