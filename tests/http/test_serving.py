# SPDX-License-Identifier: GPL-3.0-or-later
"""Families of models that serve, with the app of tests/toy: every way to move an alias swaps what answers, no request is
dropped, what was noted survives kill -9, and promotion moves only what has earned it."""
import json
import threading
import unittest

import harness

API = "/api/2.0/mlflow"
ALIASES = ["Production", "B", "shadow1", "shadow2"]


def toy(serving):
    """The family of the toy, among those of the program."""
    return next(f for f in serving["items"] if f["family"] == "toy")


class Toys(unittest.TestCase):
    def setUp(self):
        self.server = self.start()
        self.addCleanup(lambda: self.assertEqual(self.server.unexpected_errors(), []))  # before it is closed
        self.number = 0

    def start(self, **options):
        server = harness.Server(env={"SKERRY_AUTO_PROMOTION": "false"}, **options)
        self.addCleanup(server.close)
        return server

    def must(self, reply, status=200):
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def version(self, quality):
        body = {"bytes": quality if isinstance(quality, str) else f"{quality} {quality * 7919}"}
        return self.must(self.server.post("/v1/toy/versions", body))["version"]

    def move(self, alias, version, status=200):
        return self.must(self.server.post("/v1/models/promote", {"modelId": "toy", "modelVersion": str(version), "to": alias}),
                         status)

    def play(self, server=None, status=200):
        self.number += 1
        return self.must((server or self.server).post("/v1/toy/play", {"number": self.number}), status)

    def slots(self, server=None):
        family = toy(self.must((server or self.server).get("/v1/serving")))
        return {s["alias"]: s for s in family["slots"]}

    def promote(self):
        started = self.must(self.server.post("/v1/serving/promotion", {"family": "toy"}), 202)
        self.server.wait(f"/v1/jobs/{started['jobId']}", lambda job: job["status"] == "succeeded")
        return started["runId"]

    def history(self):
        return self.must(self.server.get("/v1/serving/toy/history"))["decisions"]


