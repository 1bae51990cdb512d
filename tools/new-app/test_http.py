# SPDX-License-Identifier: GPL-3.0-or-later
"""The @name@ app, as a user sees it."""
import unittest

import harness


class Notes(harness.ServerTest):
    def test_a_note_is_kept(self):
        made = self.server.post("/v1/@name@/notes", {"body": "hello"})
        self.assertEqual(made.status, 201)
        notes = self.server.get("/v1/@name@/notes").json()["items"]
        self.assertEqual(notes[0]["body"], "hello")

    def test_an_empty_note_is_refused(self):
        reply = self.server.post("/v1/@name@/notes", {"body": ""})
        self.assertEqual(reply.status, 400)
        self.assertIn("body", reply.json()["detail"])


if __name__ == "__main__":
    unittest.main()
