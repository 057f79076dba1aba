"""Tests of the client alone: python3 -m unittest, in this folder.

The server here only stands in for the one that breaks: it drops, refuses and stalls as told.
Time passes when a test says so. That real jobs come out right is tests/clients/python.test.ts.
"""

import asyncio
import http.client
import http.server
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid
from unittest import mock

import synctail

HERE = os.path.dirname(os.path.abspath(__file__))
JOB = "770e8400-e29b-41d4-a716-446655440002"
KEY = "st_secret"
CREATE = "/v1/sync/job"
EVENTS = f"/v1/sync/job/{JOB}/events"


class FakeClock:
    """Time that passes only when a test says so; nothing is random."""

    def __init__(self):
        self.passed_s = 0.0

    def now(self):
        return 1_700_000_000.0 + self.passed_s

    def monotonic(self):
        return self.passed_s

    def random(self):
        return 1.0


class Seen:
    """A request as the server saw it."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body
        self.events = json.loads(body) if body else []

    @property
    def seq(self):
        return self.headers.get("Producer-Seq")

    def told(self, kind):
        return [event for event in self.events if event["type"] == kind]


class Server:
    """Answers each request as the next reaction says, and as `otherwise` when there is none left."""

    def __init__(self):
        self.seen = []
        self.arrived = threading.Condition()
        self.connections = 0
        self.reactions = []
        self.otherwise = lambda seen: answer(200)
        self.answer = {
            "id": "j",
            "status": "in_progress",
            "cancel_requested": False,
            "interval_ms": 5000,
        }
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                outer.connections += 1
                super().setup()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                seen = Seen(self.path, dict(self.headers), body)
                with outer.arrived:
                    outer.seen.append(seen)
                    outer.arrived.notify_all()
                reaction = outer.reactions.pop(0) if outer.reactions else outer.otherwise(seen)
                reaction(self, outer)

            def log_message(self, *args):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 50

            def handle_error(self, request, client_address):
                pass

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def wait_for(self, member, timeout_s):
        """Until an event with that member has arrived."""
        def came():
            return any(member in event for each in self.posts for event in each.events)

        with self.arrived:
            return self.arrived.wait_for(came, timeout_s)

    @property
    def posts(self):
        return [each for each in self.seen if each.path.endswith("/events")]


def answer(status, body=None, headers=None, close=False):
    def react(handler, server):
        text = json.dumps(server.answer if body is None else body).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(text)
        handler.close_connection = close

    return react


def problem(status, code, **extras):
    return answer(status, {"type": f"/problems/{code}", "status": status, **extras})


def drop(handler, server):
    """The request has arrived; its answer does not."""
    handler.close_connection = True


class SlowConnection(http.client.HTTPConnection):
    """Gives up waiting for the answer, at once, as often as `late` says."""

    late = 0

    def getresponse(self):
        response = super().getresponse()
        if SlowConnection.late == 0:
            return response
        SlowConnection.late -= 1
        response.read()
        raise TimeoutError("timed out")


class Bench(unittest.TestCase):
    def setUp(self):
        synctail._said.clear()
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.clock = FakeClock()
        self.said = []
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())
        logger = logging.getLogger("synctail")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        self.addCleanup(setattr, logger, "propagate", True)
        self.addCleanup(logger.removeHandler, handler)

    def job(self, create=True, ends=True, lease_s=900.0, server=None, key=KEY):
        """A job without a thread: the test takes the steps."""
        plan = synctail._Plan(
            job_id=JOB,
            create={"id": JOB} if create else None,
            ends=ends,
            lease_s=lease_s,
            server=server or self.server.url,
            key=key,
            close_timeout_s=5.0,
            fault=None,
        )
        job = synctail.Job(plan, self.clock, start=False)
        self.addCleanup(self.drop_connection, job)
        return job

    def drop_connection(self, job):
        if job._sender._wire:
            job._sender._wire.close()

    def settle(self, job):
        """Takes steps until one has to wait; the answer is how long, None when all is over."""
        while True:
            wait_s = job._sender.step()
            if wait_s is None or wait_s > 0:
                return wait_s

    def step(self, job):
        """One request."""
        before = len(self.server.seen)
        wait_s = 0.0
        while wait_s == 0.0 and len(self.server.seen) == before:
            wait_s = job._sender.step()
        return wait_s

    def advance(self, job, s):
        self.clock.passed_s += s
        return self.settle(job)

    def finish(self, job):
        """Ends the job without waiting, and takes all steps."""
        job.close(0)
        for _ in range(1000):
            wait_s = self.settle(job)
            if wait_s is None:
                return
            self.clock.passed_s += wait_s
        self.fail("it never ended")


class Telling(Bench):
    def test_a_job_is_created_begun_counted_and_ended(self):
        job = self.job()
        self.settle(job)
        job.inserted()
        job.inserted(9, entity_type="user")
        job.updated(2)
        job.deleted()
        job.kept(3)
        job.skipped(entity_type="group")
        job.warnings()
        job.bytes(512)
        job.total(1000)
        job.bytes_total(4096)
        job.phase("indexing")
        job.current("user 10")

        self.finish(job)

        create, begun, end = self.server.seen
        self.assertEqual((create.path, json.loads(create.body)), (CREATE, {"id": JOB}))
        self.assertEqual(create.headers["Authorization"], f"Bearer {KEY}")
        self.assertEqual((begun.path, begun.events), (EVENTS, [{"type": "progress"}]))
        self.assertEqual(
            end.events,
            [
                {
                    "type": "progress",
                    "entities_inserted": 10,
                    "entities_updated": 2,
                    "entities_deleted": 1,
                    "entities_kept": 3,
                    "entities_skipped": 1,
                    "warnings": 1,
                    "bytes_done": 512,
                    "total": 1000,
                    "bytes_total": 4096,
                    "phase": "indexing",
                    "current": "user 10",
                    "entities_encountered": {"user": 9, "group": 1},
                },
                {"type": "end", "status": "completed"},
            ],
        )
        self.assertEqual([begun.seq, end.seq], ["0", "1"])
        self.assertEqual(begun.headers["Producer-Id"], end.headers["Producer-Id"])
        self.assertEqual(end.headers["Producer-Epoch"], "0")

    def test_progress_sets_totals_that_never_go_back_and_tells_only_what_changed(self):
        job = self.job()
        job.progress(inserted=5, entities_updated=2, bytes_done=10)
        self.settle(job)
        job.progress(inserted=3, updated=4, phase="b", entities_encountered={"user": 7}, nonsense=1)
        job.inserted()

        self.finish(job)

        first, second = self.server.posts
        self.assertEqual(
            first.events,
            [{"type": "progress", "entities_inserted": 5, "entities_updated": 2, "bytes_done": 10}],
        )
        self.assertEqual(
            second.told("progress"),
            [
                {
                    "type": "progress",
                    "entities_inserted": 6,
                    "entities_updated": 4,
                    "phase": "b",
                    "entities_encountered": {"user": 7},
                }
            ],
        )
        self.assertEqual(self.said, ['There is no total named "nonsense"; it is ignored'])

    def test_counts_of_many_threads_are_all_there(self):
        job = self.job()
        threads = [
            threading.Thread(target=lambda: [job.inserted() for _ in range(2_000)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        self.finish(job)

        self.assertEqual(self.server.posts[-1].told("progress")[0]["entities_inserted"], 16_000)

    def test_nothing_odd_raises_and_what_is_sent_is_json_within_the_limits(self):
        loop = []
        loop.append(loop)
        job = self.job()
        job.inserted("x")
        job.inserted(-1)
        job.inserted(None)
        job.inserted(2.0)
        job.inserted(1, entity_type=7)
        job.total("many")
        job.progress(entities_encountered={"\ud800": 3}, phase=None)
        odd = {"nan": float("nan"), "loop": loop, "at": object, "n": 2**70}
        job.log("shout", "a\ud800b" + "\x00" * 100_000, **odd)
        job.log("info", "large", text="x" * 100_000)
        for n in range(1_100):
            job.kept(entity_type=f"type {n} " + "e" * 200)
        job.fail("", "\x01" * 100_000)

        self.finish(job)

        first, last = self.server.posts
        self.assertLess(max(len(first.body), len(last.body)), 1024 * 1024)
        (odd,), (large,) = first.told("log"), last.told("log")
        self.assertEqual(odd["level"], "info")
        self.assertTrue(odd["message"].startswith("a?b"))
        self.assertLessEqual(len(odd["message"].encode()), 64 * 1024)
        self.assertEqual((odd["fields"]["nan"], odd["fields"]["n"]), ("nan", str(2**70)))
        self.assertEqual(list(large["fields"]), ["left_out"])
        (progress,) = last.told("progress")
        self.assertEqual(progress["entities_inserted"], 3)
        types = progress["entities_encountered"]
        self.assertEqual((len(types), types["?"]), (1_000, 3))
        self.assertEqual(sum(types.values()), 1_100 + 3 + 1)
        self.assertTrue(all(len(name) <= 200 for name in types))
        self.assertEqual(last.events[-1]["error"]["code"], "worker_failed")
        self.assertEqual(len([line for line in self.said if "is no count" in line]), 1)

    def test_names_are_cut_as_the_server_counts_and_to_none_that_it_refuses(self):
        sync, face = "Ж" * 60, "\U0001f600" * 101
        job = synctail.job(sync, name=face, tags=[sync], server=self.server.url, key=KEY)
        with job:
            job.kept(1, "Ж" * 150)
            job.kept(1, "__proto__")
            job.log("info", "x", **{"__proto__": {"__proto__": 1}})
        with synctail.job("a\0b\ud800" + "Ж" * 200, server=self.server.url, key=KEY):
            pass

        creates = [json.loads(each.body) for each in self.server.seen if each.path == CREATE]
        names = [creates[0][member] for member in ("sync", "name", "tags")]
        self.assertEqual(names, [sync, "\U0001f600" * 99 + "\u2026", [sync]])
        self.assertEqual(creates[1]["sync"], "a?b?" + "Ж" * 95 + "\u2026")
        events = [event for each in self.server.posts for event in each.events]
        types = [each["entities_encountered"] for each in events if "entities_kept" in each]
        self.assertEqual(types, [{"Ж" * 150: 1, "(__proto__)": 1}])
        fields = [each["fields"] for each in events if each["type"] == "log"]
        self.assertEqual(fields, [{"(__proto__)": {"(__proto__)": 1}}])

    def test_types_that_are_long_together_are_counted_as_others(self):
        job = self.job()
        for n in range(900):
            job.kept(entity_type=f"{n} " + "\u4e2d" * 190)

        self.finish(job)

        (progress,) = self.server.posts[-1].told("progress")
        self.assertLess(len(self.server.posts[-1].body), 512 * 1024)
        self.assertGreater(progress["entities_encountered"]["(other)"], 1)
        self.assertEqual(sum(progress["entities_encountered"].values()), 900)

    def test_what_is_none_is_not_told(self):
        job = self.job()
        self.settle(job)
        job.phase("copying")
        job.phase(None)
        job.current(None)
        job.total(None)
        job.total("many")
        job.bytes_total(-1)
        job.progress(phase=None, total=None)

        self.finish(job)

        (progress,) = self.server.posts[-1].told("progress")
        self.assertEqual(progress, {"type": "progress", "phase": "copying"})

    def test_the_job_is_asked_for_with_all_its_words(self):
        before = str(uuid.uuid4())
        with synctail.job(
            "users",
            total=1000,
            bytes_total=5,
            name="nightly-users",
            tags=["nightly", "eu"],
            meta={"source": {"rows": 3}},
            id=uuid.UUID(JOB),
            retry_of=before,
            attempt=2,
            lease_s=60,
            server=self.server.url + "/",
            key=KEY,
        ) as job:
            self.assertEqual(job.id, JOB)

        self.assertEqual(
            json.loads(self.server.seen[0].body),
            {
                "id": JOB,
                "name": "nightly-users",
                "sync": "users",
                "tags": ["nightly", "eu"],
                "meta": {"source": {"rows": 3}},
                "total": 1000,
                "bytes_total": 5,
                "retry_of": before,
                "attempt": 2,
                "lease_s": 60.0,
            },
        )


    def test_tags_and_meta_may_be_of_any_kind(self):
        class Array(list):
            """As of numpy."""

            def __bool__(self):
                raise ValueError("The truth value of an array is ambiguous")

        class Series(dict):
            __bool__ = Array.__bool__

        for tags, meta, told in (
            (Array(["a", "b"]), Series(rows=2), {"tags": ["a", "b"], "meta": {"rows": 2}}),
            (Array(), Series(), {}),
            (None, None, {}),
            (False, False, {}),
            ("one", {}, {"tags": ["one"]}),
        ):
            with self.subTest(tags=tags):
                job = synctail.job(tags=tags, meta=meta, id=JOB, server=self.server.url, key=KEY)
                self.assertTrue(job.close(5))
                self.assertEqual(self.server.seen[0].events, {"id": JOB, **told})
                self.server.seen.clear()


class Pace(Bench):
    def test_progress_is_posted_as_often_as_the_answers_say(self):
        job = self.job()
        self.settle(job)
        job.inserted()
        self.assertEqual(self.settle(job), 5.0)
        self.server.answer["interval_ms"] = 250
        self.advance(job, 5.0)

        job.inserted()
        wait_s = self.settle(job)
        self.advance(job, 0.25)

        self.assertEqual(wait_s, 0.25)
        totals = [each.events[0].get("entities_inserted") for each in self.server.posts]
        self.assertEqual(totals, [None, 1, 2])

    def test_a_log_line_waits_a_second_at_most_and_takes_no_progress_along(self):
        job = self.job()
        self.settle(job)
        job.inserted()
        job.log("info", "one")

        wait_s = self.settle(job)
        self.advance(job, 1.0)

        self.assertEqual(wait_s, 1.0)
        self.assertEqual([event["type"] for event in self.server.posts[-1].events], ["log"])

    def test_silence_is_broken_by_posts_without_a_body_often_enough_for_the_lease(self):
        job = self.job(lease_s=6.0)

        wait_s = self.settle(job)
        self.advance(job, 2.0)
        self.advance(job, 2.0)
        patient = self.settle(self.job(lease_s=900.0))

        self.assertEqual((wait_s, patient), (2.0, 8.0))
        empty = [(each.body, each.seq) for each in self.server.posts[1:3]]
        self.assertEqual(empty, [(b"", None), (b"", None)])

    def test_many_lines_go_in_batches_one_after_the_other(self):
        job = self.job()
        self.settle(job)
        for n in range(1_250):
            job.log("info", f"line {n}")
        job.inserted()

        self.finish(job)

        batches = self.server.posts[1:]
        self.assertEqual([len(each.told("log")) for each in batches], [500, 500, 250])
        self.assertEqual([each.seq for each in batches], ["1", "2", "3"])
        kinds = [event["type"] for event in batches[-1].events[-2:]]
        self.assertEqual(kinds, ["progress", "end"])
        self.assertEqual(self.clock.passed_s, 0)

    def test_totals_that_are_due_do_not_wait_for_a_flood_of_lines(self):
        job = self.job()
        self.server.answer["interval_ms"] = 250
        self.step(job)
        for n in range(1, 21):
            job.inserted()
            for _ in range(600):  # faster than they are delivered
                job.log("info", "x")
            self.clock.passed_s += 0.1
            self.step(job)

        totals = [
            event.get("entities_inserted")
            for each in self.server.posts
            for event in each.told("progress")
        ]
        self.assertEqual(totals[0], 1)  # the job is under way
        self.assertEqual(totals, sorted(totals))
        self.assertGreaterEqual(totals[-1], 18)

    def test_a_full_buffer_drops_the_oldest_lines_and_says_how_many_but_never_the_end(self):
        job = self.job()
        for n in range(10_003):
            job.log("info", f"line {n}")
        job.inserted(10_003)

        self.finish(job)

        lines = [event for each in self.server.posts for event in each.told("log")]
        self.assertEqual((lines[0]["fields"], lines[0]["level"]), ({"dropped": 3}, "warning"))
        self.assertEqual((lines[1]["message"], lines[-1]["message"]), ("line 3", "line 10002"))
        self.assertEqual(len(lines), 10_001)
        last = self.server.posts[-1].events
        self.assertEqual(last[-2]["entities_inserted"], 10_003)
        self.assertEqual(last[-1], {"type": "end", "status": "completed"})

    def test_the_buffer_has_a_limit_in_bytes_too(self):
        job = self.job()
        for _ in range(200):
            job.log("info", "x" * 60_000)

        self.assertLessEqual(job._record._bytes, synctail.BUFFER_BYTES)
        self.assertEqual(job._record._dropped + len(job._record._lines), 200)


class Repeating(Bench):
    def test_what_was_not_answered_is_sent_again_as_it_was_while_counting_goes_on(self):
        job = self.job()
        self.settle(job)
        job.inserted()
        job.log("info", "one")
        job._record.ask_flush()
        self.server.reactions = [drop, drop, drop]

        self.step(job)
        job.inserted()
        job.log("info", "two")
        self.advance(job, 0.25)
        self.advance(job, 0.5)
        self.finish(job)

        repeated, last = self.server.posts[1:-1], self.server.posts[-1]
        self.assertGreaterEqual(len(repeated), 4)
        self.assertEqual({each.seq for each in repeated}, {"1"})
        self.assertEqual(len({each.body for each in repeated}), 1)
        self.assertEqual(repeated[0].told("log")[0]["message"], "one")
        self.assertEqual(last.seq, "2")
        self.assertEqual([line["message"] for line in last.told("log")], ["two"])
        self.assertEqual(last.told("progress")[0]["entities_inserted"], 2)

    def test_an_answer_that_comes_too_late_is_none(self):
        job = self.job()
        SlowConnection.late = 2
        self.addCleanup(setattr, SlowConnection, "late", 0)
        job._sender._wire._connect = lambda: SlowConnection(
            "127.0.0.1", int(self.server.url.rsplit(":", 1)[1])
        )

        waits = [self.settle(job), self.advance(job, 0.25)]
        self.finish(job)

        self.assertEqual(waits, [0.25, 0.5])
        self.assertEqual([each.path for each in self.server.seen[:3]], [CREATE] * 3)
        self.assertEqual(len({each.body for each in self.server.seen[:3]}), 1)

    def test_an_answer_is_waited_for_a_third_of_the_lease_from_5_to_10_s(self):
        def waits_s(lease_s):
            return self.job(lease_s=lease_s)._sender._wire._connect().timeout

        self.assertEqual([waits_s(each) for each in (1, 18, 900)], [5, 6, 10])

    def test_creating_is_repeated_with_the_same_id(self):
        job = self.job()
        self.server.reactions = [drop, answer(500), answer(201)]

        self.finish(job)

        creates = [each for each in self.server.seen if each.path == CREATE]
        self.assertEqual([json.loads(each.body) for each in creates], [{"id": JOB}] * 3)
        self.assertEqual(self.server.posts[-1].events[-1]["status"], "completed")

    def test_pauses_grow_to_ten_seconds_and_an_answer_ends_them(self):
        job = self.job()
        self.settle(job)
        self.server.reactions = [answer(500)] * 8
        job.inserted()

        waits = [self.advance(job, 5.0)]
        while len(waits) < 8:
            waits.append(self.advance(job, waits[-1]))
        recovered = self.advance(job, waits[-1])

        self.assertEqual(waits, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0])
        self.assertEqual(recovered, 8.0)
        self.assertEqual({each.seq for each in self.server.posts[1:]}, {"1"})
        down, up = self.said
        self.assertIn(f"cannot deliver to {self.server.url} (it answered 500)", down)
        self.assertIn("answers again", up)

    def test_pauses_are_jittered_down_to_a_half(self):
        self.clock.random = lambda: 0.0
        job = self.job()
        self.server.reactions = [answer(502), answer(504)]

        self.assertEqual([self.settle(job), self.advance(job, 0.125)], [0.125, 0.25])

    def test_retry_after_is_honoured_in_seconds_and_as_a_date(self):
        self.clock.random = lambda: 0.0
        for status in (408, 429, 503, 507):
            for value in ("7", "Tue, 14 Nov 2023 22:13:27 GMT"):
                with self.subTest(status=status, value=value):
                    self.clock.passed_s = 0.0
                    self.server.seen.clear()
                    job = self.job()
                    self.settle(job)
                    job.inserted()
                    job._record.ask_flush()
                    self.server.reactions = [answer(status, {}, {"Retry-After": value})]

                    waits = [self.settle(job), self.advance(job, 6.0), self.advance(job, 1.0)]

                    self.assertEqual(waits, [7.0, 1.0, 8.0])
                    self.assertEqual([each.seq for each in self.server.posts], ["0", "1", "1"])

    def test_a_job_of_a_short_lease_is_not_lost_while_it_waits(self):
        for headers in ({}, {"Retry-After": "30"}):
            with self.subTest(headers=headers):
                job = self.job(lease_s=6.0)
                self.server.reactions = [answer(201)] + [answer(507, {}, headers)] * 100
                pauses = [self.settle(job)]

                while len(pauses) < 12:
                    pauses.append(self.advance(job, pauses[-1]))

                self.assertEqual(max(pauses), 2.0)

    def test_a_retry_after_that_is_none_or_zero_is_still_a_pause(self):
        for value in ("soon", "nan", "0", "-3"):
            with self.subTest(value=value):
                job = self.job()
                self.server.reactions = [answer(429, {}, {"Retry-After": value})]

                wait_s = self.settle(job)

                self.assertTrue(0.25 <= wait_s < 0.5, wait_s)

    def test_an_idle_connection_that_the_server_closed_is_opened_again_at_once(self):
        job = self.job()
        self.server.reactions = [answer(201), answer(200, close=True)]
        self.settle(job)
        job.inserted()

        wait_s = self.advance(job, 5.0)

        self.assertEqual(wait_s, 8.0)
        self.assertEqual([each.seq for each in self.server.posts], ["0", "1"])
        self.assertEqual(self.said, [])

    def test_a_connection_that_was_idle_for_long_is_not_trusted(self):
        self.clock.random = lambda: 0.0
        job = self.job()
        self.server.reactions = [answer(201), answer(503, {}, {"Retry-After": "9.5"})]
        self.settle(job)
        before = self.server.connections

        self.advance(job, 9.5)

        self.assertEqual((before, self.server.connections), (1, 2))

    def test_who_waits_cuts_pauses_short_but_not_those_that_the_server_asked_for(self):
        for headers, waits in (({}, [8.0, 1.0]), ({"Retry-After": "50"}, [55.0, 55.0])):
            for wait in (lambda job: job.flush(0.01), lambda job: job.close()):
                with self.subTest(headers=headers):
                    self.server.seen.clear()
                    job = self.job()
                    self.server.reactions = [answer(500, {}, headers)] * 100
                    paused = self.settle(job)
                    while paused < 8:
                        paused = self.advance(job, paused)
                    before = len(self.server.seen)

                    wait(job)

                    again = self.settle(job)
                    self.assertEqual([round(s, 6) for s in (paused, again)], waits)
                    self.assertEqual(len(self.server.seen) - before, 0 if headers else 1)

    def test_a_closed_job_is_told_for_15_minutes_or_its_lease_whatever_is_longer(self):
        for lease_s, most_s in ((10.0, 900), (1_800.0, 1_800)):
            with self.subTest(lease_s=lease_s):
                job = self.job(lease_s=lease_s)
                self.settle(job)
                self.server.reactions = [answer(500)] * 1000
                job.close(0)
                started = self.clock.passed_s

                wait_s = 0.0
                while wait_s is not None:
                    wait_s = self.advance(job, wait_s)

                self.assertGreaterEqual(self.clock.passed_s - started, most_s)
                self.assertLess(self.clock.passed_s - started, most_s + 15)
                self.assertIn("nothing more is sent: it answered 500", self.said[-1])

    def test_something_else_that_answers_200_is_no_answer(self):
        for create in (True, False):
            for body in (["a page"], {}, {"status": "ok"}):
                with self.subTest(create=create, body=body):
                    job = self.job(create=create, ends=create)
                    job.inserted(1)
                    self.server.reactions = [answer(200, body)]

                    self.assertEqual(self.settle(job), 0.25)

    def test_a_server_that_lost_requests_gets_the_totals_anew(self):
        for closing in (False, True):
            with self.subTest(closing=closing):
                self.server.seen.clear()
                job = self.job()
                job.inserted(3, "user")
                job.phase("a")
                self.settle(job)
                job.updated()
                self.server.reactions = [
                    problem(409, "producer-out-of-order", expected_seq=0),
                ]
                if not closing:
                    self.clock.passed_s += 5.0
                    self.settle(job)
                self.finish(job)

                told = [each for each in self.server.posts[2:]]
                self.assertEqual([each.seq for each in told], ["0", "1"])
                sums = {}
                for each in told:
                    for event in each.told("progress"):
                        sums.update(event)
                self.assertEqual((sums["entities_inserted"], sums["entities_updated"]), (3, 1))
                self.assertEqual((sums["entities_encountered"], sums["phase"]), ({"user": 3}, "a"))
                self.assertEqual(told[-1].events[-1], {"type": "end", "status": "completed"})


class Ending(Bench):
    def left(self, error=None, before=lambda job: None):
        """The end that is posted when a job is left."""
        self.server.seen.clear()
        job = self.job()
        self.settle(job)
        before(job)
        job.close = None  # leaving must not depend on it
        try:
            with job:
                if error is not None:
                    raise error
        except BaseException as raised:
            self.assertIs(raised, error)
        self.settle(job)
        return self.server.posts[-1].events[-1]

    def test_leaving_says_how_it_went_and_hides_no_exception(self):
        ends = [
            (None, {"status": "completed"}),
            (SystemExit(0), {"status": "completed"}),
            (
                ValueError("no such user"),
                {"status": "failed", "error": {"code": "ValueError", "message": "no such user"}},
            ),
            (
                KeyboardInterrupt(),
                {
                    "status": "failed",
                    "error": {"code": "KeyboardInterrupt", "message": "KeyboardInterrupt"},
                },
            ),
            (
                SystemExit(3),
                {"status": "failed", "error": {"code": "SystemExit", "message": "3"}},
            ),
            (synctail.Cancelled(), {"status": "cancelled"}),
        ]
        for error, end in ends:
            with self.subTest(error=error):
                self.assertEqual(self.left(error), {"type": "end", **end})

    def test_fail_says_why_and_the_first_failure_counts(self):
        def twice(job):
            job.fail("quota", "The quota is used up")
            job.fail("second", "Later")

        end = {
            "type": "end",
            "status": "failed",
            "error": {"code": "quota", "message": "The quota is used up"},
        }
        self.assertEqual(self.left(None, twice), end)
        self.assertEqual(self.left(ValueError("then"), twice), end)

    def test_cancelled_is_heard_in_any_answer_and_check_raises(self):
        job = self.job()
        self.settle(job)
        self.assertFalse(job.cancelled)
        job.check()
        self.server.answer.update(status="cancelling", cancel_requested=True)

        self.advance(job, 8.0)

        self.assertTrue(job.cancelled)
        with self.assertRaises(synctail.Cancelled):
            job.check()

    def test_who_saw_the_cancel_ends_as_cancelled_and_who_never_looked_has_completed(self):
        for looks, status in ((True, "cancelled"), (False, "completed")):
            with self.subTest(looks=looks):
                self.server.seen.clear()
                self.server.answer.update(status="cancelling", cancel_requested=True)
                job = self.job()
                self.settle(job)
                if looks:
                    self.assertTrue(job.cancelled)

                self.finish(job)

                self.assertEqual(self.server.posts[-1].events[-1]["status"], status)

    def test_a_job_that_is_over_or_taken_over_stops_its_worker_and_is_said_once(self):
        for code, extras, words in (
            ("job-ended", {"job_status": "failed"}, "it has ended as failed"),
            ("producer-fenced", {}, "another worker has taken over"),
        ):
            with self.subTest(code=code):
                self.said.clear()
                job = self.job()
                self.settle(job)
                self.server.reactions = [problem(409, code, **extras)]
                job.inserted()

                over = self.advance(job, 5.0)
                requests = len(self.server.seen)
                job.inserted()
                job.log("info", "into the void")
                self.finish(job)

                self.assertIsNone(over)
                self.assertTrue(job.cancelled)
                self.assertEqual(len(self.server.seen), requests)
                self.assertEqual(self.said, [f"Job {JOB}: nothing more is sent: {words}"])

    def test_a_job_that_ended_elsewhere_is_seen_in_an_answer_too(self):
        job = self.job(create=False, ends=False)
        self.server.answer["status"] = "completed"

        self.settle(job)

        self.assertTrue(job.cancelled)
        self.assertFalse(job.close(0))

    def test_creating_a_job_that_has_ended_starts_nothing(self):
        job = self.job()
        self.server.reactions = [answer(200, {"id": JOB, "status": "completed"})]

        self.assertIsNone(self.settle(job))

        self.assertTrue(job.cancelled)
        self.assertEqual(self.said, [f"Job {JOB}: nothing more is sent: it has ended as completed"])

    def test_a_refusal_stops_the_delivery_not_the_sync_and_is_said_once(self):
        for status, code, *when in (
            (400, "invalid-request", False),
            (401, "unauthenticated", False, True),
            (403, "forbidden", False, True),
            (404, "not-found", True),
            (409, "job-exists", False, True),
        ):
            for created in when:
                with self.subTest(status=status, created=created):
                    self.said.clear()
                    job = self.job()
                    refusal = problem(status, code, detail="Because.")
                    self.server.reactions = [answer(201), refusal] if created else [refusal]

                    over = self.settle(job)
                    job.inserted()
                    job.log("error", "lost")
                    closed = job.close()

                    self.assertIsNone(over)
                    self.assertFalse(job.cancelled or closed)
                    words = f"nothing more is sent: the server answered {status} Because."
                    self.assertEqual(self.said, [f"Job {JOB}: {words}"])
                    self.assertNotIn(KEY, self.said[0])

    def test_what_is_no_refusal_of_a_synctail_server_is_tried_again(self):
        elsewhere = {"Location": "https://other.example/v1/sync/job"}
        for reaction, words in (
            (answer(404, {"message": "no Route matched"}), "it answered 404"),
            (answer(403, {"error": "forbidden"}), "it answered 403"),
            (problem(404, "not-found", detail="No."), "it answered 404: No."),
            (problem(421, "misdirected"), "it answered 421"),
            (answer(301, {}, elsewhere), "it leads to https://other.example: name that one"),
            (answer(308, {}, {"Location": "/v1/"}), "it answered 308"),
        ):
            with self.subTest(words=words):
                self.said.clear()
                self.server.seen.clear()
                job = self.job()
                self.server.reactions = [reaction] * 4
                job.inserted(3)

                wait_s = self.settle(job)
                for _ in range(4):
                    wait_s = self.advance(job, wait_s)
                self.finish(job)

                down, up = self.said
                self.assertIn(f"({words}); it is tried again until that works", down)
                self.assertIn("answers again", up)
                self.assertEqual(self.server.posts[-1].events[-1]["status"], "completed")
                self.assertTrue(job.close(0))

    def refusing(self, *bad):
        """The server takes no request with one of these texts in it."""

        def react(seen):
            refused = [text for text in bad if text in seen.body.decode()]
            if refused:
                return problem(400, "invalid-request", detail=f"{refused[0]} is none")
            self.taken.append(seen)
            return answer(200)

        self.taken = []
        self.server.otherwise = react

    def test_events_that_the_server_does_not_take_are_left_out_and_all_others_arrive(self):
        self.refusing("line 7.", "line 300.")
        job = self.job()
        self.settle(job)
        for n in range(600):
            job.log("info", f"line {n}.")
        job.inserted(3)

        self.finish(job)

        posts = [each for each in self.taken if each.path == EVENTS and each.seq is not None]
        self.assertEqual([each.seq for each in posts], [str(n) for n in range(len(posts))])
        lines = [line["message"] for each in posts for line in each.told("log")]
        self.assertEqual(lines, [f"line {n}." for n in range(600) if n not in (7, 300)])
        progress, end = posts[-1].events[-2:]
        self.assertEqual((progress["entities_inserted"], end["status"]), (3, "completed"))
        self.assertEqual(self.said, [f"Job {JOB}: a log line is left out: line 7. is none"])
        self.assertTrue(job.close(0))

    def test_totals_are_told_without_types_where_the_server_takes_no_more_types(self):
        self.refusing("entities_encountered")
        for ends in (True, False):
            with self.subTest(ends=ends):
                job = self.job(create=ends, ends=ends)
                job.inserted(3, "user")
                self.settle(job)
                job.inserted(4, "group")
                self.taken.clear()

                self.finish(job)

                told = [event for each in self.taken for event in each.told("progress")]
                self.assertEqual(told, [{"type": "progress", "entities_inserted": 7}])
                self.assertTrue(job.close(0))

    def test_an_end_or_a_job_that_the_server_does_not_take_is_the_end_of_the_delivery(self):
        for bad, begun in (('"end"', 1), (f'"id":"{JOB}"', 0)):
            with self.subTest(bad=bad):
                self.said.clear()
                self.refusing(bad)
                job = self.job()
                self.settle(job)

                self.finish(job)

                posts = [each for each in self.taken if each.path == EVENTS]
                self.assertEqual(sum(len(each.told("progress")) for each in posts), begun)
                words = f"nothing more is sent: the server answered 400 {bad} is none"
                self.assertEqual(self.said, [f"Job {JOB}: {words}"])

    def test_without_a_key_an_address_or_a_uuid_nothing_is_sent_and_that_is_said_once(self):
        for name in ("SYNCTAIL_KEY", "SYNCTAIL_KEY_FILE"):
            os.environ.pop(name, None)
        url = self.server.url
        for arguments, words in (
            ({"server": url}, "there is no key"),
            ({"server": "localhost:8017", "key": KEY}, "no http or https URL"),
            ({"server": url, "key": KEY, "id": "7"}, "id is no UUID: '7'"),
            ({"server": url, "key": KEY, "tags": 7}, "tags are no list: '7'"),
            ({"server": url, "key": "a\nb"}, "no key has"),
        ):
            with self.subTest(arguments=arguments):
                self.said.clear()
                for _ in range(2):
                    with synctail.job("x", **arguments) as job:
                        job.inserted()
                        self.assertFalse(job.cancelled)
                        self.assertFalse(job.flush())
                self.assertEqual(len(self.said), 1)
                self.assertIn(words, self.said[0])
        self.assertEqual(self.server.seen, [])

    def test_the_key_may_be_in_a_file_which_a_key_beside_it_beats(self):
        os.environ.pop("SYNCTAIL_KEY", None)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            with open(path, "wb") as file:
                file.write(b"%s\r\n" % KEY.encode())
            for env, sent in (
                ({"SYNCTAIL_KEY_FILE": path}, KEY),
                ({"SYNCTAIL_KEY_FILE": path, "SYNCTAIL_KEY": "st_of_env"}, "st_of_env"),
                ({"SYNCTAIL_KEY_FILE": path, "SYNCTAIL_KEY": ""}, KEY),
            ):
                with self.subTest(env=env), mock.patch.dict(os.environ, env):
                    with synctail.job("x", server=self.server.url):
                        pass
                    self.assertEqual(
                        self.server.seen[-1].headers["Authorization"], f"Bearer {sent}"
                    )
        self.assertEqual(self.said, [])

    def test_a_key_file_that_has_no_key_is_said_once_and_shown_nowhere(self):
        os.environ.pop("SYNCTAIL_KEY", None)
        with tempfile.TemporaryDirectory() as folder:
            files = {"empty": b" \n", "bytes": b"st_\xff", "lines": b"st_a\nst_b"}
            for name, data in files.items():
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            for name, words in (
                ("none", "No such file or directory"),
                ("empty", "there is no key: set SYNCTAIL_KEY or SYNCTAIL_KEY_FILE, or pass key="),
                ("bytes", "the key has characters that no key has"),
                ("lines", "the key has characters that no key has"),
            ):
                env = {"SYNCTAIL_KEY_FILE": os.path.join(folder, name)}
                said = mock.patch.object(synctail, "_said", set())
                with self.subTest(name=name), mock.patch.dict(os.environ, env), said:
                    self.said.clear()
                    with synctail.job("x", server=self.server.url):
                        pass
                    self.assertEqual(len(self.said), 1)
                    self.assertIn(words, self.said[0])
                    self.assertNotIn("st_", self.said[0])
        self.assertEqual(self.server.seen, [])


class Attached(Bench):
    def test_it_counts_for_itself_and_neither_creates_nor_ends(self):
        first, second = (self.job(create=False, ends=False) for _ in range(2))
        first.inserted(3)
        second.inserted(4)

        self.finish(first)
        self.finish(second)

        self.assertEqual({each.path for each in self.server.seen}, {EVENTS})
        self.assertEqual(len({each.headers["Producer-Id"] for each in self.server.seen}), 2)
        self.assertEqual(
            [each.events for each in self.server.seen],
            [[{"type": "progress", "entities_inserted": n}] for n in (3, 4)],
        )

    def test_its_failure_is_a_log_line(self):
        job = self.job(create=False, ends=False)

        with self.assertRaises(KeyError):
            with job:
                raise KeyError("row")
        self.settle(job)

        (line,) = self.server.posts[-1].events
        self.assertEqual((line["level"], line["message"]), ("error", "KeyError: 'row'"))
        self.assertTrue(job.close(0))

    def test_it_waits_for_the_job_to_be_created_but_not_for_ever(self):
        missing = problem(404, "not-found", title="Not found")
        early, lost = (self.job(create=False, ends=False) for _ in range(2))
        self.server.reactions = [missing]
        wait_s = self.settle(early)
        self.advance(early, wait_s)

        self.server.reactions = [missing] * 100
        while wait_s is not None:
            wait_s = self.advance(lost, wait_s)

        self.assertFalse(early._sender.over)
        self.assertLess(30, self.clock.passed_s)
        self.assertLess(self.clock.passed_s, 45)
        words = "nothing more is sent: the server answered 404 Not found"
        self.assertEqual(self.said[-1], f"Job {JOB}: {words}")


class Logging(Bench):
    def test_records_become_log_lines(self):
        job = self.job()
        logger = logging.getLogger("users.import")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        handler = synctail.Handler(job)
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)

        logger.debug("d")
        logger.info("%d users", 3, extra={"batch": 7})
        logger.warning("w")
        logger.critical("c")
        try:
            1 / 0
        except ZeroDivisionError:
            logger.exception("e")
        then = {"name": "a", "levelno": 5, "created": 1.5, "msg": "then"}
        handler.handle(logging.makeLogRecord(then))
        handler.handle(logging.makeLogRecord({**then, "name": "synctail"}))
        self.finish(job)

        lines = self.server.posts[-1].told("log")
        levels = [line["level"] for line in lines]
        self.assertEqual(levels, ["debug", "info", "warning", "error", "error", "debug"])
        self.assertEqual(
            (lines[1]["message"], lines[1]["source"], lines[1]["fields"]),
            ("3 users", "users.import", {"batch": 7}),
        )
        self.assertNotIn("fields", lines[0])
        self.assertTrue(lines[4]["message"].startswith("e\nTraceback"))
        self.assertIn("ZeroDivisionError", lines[4]["message"])
        self.assertEqual(lines[5]["time"], "1970-01-01T00:00:01.500Z")

    def test_log_takes_a_level_as_logging_names_or_numbers_it(self):
        job = self.job()
        for level in ["ERROR", "Warning", "warn", "critical", logging.ERROR, logging.DEBUG, "loud"]:
            job.log(level, "x")
        self.finish(job)

        levels = [line["level"] for line in self.server.posts[-1].told("log")]
        self.assertEqual(
            levels, ["error", "warning", "warning", "error", "error", "debug", "info"]
        )

    def test_log_says_when_and_with_what(self):
        job = self.job()
        job.log("warning", "slow", table="users", ms=12, rows=[1, None, {"a": True}])

        self.finish(job)

        self.assertEqual(
            self.server.posts[-1].told("log"),
            [
                {
                    "type": "log",
                    "level": "warning",
                    "message": "slow",
                    "time": "2023-11-14T22:13:20.000Z",
                    "fields": {"table": "users", "ms": 12, "rows": [1, None, {"a": True}]},
                }
            ],
        )


class Threads(Bench):
    """With the thread that delivers; these wait for events, not for a while."""

    def real(self, **options):
        return synctail.job("real", id=JOB, server=self.server.url, key=KEY, **options)

    def test_leaving_waits_for_the_delivery(self):
        with self.real() as job:
            for _ in range(100):
                job.inserted()

        self.assertEqual(self.server.posts[-1].events[-2]["entities_inserted"], 100)
        self.assertEqual(self.server.posts[-1].events[-1]["status"], "completed")
        self.assertTrue(job.close())
        job._thread.join(5)
        self.assertFalse(job._thread.is_alive())

    def test_leaving_says_that_the_end_has_not_arrived(self):
        let_go = threading.Event()
        self.addCleanup(let_go.set)
        self.server.otherwise = lambda seen: lambda handler, server: let_go.wait()

        with self.real(close_timeout_s=0.01):
            pass

        (down,) = self.said
        self.assertIn(f"{self.server.url} (its end has not arrived in 0.01 s)", down)

    def test_no_wait_is_wrong(self):
        for patience in (None, float("inf"), float("nan"), "soon", -1, 10**400):
            with self.subTest(patience=patience):
                self.server.seen.clear()
                with self.real(close_timeout_s=patience) as job:
                    job.inserted()
                    job.flush(patience)
                self.assertIn(job.close(patience), (True, False))
                self.assertTrue(job.close(5))
                self.assertEqual(self.server.posts[-1].events[-1]["status"], "completed")

        number = "is no number of seconds to wait; it is ignored"
        self.assertEqual(self.said, [f"<class 'NoneType'> {number}"])

    def test_a_job_that_somebody_else_ends_is_created_and_told_and_left_open(self):
        with self.real(end=False) as job:
            job.inserted(4)

        events = [event for each in self.server.posts for event in each.events]
        self.assertEqual(self.server.seen[0].path, CREATE)
        self.assertEqual({event["type"] for event in events}, {"progress"})
        self.assertEqual(events[-1]["entities_inserted"], 4)

    def test_counting_and_logging_wake_the_thread(self):
        self.server.answer["interval_ms"] = 50
        with self.real() as job:
            says = (
                (job.inserted, "entities_inserted"),
                (lambda: job.progress(updated=3), "entities_updated"),
                (lambda: job.phase("late"), "phase"),
                (lambda: job.log("info", "late"), "message"),
            )
            for say, member in says:
                self.assertTrue(job.flush())  # now the thread waits, or will soon
                say()
                self.assertTrue(self.server.wait_for(member, synctail.QUIET_S / 2), member)

    def test_flush_waits_until_the_server_has_it(self):
        with self.real() as job:
            job.log("info", "one")
            job.inserted(5)

            self.assertTrue(job.flush())

            events = [event for each in self.server.posts for event in each.events]
            self.assertIn(5, [event.get("entities_inserted") for event in events])
            self.assertIn("one", [event.get("message") for event in events])

    def test_async_with_leaves_the_event_loop_free(self):
        async def work():
            async with self.real() as job:
                job.inserted(2)

        asyncio.run(work())

        self.assertEqual(self.server.posts[-1].events[-1]["status"], "completed")

    def test_no_call_waits_for_a_server_that_never_answers_and_leaving_gives_up_in_time(self):
        release = threading.Event()
        self.addCleanup(release.set)
        self.server.reactions = [lambda handler, server: release.wait(30)]

        started = time.monotonic()
        with self.real(close_timeout_s=0.05) as job:
            for _ in range(1_000):
                job.inserted()
                job.log("info", "x")
                self.assertFalse(job.cancelled)
        took_s = time.monotonic() - started

        self.assertLess(took_s, 5)
        self.assertFalse(job.close(0))

    def test_what_was_not_delivered_in_time_is_delivered_later(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def late(handler, server):
            release.wait(30)
            answer(201)(handler, server)

        self.server.reactions = [late]
        with self.real(close_timeout_s=0) as job:
            job.inserted()

        release.set()

        self.assertTrue(job.close(10))
        self.assertEqual(self.server.posts[-1].events[-1]["status"], "completed")

    def test_a_job_that_nobody_holds_is_delivered_and_not_ended(self):
        job = synctail.attach(JOB, server=self.server.url, key=KEY)
        job.inserted(3)
        thread = job._thread

        del job
        thread.join(10)

        self.assertFalse(thread.is_alive())
        events = [event for each in self.server.posts for event in each.events]
        self.assertEqual(events, [{"type": "progress", "entities_inserted": 3}])

    def script(self, text):
        code = f"import os, sys\nsys.path.insert(0, {HERE!r})\nimport synctail\n{text}"
        env = {**os.environ, "SYNCTAIL_SERVER": self.server.url, "SYNCTAIL_KEY": KEY}
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env=env, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def test_a_process_that_ends_delivers_what_it_said(self):
        run = self.script(
            f"job = synctail.job(id={JOB!r})\njob.inserted(7)\njob.log('info', 'bye')"
        )

        self.assertEqual((run.returncode, run.stdout), (0, b""))
        events = [event for each in self.server.posts for event in each.events]
        totals = [each["entities_inserted"] for each in events if "entities_inserted" in each]
        self.assertEqual(totals, [7])
        self.assertEqual([each["message"] for each in events if each["type"] == "log"], ["bye"])
        self.assertEqual([each for each in events if each["type"] == "end"], [])

    def test_a_close_that_did_not_wait_is_waited_for_at_exit(self):
        run = self.script(f"job = synctail.job(id={JOB!r})\njob.inserted(7)\njob.close(0)")

        self.assertEqual((run.returncode, run.stdout), (0, b""))
        self.assertEqual(self.server.posts[-1].events[-1]["status"], "completed")

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_a_forked_child_is_a_worker_of_its_own_and_does_not_end_the_job(self):
        run = self.script(
            f"""
with synctail.job(id={JOB!r}) as job:
    job.inserted(1)
    assert job.flush()
    with job._record.lock:  # held for ever in the child, if nobody sees to it
        pid = os.fork()
    if pid == 0:
        try:
            with job:
                job.inserted(10)
                raise ValueError("a child's")
        except ValueError:
            os._exit(0 if job.close() else 1)
    assert os.waitpid(pid, 0)[1] == 0
    job.inserted(1)
"""
        )

        self.assertEqual((run.returncode, run.stdout), (0, b""))
        totals = {}
        for each in self.server.posts:
            for event in each.told("progress"):
                totals.setdefault(each.headers["Producer-Id"], 0)
                totals[each.headers["Producer-Id"]] = event.get("entities_inserted", 0)
        self.assertEqual(sorted(totals.values()), [2, 10])
        ends = [event for each in self.server.posts for event in each.told("end")]
        self.assertEqual(ends, [{"type": "end", "status": "completed"}])
        self.assertEqual(len([each for each in self.server.seen if each.path == CREATE]), 1)


if __name__ == "__main__":
    unittest.main()
