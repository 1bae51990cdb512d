# SPDX-License-Identifier: GPL-3.0-or-later
"""All jobs over one connection: who follows hears of each, who was away hears what ended, and nobody hears anything twice."""
import http.client
import json
import time
import unittest
import uuid

import trained

FAR_MS = 4102444800000  # a lease that outlasts the test: somebody elsewhere works at it


class Stream:
    """Server-sent events as they come; (id, type, job) each."""

    def __init__(self, server, path="/v1/jobs/events", last_id=None, timeout=30):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
        self.connection.request("GET", path, headers={"Last-Event-ID": str(last_id)} if last_id is not None else {})
        self.reply = self.connection.getresponse()
        assert self.reply.status == 200, self.reply.read()
        self.seen = []

    def next(self):
        """The next event; None at the end."""
        fields, deadline = {}, time.monotonic() + 60  # heartbeats keep the connection alive for ever
        while True:
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing came after {self.seen[-3:]}")
            line = self.reply.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if line == "" and "data" in fields:
                event = (int(fields["id"]) if "id" in fields else None, fields["event"], json.loads(fields["data"]))
                self.seen.append(event)
                return event
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.strip()

    def until(self, holds):
        """The first event from here on of which it holds."""
        while True:
            event = self.next()
            if event is None:
                raise AssertionError(f"the stream ended after {self.seen[-3:]}")
            if holds(event[2]):
                return event

    def close(self):
        self.connection.close()


class Follows(trained.TrainedTest):
    def follow(self, **options):
        stream = Stream(self.server, **options)
        self.addCleanup(stream.close)
        return stream

    def elsewhere(self, done=0, total=100):
        """A job that somebody on another machine does; returns its id."""
        id = str(uuid.uuid4())
        self.server.sql(
            "INSERT INTO jobs (id, kind, state, priority, payload, username, run_id, tries_max, attempts, crashes, pause_wanted, stop_wanted,"
            " worker, lease_no, lease_moved, lease_until_ms, created_ms, started_ms, next_try_ms, done, total, eta_s)"
            f" VALUES ('{id}', 'chess.train', 'running', 0, '{{}}', 'ada', '{uuid.uuid4().hex}', 3, 1, 0, 0, 0, 'elsewhere-1', 1, 0, {FAR_MS},"
            f" 1790000000000, 1790000000000, 0, {done}, {total}, 12.5)")
        self.tell(id, "queued", "running")
        return id

    def tell(self, id, before, after):
        self.server.sql("INSERT INTO job_events (job_id, at_ms, event, from_state, to_state, attempt, took_ms, by_worker)"
                        f" VALUES ('{id}', 1790000000000, 'job.test', '{before}', '{after}', 1, 5, 'elsewhere-1')")

    def end(self, id):
        self.server.sql(f"UPDATE jobs SET state = 'succeeded', finished_ms = 1790000001000, lease_until_ms = NULL WHERE id = '{id}'")
        self.tell(id, "running", "succeeded")

    def test_those_that_run_then_each_step_then_the_end(self):
        ids = [self.elsewhere(done=i) for i in range(10)]
        stream = self.follow()
        told = {}
        while set(ids) - set(told):
            no, kind, job = stream.next()
            told.setdefault(job["id"], (kind, job["done"], job["etaSec"]))
        self.assertEqual({id: told[id] for id in ids}, {id: ("running", i, 12.5) for i, id in enumerate(ids)})
        self.server.sql(f"UPDATE jobs SET done = 77 WHERE id = '{ids[3]}'")
        self.assertEqual(stream.until(lambda j: j["id"] == ids[3])[2]["done"], 77)
        for id in ids:
            self.end(id)
        ended = {}
        while set(ids) - set(ended):
            no, kind, job = stream.next()
            if job["status"] == "succeeded":
                ended[job["id"]] = no
        self.assertEqual([ended[id] for id in ids], sorted(ended[id] for id in ids))
        states = [(job["id"], job["status"], job["done"]) for _, _, job in stream.seen]
        self.assertEqual(len(states), len(set(states)), "the same was told twice")

    def test_who_was_away_is_told_what_ended(self):
        first, second, later = self.elsewhere(), self.elsewhere(), self.elsewhere()
        stream = self.follow()
        for id in (first, second, later):
            stream.until(lambda j: j["id"] == id)
        self.end(first)
        no = stream.until(lambda j: j["id"] == first and j["status"] == "succeeded")[0]
        stream.close()
        self.end(second)
        again = self.follow(last_id=no)
        self.assertEqual(again.until(lambda j: j["id"] == second)[1], "succeeded")
        self.assertIn(later, [j["id"] for _, _, j in again.seen])  # which changed before that, and runs
        # Without a number, or with one that was never given, one begins now: what is over is no news.
        for last_id in (None, "x", no + 1000000):
            fresh = self.follow(last_id=last_id)
            fresh.until(lambda j: j["id"] == later)
            self.assertEqual([j["id"] for _, _, j in fresh.seen if j["id"] in (first, second)], [])
            fresh.close()
        self.end(later)

    def test_a_real_training_from_queued_to_its_end(self):
        stream = self.follow()
        made = self.server.post("/v1/trainings", {"datasetId": self.dataset, "epochs": 2, "seed": 5, "modelId": "followed"}).json()
        stream.until(lambda j: j["id"] == made["jobId"] and j["status"] == "succeeded")
        mine = [(kind, job) for _, kind, job in stream.seen if job["id"] == made["jobId"]]
        kinds = [kind for kind, _ in mine]
        self.assertEqual(kinds, sorted(kinds, key=["queued", "running", "succeeded"].index))
        self.assertTrue(all(kind == job["status"] and job["payload"] is None for kind, job in mine))
        self.assertEqual(self.server.get(f"/v1/jobs/{made['jobId']}").json()["result"]["modelId"], "followed")

    def test_more_than_fits_into_a_block(self):
        ids = {self.elsewhere() for _ in range(150)}
        stream = self.follow()
        left = set(ids)
        while left:
            left.discard(stream.next()[2]["id"])
        self.server.sql("UPDATE jobs SET state = 'failed', error = '" + "x" * 5000 + "', finished_ms = 1, lease_until_ms = NULL"
                        f" WHERE id IN ({', '.join(repr(id) for id in ids)})")
        for id in ids:
            self.tell(id, "running", "failed")
        left = set(ids)
        while left:
            _, kind, job = stream.next()
            if kind == "failed" and job["id"] in left:
                self.assertEqual(len(job["error"]), 400)
                left.discard(job["id"])

    def test_it_ends_by_itself_when_that_is_asked_for(self):
        stream = self.follow(path="/v1/jobs/events?seconds=1")
        while stream.next():  # fails when nothing comes for long
            pass
        for wrong in ("0", "x", "86401"):
            self.assertEqual(self.server.get("/v1/jobs/events", seconds=wrong).status, 400)

    def test_a_large_result_does_not_end_the_story_of_one_job(self):
        id = self.elsewhere()
        stream = self.follow(path=f"/v1/jobs/{id}/events")
        self.assertEqual(stream.next()[1], "running")
        self.server.sql(f"UPDATE jobs SET result = '{json.dumps({'report': 'y' * 20000})}' WHERE id = '{id}'")
        self.end(id)
        _, kind, job = stream.next()
        self.assertEqual((kind, job["result"]), ("succeeded", None))
        self.assertIsNone(stream.next())
        self.assertEqual(len(self.server.get(f"/v1/jobs/{id}").json()["result"]["report"]), 20000)


if __name__ == "__main__":
    unittest.main()