class Swapping(Toys):
    def test_every_door_to_an_alias_swaps_what_serves(self):
        one, two, three = self.version(50), self.version(60), self.version(70)
        self.play(status=409)  # nothing serves yet
        self.assertEqual(self.server.metric("skerry_serving_fallbacks_total", reason="not_assigned"), 1)
        self.move("Production", one)
        self.assertEqual(self.play()["version"], one)
        self.must(self.server.request("POST", API + "/registered-models/alias",
                                      json.dumps({"name": "toy", "alias": "Production", "version": str(two)}),
                                      {"Content-Type": "application/json"}))
        self.assertEqual(self.play()["version"], two)
        self.server.cli("promote", "toy", three, "Production")  # another process
        self.server.wait("/v1/serving", lambda s: toy(s)["slots"][0]["version"] == three)
        self.assertEqual(self.play()["version"], three)
        self.must(self.server.post("/v1/models/promote", {"modelId": "toy", "modelVersion": str(one), "to": "champion"}))
        self.assertEqual(self.play()["version"], three)  # a label of somebody's moves nothing
        loaded = [m for m in self.must(self.server.get("/v1/models/active"))["items"] if m["modelId"] == "toy"]
        self.assertEqual([(m["alias"], m["modelVersion"]) for m in loaded], [("Production", str(three))])
        self.must(self.server.request("DELETE", API + "/registered-models/alias",
                                      json.dumps({"name": "toy", "alias": "Production"}),
                                      {"Content-Type": "application/json"}))
        self.server.wait("/v1/serving", lambda s: toy(s)["slots"][0]["version"] == 0)
        self.play(status=409)

    def test_what_cannot_be_loaded_does_not_take_away_what_serves(self):
        good = self.version(50)
        self.move("Production", good)
        bad = self.version("no toy at all")
        self.assertEqual(self.server.post("/v1/models/promote", {"modelId": "toy", "modelVersion": str(bad),
                                                                 "to": "Production"}).status, 409)
        self.assertEqual(self.play()["version"], good)
        # The alias was put back, and the slot hears of it.
        self.server.wait("/v1/serving", lambda s: toy(s)["slots"][0]["aliasVersion"] == good)
        self.assertEqual(self.server.post("/v1/models/promote", {"modelId": "toy", "modelVersion": str(good)}).status, 400)
        # Behind the registry's back: the slot says so, and the old version serves on.
        self.server.sql(f"UPDATE model_aliases SET version = {bad} WHERE name = 'toy' AND alias = 'Production'")
        self.server.wait("/v1/serving", lambda s: toy(s)["slots"][0]["aliasVersion"] == bad)
        slot = self.slots()["Production"]
        self.assertEqual((slot["version"], slot["loaded"]), (good, True))
        self.assertIn(f"version {bad}", slot["failure"])
        self.assertEqual(self.play()["version"], good)
        self.server.expect_error("serving.load_failed")

    def test_no_request_is_dropped_while_aliases_move(self):
        versions = [self.version(50), self.version(60), self.version(70)]
        self.move("Production", versions[0])
        self.move("B", versions[1])
        failed, played, over = [], [0] * 4, threading.Event()

        def player(index):
            while not over.is_set():
                reply = self.server.post("/v1/toy/play", {"number": played[index] * 4 + index + 1000})
                if reply.status != 200:
                    failed.append(reply)
                played[index] += 1
        threads = [threading.Thread(target=player, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for i in range(20):
            self.move(ALIASES[i % 2], versions[i % 3])
        over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.server.wait("/v1/serving/toy/history", lambda h: sum(
            x["judged"] for x in h["hours"] if x["alias"] == "Production") == sum(played))

    def test_a_kill_loses_no_round(self):
        self.move("Production", self.version(60))
        for _ in range(3):
            for _ in range(40):
                self.play()
            self.server.kill()
            self.server.start()
        self.server.wait("/v1/serving/toy/history", lambda h: sum(x["judged"] for x in h["hours"]) == 120)
        right = self.server.sql("SELECT COUNT(*) FROM toy_rounds WHERE is_right = 1")[0][0]
        hours = self.must(self.server.get("/v1/serving/toy/history"))["hours"]
        self.assertEqual(sum(x["correct"] for x in hours), right)


class Promoting(Toys):
    def test_a_better_version_takes_over_and_can_be_taken_back(self):
        self.must(self.server.post("/v1/serving/toy/rollback", {}), 409)
        poor, good = self.version(30), self.version(95)
        self.move("Production", poor)
        self.move("B", good)
        self.promote()
        self.assertEqual(self.history()[0]["decision"], "insufficient_data")
        for _ in range(260):
            self.play()
        run = self.promote()
        decision = self.history()[0]
        self.assertEqual(decision["decision"], "swap_production_b", decision)
        self.assertEqual(decision["runId"], run)
        self.assertIn("they change places", decision["reason"])
        self.assertLess(decision["test"]["p"], decision["test"]["alpha"])
        slots = self.slots()
        self.assertEqual((slots["Production"]["version"], slots["B"]["version"]), (good, poor))
        artifact = self.must(self.server.get(f"/v1/runs/{run}/artifacts/promotion.json"))
        self.assertEqual(toy(artifact)["decision"], "swap_production_b")
        ledger = self.must(self.server.get("/v1/models/toy/promotions"))["items"]
        self.assertIn("they change places", ledger[0]["reason"])
        self.promote()
        self.assertEqual(self.history()[0]["decision"], "insufficient_data")  # no flip back
        back = self.must(self.server.post("/v1/serving/toy/rollback", {"reason": "players complain"}))
        self.assertEqual((back["decision"], back["reason"]), ("rollback", "players complain"))
        self.assertEqual(self.slots()["Production"]["version"], poor)
        self.assertEqual(self.must(self.server.get("/v1/serving/toy/history", decision="rollback"))["decisions"][0]["id"],
                         back["id"])

    def test_wrong_questions_are_answered_as_such(self):
        for path in ("/v1/serving/nobody/history", "/v1/serving?hours=0", "/v1/serving/toy/history?decision=x",
                     "/v1/serving/toy/history?limit=100000"):
            reply = self.server.get(path)
            self.assertEqual(reply.status, 404 if "nobody" in path else 400, reply)
        self.must(self.server.post("/v1/serving/nobody/rollback", {}), 404)
        self.must(self.server.post("/v1/serving/promotion", {"family": "nobody"}), 404)
        self.must(self.server.post("/v1/serving/promotion", {"family": 7}), 400)


@unittest.skipUnless(harness.TEST_DB, "several servers need PostgreSQL")
class Fleet(Toys):
    def test_all_servers_follow_an_alias_and_add_up_together(self):
        env = {"SKERRY_DB": self.server.environment()["SKERRY_DB"], "SKERRY_AUTO_PROMOTION": "false",
               "SKERRY_BLOBS": f"file:{self.server.home}/blobs"}
        other = harness.Server(env=env)
        self.addCleanup(other.close)
        versions = [self.version(50), self.version(90)]
        for i in range(6):
            self.move("Production", versions[i % 2])
            other.wait("/v1/serving", lambda s: toy(s)["slots"][0]["version"] == versions[i % 2], timeout=10)
            for server in (self.server, other):
                for _ in range(10):
                    self.assertEqual(self.play(server)["version"], versions[i % 2])
        self.server.wait("/v1/serving/toy/history", lambda h: sum(x["judged"] for x in h["hours"]) == 120)
        # One that is killed is missed by nobody.
        other.kill()
        self.play()
        self.server.wait("/v1/serving/toy/history", lambda h: sum(x["judged"] for x in h["hours"]) == 121)
        other.start()


if __name__ == "__main__":
    unittest.main()
