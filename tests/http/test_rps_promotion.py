# SPDX-License-Identifier: GPL-3.0-or-later
"""Rock, paper, scissors: what other programs report about promotion and training, and its history."""
import math
import unittest

import harness

REPORT = {
    "model_type": "xgboost", "decision": "swap_production_b", "z_statistic": 0.91, "p_value": 0.18, "production_wins": 5,
    "production_total_games": 10, "b_wins": 7, "b_total_games": 10, "reorder_applied": True,
    "alias_rankings": [{"alias": "B", "rank": 1, "source_alias": "shadow1", "accuracy": 0.41, "total_predictions": 100},
                       {"alias": "shadow1", "rank": 2, "source_alias": "B", "accuracy": 0.4, "total_predictions": 90}],
    "alias_accuracies": [{"alias": "B", "source_alias": "shadow1", "accuracy": 0.41, "total_predictions": 100}],
    "alias_assignments": [{"alias": "B", "version": "3", "source_alias": "shadow1", "previous_version": "2", "changed": True}],
    "reason": "B wins more"}


class Reports(harness.ServerTest):
    def report(self, **changes):
        body = {k: v for k, v in dict(REPORT, **changes).items() if v is not None}
        return self.server.post("/internal/promotion/report", body)

    def counted(self):
        return {l.rpartition(" ")[0]: float(l.rpartition(" ")[2]) for l in self.server.get("/metrics").text.splitlines()
                if l.startswith("rps_")}

    def test_1_a_report_is_kept_told_and_counted(self):
        told = self.report().json()
        self.assertEqual((told["success"], told["decision"], told["reorder_applied"]), (True, "swap_production_b", True))
        self.assertEqual([told[k] for k in ("production_games_since_swap", "b_games_since_swap", "promotion_cycles_since_swap")],
                         [0, 0, 0])
        self.assertEqual(told["alias_rankings"], REPORT["alias_rankings"])
        row = self.server.get("/internal/promotion/history").json()[0]
        self.assertEqual((row["id"], row["production_win_rate"], row["b_win_rate"]), (told["event_id"], 0.5, 0.7))
        self.assertEqual((row["rank1_summary"], row["rank3_summary"]), ("B <- shadow1 (100 preds, 41.0%)", "-"))
        self.assertEqual((row["step2_order"], row["step2_accuracy"], row["step2_sources"]),
                         ("shadow1 > B", "B: 41.0%, shadow1: 40.0%", "B src=shadow1, shadow1 src=B"))
        self.assertTrue(row["created_ts_utc"].endswith("Z"))
        counted = self.counted()
        self.assertEqual(counted['rps_model_promotion_events_total{model="xgboost",decision="swap_production_b"}'], 1)
        self.assertEqual(counted['rps_model_promotion_decision_state{model="xgboost",decision="swap_production_b"}'], 1)
        self.assertEqual(counted['rps_model_alias_rank{model="xgboost",alias="B"}'], 1)
        self.assertEqual(counted['rps_model_promotion_z_statistic{model="xgboost"}'], 0.91)
        self.assertEqual(counted['rps_model_alias_reorders_total{model="xgboost"}'], 1)

    def test_2_games_since_the_swap_are_computed(self):
        told = self.report(decision="retain_production", production_total_games=14, b_total_games=4).json()
        self.assertEqual((told["production_games_since_swap"], told["b_games_since_swap"]), (4, 4))  # B began anew
        self.assertEqual(told["promotion_cycles_since_swap"], 1)
        told = self.report(decision="retain_production", production_games_since_swap=77).json()
        self.assertEqual((told["production_games_since_swap"], told["b_games_since_swap"]), (77, 0))
        other = self.report(model_type="feedforward_nn", decision="insufficient_data").json()
        self.assertEqual((other["production_games_since_swap"], other["promotion_cycles_since_swap"]), (10, 1))

    def test_3_history_is_filtered(self):
        for query, count in (({"model_type": "feedforward_nn"}, 1), ({"decision": "retain_production"}, 2), ({"limit": 1}, 1),
                             ({"since": "2099-01-01"}, 0), ({"since": "2099-01-01T00:00:00"}, 0), ({}, 4)):
            self.assertEqual(len(self.server.get("/internal/promotion/history", **query).json()), count, query)
        for query, status in (({"limit": 0}, 422), ({"limit": 201}, 422), ({"since": "soon"}, 400), ({"model_type": "x"}, 400),
                              ({"decision": "x"}, 400), ({"decision": "rollback"}, 200)):
            self.assertEqual(self.server.get("/internal/promotion/history", **query).status, status, query)
        totals = self.server.get("/internal/promotion/event_totals", days=1).json()
        self.assertEqual([t["model"] for t in totals], ["xgboost", "feedforward_nn", "multinomial_logistic", "ALL"])
        self.assertEqual((totals[0]["swap_production_b"], totals[0]["retain_production"], totals[3]["total_events"]), (1, 2, 4))
        self.assertEqual(self.server.get("/internal/promotion/event_totals", days=91).status, 422)

    def test_4_mistakes_change_nothing(self):
        before, rows = self.counted(), self.server.sql("SELECT COUNT(*) FROM rps_promotion_events")
        ranking = REPORT["alias_rankings"][0]
        for changes, status in (({"decision": "maybe"}, 400), ({"model_type": "x"}, 400), ({"created_ts_utc": "now"}, 400),
                                ({"alias_rankings": [dict(ranking, alias="Production")]}, 400),
                                ({"alias_rankings": [ranking, ranking]}, 400), ({"alias_rankings": [dict(ranking, rank=4)]}, 400),
                                ({"alias_accuracies": [{"alias": "C"}]}, 400), ({"b_wins": -1}, 422), ({"b_wins": "x"}, 422),
                                ({"alias_rankings": [dict(ranking, source_alias="C")]}, 400),
                                ({"alias_accuracies": [dict(ranking, source_alias="C")]}, 400),
                                ({"alias_rankings": [dict(ranking, accuracy="high")]}, 422),
                                ({"alias_rankings": [dict(ranking, accuracy=41)]}, 422),
                                ({"alias_accuracies": [dict(ranking, total_predictions=-3)]}, 422),
                                ({"alias_rankings": [dict(ranking, total_predictions=1.5)]}, 422),
                                ({"alias_rankings": {}}, 422), ({"decision": None}, 422), ({"alias_rankings": [ranking] * 4}, 422)):
            self.assertEqual(self.report(**changes).status, status, changes)
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM rps_promotion_events"), rows)
        after = self.counted()
        self.assertEqual({k: v for k, v in after.items() if "promotion" in k}, {k: v for k, v in before.items() if "promotion" in k})

    def test_4_a_time_without_a_zone_is_utc(self):
        for text, told in (("2026-01-02T03:04:05.678901", "2026-01-02T03:04:05.678Z"), ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000Z"),
                           ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000Z")):
            made = self.report(created_ts_utc=text).json()["event_id"]
            rows = self.server.get("/internal/promotion/history", limit=200).json()
            self.assertEqual([r["created_ts_utc"] for r in rows if r["id"] == made and r["source"] == "auto_promotion"], [told])

    def test_5_trainings(self):
        told = self.server.post("/internal/training/complete", {"model_type": "xgboost", "status": "success", "alias": "B",
                                                                "duration_seconds": 12.5, "source": "cron"}).json()
        self.assertEqual(told, {"success": True, "model_type": "xgboost", "status": "success", "duration_seconds": 12.5,
                                "alias": "B", "source": "cron"})
        for body, status in (({"model_type": "x", "status": "success"}, 400), ({"model_type": "xgboost", "status": "x"}, 400),
                             ({"model_type": "xgboost"}, 422), ({"model_type": "xgboost", "status": "success", "alias": "C"}, 400),
                             ({"model_type": "xgboost", "status": "failure", "duration_seconds": -1}, 422)):
            self.assertEqual(self.server.post("/internal/training/complete", body).status, status, body)
        counted = self.counted()
        self.assertEqual(counted['rps_training_completed_total{model_type="xgboost",status="success"}'], 1)
        self.assertEqual(counted['rps_training_completed_total{model_type="xgboost",status="failure"}'], 0)
        self.assertTrue(math.isclose(counted['rps_training_duration_seconds_sum{model_type="xgboost"}'], 12.5))

    def test_6_our_own_decisions_are_in_the_history(self):
        job = self.server.post("/v1/serving/promotion", {"family": "multinomial_logistic"}).json()
        self.server.wait(f"/v1/jobs/{job['jobId']}", lambda j: j["status"] == "succeeded")
        label = 'model="multinomial_logistic",decision="insufficient_data"'
        counted = self.counted()
        self.assertEqual(counted["rps_model_promotion_events_total{%s}" % label], 1)
        self.assertEqual(counted["rps_model_promotion_decision_state{%s}" % label], 1)
        self.assertEqual(self.counted()["rps_model_promotion_events_total{%s}" % label], 1)  # once
        rows = self.server.get("/internal/promotion/history", model_type="multinomial_logistic").json()
        self.assertEqual([r["decision"] for r in rows], ["insufficient_data"])
        self.assertTrue(rows[0]["reason"])


if __name__ == "__main__":
    unittest.main()
