"""Tells a synctail server what a sync is doing, live. One file, standard library, Python 3.8+.

    import synctail

    with synctail.job("nightly-users", total=len(users)) as job:
        for user in users:
            job.inserted()
            if job.cancelled:
                break

The server and the key come from SYNCTAIL_SERVER and SYNCTAIL_KEY (or the file that
SYNCTAIL_KEY_FILE names), or from arguments.

What it promises: no call here waits for the network and none raises into the sync. One daemon
thread a job delivers in the background. Counts are running totals of this producer, so nothing
is lost by merging them; log lines wait in a buffer with a limit, and the oldest give way. A
request that got no answer is sent again, byte for byte, under its old number, until it is
answered: the server takes it once. Leaving the `with` waits a few seconds at most.

What goes wrong here is said once, through the logger named "synctail".

The contract on the wire is docs/workers.md of synctail.
"""

import atexit
import email.utils
import http.client
import json
import logging
import math
import operator
import os
import random
import re
import threading
import time
import uuid
import weakref
from collections import deque
from datetime import datetime, timezone
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple, Union
from urllib.parse import urlsplit

__all__ = ["Cancelled", "Handler", "Job", "attach", "job"]
__version__ = "0.1.0"

DEFAULT_SERVER = "http://127.0.0.1:8017"

# Limits of the buffer. What is being sent at the moment comes on top: one batch.
BUFFER_LINES = 10_000
BUFFER_BYTES = 4 * 1024 * 1024

# Limits of one request. The server takes 1 MiB; the largest line, progress and end together
# stay below that even if every character has to be escaped.
BATCH_EVENTS = 500
BATCH_BYTES = 256 * 1024

# Limits of what the server takes. What is long is cut in bytes of UTF-8, for the limit of a
# request; names in characters as the server counts them, so that none becomes another.
MESSAGE_BYTES = 64 * 1024
FIELDS_BYTES = 64 * 1024
ERROR_BYTES = 16 * 1024
WORDS_BYTES = 1_000
NAME_MAX = 200
LABEL_MAX = 100
TAGS_MAX = 20
TYPES_MAX = 1_000
TYPES_BYTES = 384 * 1024  # of all types together, with their counts
DEPTH_MAX = 20
COUNT_MAX = 2**53 - 1

# Seconds.
ANSWER_TIMEOUT_S = 10.0
ANSWER_LEAST_S = 5.0  # a third of the lease between these: the next try has another connection
BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
BACKOFF_HURRIED_S = 1.0
RETRY_AFTER_MAX_S = 300.0
LINE_WAIT_S = 1.0  # a log line waits no longer, even while progress is asked for every 5 s
LIVES_A_LEASE = 3  # posts and tries in the time of one lease, at least
QUIET_S = 8.0  # an empty post after so long: keeps the lease, and hears of a cancel in time
REUSE_S = 9.0  # servers drop idle connections after 10 s or so
NOT_YET_S = 30.0  # how long attach() waits for the job to be created
LEASE_S = 900.0
CLOSE_S = 5.0
WAIT_MAX_S = min(365 * 86_400.0, threading.TIMEOUT_MAX)  # 50 days under Windows

_log = logging.getLogger("synctail")
_LEVELS = {
    "debug": "debug",
    "warning": "warning",
    "warn": "warning",
    "error": "error",
    "critical": "error",
    "fatal": "error",
}
_COUNTERS = ("inserted", "updated", "deleted", "kept", "skipped", "warnings", "bytes")
_WIRE_NAMES = {
    "inserted": "entities_inserted",
    "updated": "entities_updated",
    "deleted": "entities_deleted",
    "kept": "entities_kept",
    "skipped": "entities_skipped",
    "warnings": "warnings",
    "bytes": "bytes_done",
}
_COUNTER_OF = {wire: name for name, wire in _WIRE_NAMES.items()}
_TERMINAL = ("completed", "failed", "cancelled")
_TRY_AGAIN = (408, 429, 500, 502, 503, 504, 507)
# Refusals that would come again: of what was sent, and of the key. Others may pass, or are not of a
# synctail server. Only a job that was there can be gone: where none can be created is no server.
_FINAL = (
    "invalid-request",
    "job-exists",
    "job-ended",
    "not-outside",
    "producer-fenced",
    "producer-out-of-order",
    "counter-went-back",
    "body-too-large",
    "unauthenticated",
    "forbidden",
)


class Cancelled(Exception):
    """Raised by `Job.check()` when the job shall stop. Leaving a job with it ends it as cancelled;
    it goes on to the caller like any exception."""


def job(
    sync: Optional[str] = None,
    *,
    total: Optional[int] = None,
    bytes_total: Optional[int] = None,
    name: Optional[str] = None,
    tags: Iterable[str] = (),
    meta: Optional[Mapping[str, Any]] = None,
    id: Any = None,
    retry_of: Any = None,
    attempt: Optional[int] = None,
    lease_s: Optional[float] = None,
    end: bool = True,
    server: Optional[str] = None,
    key: Optional[str] = None,
    close_timeout_s: float = CLOSE_S,
) -> "Job":
    """A new job of this worker; it is created in the background.

    sync: what this is a run of, by name or UUID; its jobs are seen together.
    total, bytes_total: entities and bytes in all, once they are final; leave them out otherwise.
    name: words for people about this one run, at most 200 characters.
    tags: at most 20 texts of at most 100 characters. meta: any JSON object.
    id: a UUID of your own. The same again is the same job, so a worker that starts anew with the
        id it had goes on with the job (what it counts is added). Drawn here when left out.
    retry_of, attempt: the id of the job that this one tries again; which try it is, from 1.
    lease_s: seconds that this process may be silent before the server gives the job up; 1 to
        604,800, and 900 when left out. A running process is never silent for so long.
    end: False when somebody else ends the job (see `attach`): leaving then posts no end.
    server, key: address and API key (scope `write`); SYNCTAIL_SERVER and SYNCTAIL_KEY, else what
        is in the file of SYNCTAIL_KEY_FILE, when left out. Without a key nothing is sent, and that
        is said once.
    close_timeout_s: how long leaving may wait for the delivery, in seconds.

    Never raises: what is wrong with an argument is said through logging.
    """
    asked = _Asked()
    body: Dict[str, Any] = {"id": asked.uuid("id", uuid.uuid4() if id is None else id)}
    if name:
        body["name"] = _name(name, NAME_MAX)
    if sync:
        body["sync"] = _name(_text(sync).replace("\0", "?"), LABEL_MAX)
    # Not by their truth, which an array of tags refuses to tell. False comes of `dry and ["dry"]`.
    labels = [] if tags is None or tags is False else asked.labels(tags)
    if labels:
        body["tags"] = labels
    described = {} if meta is None or meta is False else _object(meta)
    if described:
        body["meta"] = described
    for member, number in (("total", total), ("bytes_total", bytes_total)):
        if number is not None and _whole(number, -1) >= 0:
            body[member] = _whole(number)
    if retry_of is not None:
        body["retry_of"] = asked.uuid("retry_of", retry_of)
    if attempt is not None:
        body["attempt"] = min(max(1, _whole(attempt)), 1_000_000)
    if lease_s is not None:
        body["lease_s"] = asked.seconds(lease_s)
    return Job(
        _Plan(
            job_id=body["id"],
            create=body,
            ends=end,
            lease_s=body.get("lease_s", LEASE_S),
            server=server,
            key=key,
            close_timeout_s=_patience(close_timeout_s, CLOSE_S),
            fault=asked.fault,
        )
    )


def attach(
    job_id: Any,
    *,
    server: Optional[str] = None,
    key: Optional[str] = None,
    close_timeout_s: float = CLOSE_S,
) -> "Job":
    """One more worker of a job that exists, or will within 30 seconds.

    It counts for itself; the job's totals are the sums over its workers. It neither creates nor
    ends the job: leaving only delivers, and what it fails with becomes a log line of level error.
    The arguments are those of `job`. Never raises.
    """
    asked = _Asked()
    return Job(
        _Plan(
            job_id=asked.uuid("job_id", job_id),
            create=None,
            ends=False,
            lease_s=LEASE_S,
            server=server,
            key=key,
            close_timeout_s=_patience(close_timeout_s, CLOSE_S),
            fault=asked.fault,
        )
    )


class Job:
    """A job as its worker sees it; made by `job()` and `attach()`.

    All methods may be called from any thread, return at once and never raise, except `flush`,
    `close` and leaving a `with`, which wait for seconds at most, and `check`, which raises
    `Cancelled`. `async with` waits without holding up the event loop.

    After os.fork() the child's copy is a worker of its own, as if by `attach`: it counts from
    nothing and does not end the job. A child that leaves by os._exit(), as those of
    multiprocessing do, calls `flush()` before, or what it counted last is lost.
    """

    def __init__(self, plan: "_Plan", clock: Any = None, start: bool = True) -> None:
        self._plan = plan
        self._clock = clock or _Clock()
        self._threaded = start
        self._waited_s = 0.0
        self._outcome: Optional[Dict[str, Any]] = None
        self._closed = False
        self._cancel_seen = False
        self._begin(plan.create, plan.ends)
        _live.add(self)

    def _begin(
        self, create: Optional[Dict[str, Any]], ends: bool, forked: bool = False
    ) -> None:
        """A producer that has said nothing yet; a forked one has no thread before it says some."""
        self._ends = ends
        self._record = _Record(begun=create is not None)
        self._sender = _Sender(self._plan, create, self._record, self._clock)
        self._thread: Optional[threading.Thread] = None
        if not forked:
            self._start()

    # What it is

    @property
    def id(self) -> str:
        """The job's UUID."""
        return self._plan.job_id

    @property
    def cancelled(self) -> bool:
        """Whether the worker shall stop: somebody has cancelled the job, or it is over already.

        Costs nothing: the server says so in its answers, at the latest after 8 seconds. A worker
        that has read True here and leaves without an exception ends the job as cancelled; one
        that never looked has completed it.
        """
        if self._sender.cancelled:
            self._cancel_seen = True
            return True
        return False

    def check(self) -> None:
        """Raises `Cancelled` when the worker shall stop."""
        if self.cancelled:
            raise Cancelled(f"Job {self.id} was cancelled")

    # What it counts

    def inserted(self, n: int = 1, entity_type: Optional[str] = None) -> None:
        """Counts n entities as inserted; with entity_type also as encountered, by that type.

        At most 1,000 types are told apart; further ones are counted as "(other)".
        """
        self._count("inserted", n, entity_type)

    def updated(self, n: int = 1, entity_type: Optional[str] = None) -> None:
        """Counts n entities as updated."""
        self._count("updated", n, entity_type)

    def deleted(self, n: int = 1, entity_type: Optional[str] = None) -> None:
        """Counts n entities as deleted."""
        self._count("deleted", n, entity_type)

    def kept(self, n: int = 1, entity_type: Optional[str] = None) -> None:
        """Counts n entities as looked at and left as they were."""
        self._count("kept", n, entity_type)

    def skipped(self, n: int = 1, entity_type: Optional[str] = None) -> None:
        """Counts n entities as left out."""
        self._count("skipped", n, entity_type)

    def warnings(self, n: int = 1) -> None:
        """Counts n warnings."""
        self._count("warnings", n)

    def bytes(self, n: int) -> None:
        """Counts n bytes as done."""
        self._count("bytes", n)

    def _count(self, name: str, n: int, entity_type: Optional[str] = None) -> None:
        if type(n) is not int:
            n = _whole(n)
        if n > 0 and self._record.count(name, n, entity_type):
            self._wake()

    def progress(self, **totals: Any) -> None:
        """Sets running totals of this worker: inserted, updated, deleted, kept, skipped, warnings,
        bytes (or the wire's names, such as entities_inserted and bytes_done), and
        entities_encountered={type: n}. A total below the last one is ignored: totals never go
        back. Also total, bytes_total, phase and current, as the methods of those names.
        """
        for name, value in totals.items():
            if name in ("total", "bytes_total", "phase", "current"):
                self._measure(name, value)
            elif name == "entities_encountered" and isinstance(value, Mapping):
                for entity_type, n in list(value.items()):
                    self._raise_to(None, n, entity_type)
            elif _COUNTER_OF.get(name, name) in _COUNTERS:
                self._raise_to(_COUNTER_OF.get(name, name), value)
            else:
                _say_once(f"progress:{name}", 'There is no total named "%s"; it is ignored', name)

    def _raise_to(self, name: Optional[str], total: Any, entity_type: Any = None) -> None:
        if self._record.raise_to(name, _whole(total), entity_type):
            self._wake()

    def total(self, n: int) -> None:
        """How many entities there are in all, once that is final; percentages come from it."""
        self._measure("total", n)

    def bytes_total(self, n: int) -> None:
        """How many bytes there are in all, once that is final."""
        self._measure("bytes_total", n)

    def phase(self, phase: str) -> None:
        """What the job is busy with, at most 1,000 characters. Of quick changes the last counts."""
        self._measure("phase", phase)

    def current(self, current: str) -> None:
        """What is being worked on right now, at most 1,000 characters; the last one is told."""
        self._measure("current", current)

    def _measure(self, name: str, value: Any) -> None:
        if value is None:
            return  # as of a row without a name
        if name in ("phase", "current"):
            value = _clip(value, WORDS_BYTES)
        else:
            value = _whole(value, -1)
            if value < 0:
                return
        if self._record.measure(name, value):
            self._wake()

    # What it says

    def log(self, level: Union[str, int], message: str, **fields: Any) -> None:
        """A log line: level debug, info, warning or error, or one as `logging` names or numbers it
        (any other word is info), text of at most 64 KiB, and fields of at most 64 KiB as JSON;
        what is no JSON becomes text."""
        self._line(level, message, None, self._clock.now(), fields)

    def _line(
        self,
        level: Union[str, int],
        message: Any,
        source: Optional[str],
        time_s: float,
        fields: Mapping[str, Any],
    ) -> None:
        event: Dict[str, Any] = {
            "type": "log",
            "level": _level_called(level),
            "message": _clip(message, MESSAGE_BYTES),
            "time": _rfc3339(time_s),
        }
        if source:
            event["source"] = _name(source, NAME_MAX)
        if fields:
            event["fields"] = _object(fields)
        if self._record.line(_encode(event)):
            self._wake()

    def fail(self, code: str, message: str) -> None:
        """The job has failed: leaving it (or `close`) posts that. The first failure counts.

        code: at most 100 characters, for programs; message: for people. In an attached worker it
        becomes a log line of level error at once.
        """
        code = _name(code, LABEL_MAX) or "worker_failed"
        message = _clip(message, ERROR_BYTES)
        if not self._ends:
            self._line("error", f"{code}: {message}", None, self._clock.now(), {})
        elif self._outcome is None:
            self._outcome = {"status": "failed", "error": {"code": code, "message": message}}

    # How it ends

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Waits until the server has what was said before this call.

        timeout: seconds, `close_timeout_s` when left out. False when that was not enough, or when
        delivery has stopped for good.
        """
        timeout = self._patience(timeout)
        with self._record.lock:
            ticket = self._record.ask_flush()
            self._sender.hurry(timeout)
        self._wake()
        return self._wait(lambda: self._record.flushed >= ticket, timeout)

    def close(self, timeout: Optional[float] = None) -> bool:
        """Ends the job and waits for the delivery; further calls only wait.

        Ends as failed after `fail`, as cancelled after `cancelled` was read as True, and as
        completed otherwise. timeout: seconds, `close_timeout_s` when left out; what is not
        delivered by then is delivered in the background, as long as the process lives, for 15
        minutes, or a lease that is longer. True when everything has arrived.
        """
        self._finish(None)
        return self._wait_closed(timeout)

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, exc_type: Any, exc: Any, trace: Any) -> None:
        self._finish(exc)
        self._wait_closed(None)

    async def __aenter__(self) -> "Job":
        return self

    async def __aexit__(self, exc_type: Any, exc: Any, trace: Any) -> None:
        self._finish(exc)
        import asyncio  # only here: it takes long to import

        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._wait_closed, None)

    def _finish(self, exc: Optional[BaseException]) -> None:
        """Decides how the job ends, and hands the end to the sender."""
        if self._closed:
            return
        self._closed = True
        if isinstance(exc, SystemExit) and exc.code in (None, 0):
            exc = None
        if isinstance(exc, Cancelled):
            self._cancel_seen = True
        elif exc is not None:
            self.fail(type(exc).__name__, _text(exc) or type(exc).__name__)
        end = self._outcome
        if end is None:
            end = {"status": "cancelled" if self._cancel_seen else "completed"}
        with self._record.lock:
            self._record.close(_encode({"type": "end", **end}) if self._ends else None)
            self._sender.closing()
        self._wake()

    def _wait_closed(self, timeout: Optional[float]) -> bool:
        timeout = self._patience(timeout)
        started = self._clock.monotonic()
        with self._record.lock:
            self._sender.hurry(timeout)
        self._wake()
        try:
            arrived = self._wait(lambda: self._sender.delivered, timeout)
        finally:
            self._waited_s += self._clock.monotonic() - started
        if not arrived and timeout > 0 and self._thread is not None:
            self._sender.silence(f"its end has not arrived in {timeout:g} s")
        return arrived

    def _patience(self, timeout: Optional[float]) -> float:
        usual = self._plan.close_timeout_s
        return usual if timeout is None else _patience(timeout, usual)

    def _wait(self, reached: Any, timeout: float) -> bool:
        with self._record.lock:
            if self._thread is not None:
                self._record.news.wait_for(lambda: reached() or self._sender.over, max(0, timeout))
            return bool(reached())

    def __del__(self) -> None:
        # Nobody can close it any more: what was said is delivered, and the lease will tell.
        try:
            if not self._closed:
                with self._record.lock:
                    self._record.close(None)
                    self._sender.closing()
                self._record.wake()
        except Exception:
            pass  # half made, or the interpreter is shutting down

    # The thread

    def _wake(self) -> None:
        if self._thread is None:
            self._start()
        self._record.wake()

    def _start(self) -> None:
        if not self._threaded or self._sender.over:
            return
        with self._record.lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(
                target=_deliver, args=(self._sender, self._record), name="synctail", daemon=True
            )
        try:
            self._thread.start()
        except RuntimeError as fault:  # the interpreter is shutting down
            self._sender.stop()
            _say_once("thread", "Nothing more is sent to synctail: %s", fault)

    def _after_fork(self) -> None:
        """In the child: the thread is not here, locks may be held for ever, and the counts are
        the parent's."""
        self._outcome = None
        if self._closed or self._sender.over:
            self._threaded = False
        self._begin(None, False, forked=True)


class Handler(logging.Handler):
    """Sends the records of Python's logging to a job's log.

    The text is what the handler's formatter makes of it (message, exception, stack), the source
    is the logger's name, the time the record's own; CRITICAL is error; what `extra` has added
    becomes fields. Records of the logger "synctail" are left out: they are about the delivery.

        logging.getLogger().addHandler(synctail.Handler(job))
    """

    def __init__(self, job: Job, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._job = job

    def filter(self, record: logging.LogRecord) -> Any:
        if record.name == "synctail" or record.name.startswith("synctail."):
            return False
        return super().filter(record)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = {
                name: value
                for name, value in record.__dict__.items()
                if name not in _RECORD_NAMES and not name.startswith("_")
            }
            self._job._line(
                _level_of(record.levelno), self.format(record), record.name, record.created, fields
            )
        except Exception:
            self.handleError(record)


_RECORD_NAMES = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _level_called(level: Union[str, int]) -> str:
    if isinstance(level, int):
        return _level_of(level)
    return _LEVELS.get(str(level).lower(), "info")


def _level_of(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


# ----- what is to be told -----------------------------------------------------------------------


class _Plan(NamedTuple):
    """What a job was asked to be."""

    job_id: str
    create: Optional[Dict[str, Any]]
    ends: bool
    lease_s: float
    server: Optional[str]
    key: Optional[str]
    close_timeout_s: float
    fault: Optional[str]


class _Asked:
    """Reads arguments; the first that is wrong is kept, and the job then sends nothing."""

    def __init__(self) -> None:
        self.fault: Optional[str] = None

    def uuid(self, name: str, value: Any) -> str:
        try:
            return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))
        except Exception:
            self.fault = self.fault or f"{name} is no UUID: {_clip(value, LABEL_MAX)!r}"
            return str(value)

    def labels(self, values: Any) -> List[str]:
        try:
            texts = [_name(value, LABEL_MAX) for value in _listed(values)]
        except Exception:
            self.fault = self.fault or f"tags are no list: {_clip(values, LABEL_MAX)!r}"
            return []
        return [text for text in texts if text][:TAGS_MAX]

    def seconds(self, value: Any) -> float:
        try:
            return min(max(1.0, float(value)), 604_800.0)
        except Exception:
            self.fault = self.fault or f"lease_s is no number: {_clip(value, LABEL_MAX)!r}"
            return LEASE_S


class _Batch(NamedTuple):
    events: List[bytes]
    covers: int  # flushes that are answered once this batch is
    last: bool  # nothing follows: the job, or this worker's part of it, is over


class _Record:
    """What is to be told and has not been sent: totals that changed, log lines, the end.

    `lock` guards all of it and what the sender shares with the job. It may be taken again by the
    thread that holds it: a signal handler may log. Nothing is ever logged or sent under it.
    """

    def __init__(self, begun: bool) -> None:
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.woken = False
        self.flushed = 0  # set by the sender
        self.closed = False
        self.progress = begun  # a first, empty one says that the job is under way
        self._flushes = 0
        self._taken = 0
        self._totals = dict.fromkeys(_COUNTERS, 0)
        self._types: Dict[str, int] = {}
        self._types_bytes = 0
        self._tells_types = True
        self._measures: Dict[str, Any] = {}
        self._changed: Set[str] = set()
        self._changed_types: Set[str] = set()
        self._lines: "deque[bytes]" = deque()
        self._bytes = 0
        self._dropped = 0
        self._end: Optional[bytes] = None
        self._over = False

    # Each answers whether the sender has to be woken: when there was nothing to tell before.

    def count(self, name: str, n: int, entity_type: Optional[str]) -> bool:
        with self.lock:
            if self.closed:
                return False
            self._totals[name] = min(self._totals[name] + n, COUNT_MAX)
            self._changed.add(name)
            if entity_type is not None:
                entity_type = self._type(entity_type)
                self._types[entity_type] = min(self._types.get(entity_type, 0) + n, COUNT_MAX)
                self._changed_types.add(entity_type)
            return self._dirty()

    def raise_to(self, name: Optional[str], total: int, entity_type: Any) -> bool:
        with self.lock:
            if self.closed:
                return False
            if name is not None and total > self._totals[name]:
                self._totals[name] = total
                self._changed.add(name)
                return self._dirty()
            if name is None:
                entity_type = self._type(entity_type)
                if total > self._types.get(entity_type, 0):
                    self._types[entity_type] = total
                    self._changed_types.add(entity_type)
                    return self._dirty()
            return False

    def measure(self, name: str, value: Any) -> bool:
        with self.lock:
            if self.closed:
                return False
            self._measures[name] = value
            self._changed.add(name)
            return self._dirty()

    def line(self, line: bytes) -> bool:
        with self.lock:
            if self.closed:
                return False
            before = self.backlog
            self._lines.append(line)
            self._bytes += len(line)
            while len(self._lines) > BUFFER_LINES or self._bytes > BUFFER_BYTES:
                self._bytes -= len(self._lines.popleft())
                self._dropped += 1
            return len(self._lines) == 1 or self.backlog > before

    def _type(self, entity_type: Any) -> str:
        known = self._types
        if type(entity_type) is str and entity_type in known:
            return entity_type
        text = _member(entity_type, NAME_MAX) or "(other)"
        text = "".join(c if c.isprintable() else " " for c in text)
        if text in known:
            return text
        size = len(_encode(text)) + 20
        if len(known) >= TYPES_MAX - 1 or self._types_bytes + size > TYPES_BYTES:
            return "(other)"
        self._types_bytes += size
        return text

    def _dirty(self) -> bool:
        first = not self.progress
        self.progress = True
        return first

    def ask_flush(self) -> int:
        self._flushes += 1
        return self._flushes

    def close(self, end: Optional[bytes]) -> None:
        """Nothing is said after this. Without an end it is over once the rest has arrived."""
        self.closed = True
        self._end = end

    def tell_anew(self) -> None:
        """All totals are told again: the server has lost some."""
        self._changed.update(name for name, total in self._totals.items() if total)
        self._changed.update(self._measures)
        self._changed_types.update(self._types)
        self._dirty()

    def leave_out_types(self) -> bool:
        """The server does not take the entity types: none are told any more, and the totals are
        told anew. False when none were told."""
        told = self._tells_types and bool(self._types)
        self._tells_types = False
        if told:
            self.tell_anew()
        return told

    def clear(self) -> None:
        self.closed = True
        self._lines.clear()
        self._bytes = self._dropped = 0

    def wake(self) -> None:
        with self.lock:
            self.woken = True
            self.news.notify_all()

    # For the sender, with the lock held.

    @property
    def lines(self) -> bool:
        return len(self._lines) > 0 or self._dropped > 0

    @property
    def backlog(self) -> bool:
        """More than is worth waiting with."""
        return len(self._lines) >= BATCH_EVENTS or self._bytes >= BATCH_BYTES

    @property
    def pressing(self) -> bool:
        """Somebody waits for it."""
        return self._flushes > self._taken or self._end is not None or self._unsaid_close

    @property
    def _unsaid_close(self) -> bool:
        return self.closed and not self._over

    def take(self, progress: bool, now_s: float) -> _Batch:
        """The next batch, which may be without events. `progress`: totals are due."""
        events = []
        if self._dropped:
            events.append(_dropped_line(self._dropped, now_s))
            self._dropped = 0
        size = sum(map(len, events))
        while self._lines and len(events) < BATCH_EVENTS:
            if events and size + len(self._lines[0]) > BATCH_BYTES:
                break
            line = self._lines.popleft()
            self._bytes -= len(line)
            size += len(line)
            events.append(line)
        if self._lines:
            # Others may come faster than they can be delivered: totals that are due go along.
            if self.progress and progress and not self.closed:
                events.append(self.take_progress())
            return _Batch(events, 0, False)
        if self.progress and (progress or self.pressing):
            events.append(self.take_progress())
        self._taken = self._flushes
        last = self.closed
        if self._end is not None:
            events.append(self._end)
            self._end = None
        self._over = last
        return _Batch(events, self._taken, last)

    def take_progress(self) -> bytes:
        event: Dict[str, Any] = {"type": "progress"}
        for name in _COUNTERS:
            if name in self._changed:
                event[_WIRE_NAMES[name]] = self._totals[name]
        for name, value in self._measures.items():
            if name in self._changed:
                event[name] = value
        if self._changed_types and self._tells_types:
            event["entities_encountered"] = {
                entity_type: self._types[entity_type] for entity_type in self._changed_types
            }
        self._changed.clear()
        self._changed_types.clear()
        self.progress = False
        return _encode(event)


def _dropped_line(dropped: int, now_s: float) -> bytes:
    return _encode(
        {
            "type": "log",
            "level": "warning",
            "message": f"{dropped} log lines are missing here: they came faster than they could "
            "be delivered",
            "source": "synctail",
            "time": _rfc3339(now_s),
            "fields": {"dropped": dropped},
        }
    )


# ----- how it is delivered ----------------------------------------------------------------------


class _Clock:
    """The machine's own time, in seconds."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    random = staticmethod(random.random)


class _Request(NamedTuple):
    path: str
    events: List[bytes]  # or the job that it creates
    covers: int
    last: bool
    creates: bool

    @property
    def body(self) -> bytes:
        return self.events[0] if self.creates else _array(self.events)


def _deliver(sender: "_Sender", record: _Record) -> None:
    """The thread: one step after the other, until there is none."""
    while True:
        wait_s = sender.step()
        if wait_s is None:
            return
        with record.lock:
            if not record.woken:
                record.news.wait(wait_s)
            record.woken = False


class _Sender:
    """Sends one request at a time, and the same one until it is answered."""

    def __init__(
        self, plan: _Plan, create: Optional[Dict[str, Any]], record: _Record, clock: Any
    ) -> None:
        self.cancelled = False
        self.over = False  # nothing is sent any more
        self.delivered = False  # everything has arrived, the end too
        self._record = record
        self._clock = clock
        self._create = create
        self._job_id = plan.job_id
        self._producer = uuid.uuid4().hex
        self._number = 0
        self._unheard_s = plan.lease_s / LIVES_A_LEASE
        self._quiet_s = min(self._unheard_s, QUIET_S)
        self._interval_s = 0.25
        self._request: Optional[_Request] = None
        self._then: List[_Request] = []  # what comes after it without being asked for
        self._exists = False
        self._begun_s = clock.monotonic()
        self._posted_s = -math.inf
        self._progress_s = -math.inf
        self._failures = 0
        self._hurried_until_s = -math.inf
        self._lease_s = plan.lease_s
        self._over_at_s = math.inf
        self._held_until_s = -math.inf
        self._held_by_server = False
        self._said_down = False
        self._said_left_out = False
        self._wire = self._wired(plan)

    def _wired(self, plan: _Plan) -> Optional["_Wire"]:
        server = plan.server or os.environ.get("SYNCTAIL_SERVER") or DEFAULT_SERVER
        try:
            if plan.fault is not None:
                raise ValueError(plan.fault)
            key = plan.key or os.environ.get("SYNCTAIL_KEY") or _key_in_file()
            if not key.strip():
                raise ValueError(
                    "there is no key: set SYNCTAIL_KEY or SYNCTAIL_KEY_FILE, or pass key="
                )
            return _Wire(server, key.strip(), self._clock, self._unheard_s)
        except Exception as fault:
            self.stop()
            _say_once(f"idle:{fault}", "Nothing is sent to synctail: %s", fault)
            return None

    def step(self) -> Optional[float]:
        """Sends one request if one is due. The answer: seconds until the next step; None: over."""
        with self._record.lock:
            now = self._clock.monotonic()
            if self.over:
                return None
            if self._request is None:
                wait_s = self._due_in(now)
                if wait_s > 0:
                    return wait_s
            if now < self._held_until_s:
                return self._held_until_s - now
            if self._request is None:
                self._request = self._next(now)
            request = self._request
        try:
            self._exchange(request)
        except Exception as fault:
            # A fault of ours must not take the sync along, nor be silent.
            self._give_up("%s: %s", type(fault).__name__, fault)
        return None if self.over else 0.0

    def hurry(self, seconds: float) -> None:
        """Somebody waits for so long: own pauses are short meanwhile, not those that the server has
        asked for."""
        if not self._held_by_server:
            self._held_until_s = -math.inf
        self._hurried_until_s = self._clock.monotonic() + seconds

    def closing(self) -> None:
        """The worker has gone. The server may be away for longer than a short lease, which it does
        not count then."""
        self._over_at_s = self._clock.monotonic() + max(self._lease_s, LEASE_S)

    def stop(self) -> None:
        with self._record.lock:
            self.over = True
            self._request = None
            self._record.clear()
            self._record.news.notify_all()

    def _due_in(self, now: float) -> float:
        record = self._record
        if record.pressing or record.backlog or (self._create and not self._exists):
            return 0
        due_s = self._posted_s + self._quiet_s
        if record.lines:
            due_s = min(due_s, self._posted_s + min(LINE_WAIT_S, self._interval_s))
        if record.progress:
            due_s = min(due_s, self._progress_s + self._interval_s)
        return due_s - now

    def _next(self, now: float) -> _Request:
        if self._create and not self._exists:
            return _Request("/v1/sync/job", [_encode(self._create)], 0, False, True)
        due = self._progress_s + self._interval_s <= now
        told = self._record.progress
        batch = self._record.take(due, self._clock.now())
        if told and not self._record.progress:
            self._progress_s = now
        path = f"/v1/sync/job/{self._job_id}/events"
        return _Request(path, batch.events, batch.covers, batch.last, False)

    def _exchange(self, request: _Request) -> None:
        headers = {}
        if not request.creates:
            headers = {"Producer-Id": self._producer, "Producer-Epoch": "0"}
            if request.events:  # an empty post appends nothing, so nothing of it can be doubled
                headers["Producer-Seq"] = str(self._number)
        wire = self._wire
        assert wire is not None  # without one it has been over from the start
        try:
            status, retry_after, location, answer = wire.post(
                request.path, request.body, headers
            )
        except (OSError, http.client.HTTPException) as fault:
            wire.close()
            self._again(f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__)
            return
        # Some proxies answer with success for a host or a path that they do not know.
        always = "id" if request.creates else "interval_ms"
        if status in (200, 201) and isinstance(answer, dict) and always in answer:
            self._answered(request, answer)
        elif status in _TRY_AGAIN or status in (200, 201):
            self._again(f"it answered {status}", _seconds(retry_after, self._clock))
        elif 300 <= status < 400:
            self._again(_led_to(location) or f"it answered {status}")
        else:
            problem = answer if isinstance(answer, dict) else {}
            code = _code_of(problem)
            if code in _FINAL or (code == "not-found" and not request.creates):
                self._refused(request, status, code, problem)
            else:
                detail = problem.get("detail")
                words = f": {_clip(detail, 500)}" if isinstance(detail, str) else ""
                self._again(f"it answered {status}{words}")

    def _answered(self, request: _Request, answer: Dict[str, Any]) -> None:
        ended = None
        with self._record.lock:
            self._request = self._then.pop(0) if self._then else None
            self._failures = 0
            self._held_until_s = -math.inf
            self._held_by_server = False
            self._exists = True
            if not request.creates:
                self._number += 1 if request.events else 0
                self._posted_s = self._clock.monotonic()
                self._interval_s = _interval_s(answer.get("interval_ms"), self._interval_s)
                self._record.flushed = max(self._record.flushed, request.covers)
            if answer.get("status") == "cancelling" or answer.get("cancel_requested") is True:
                self.cancelled = True
            if request.last:
                self.delivered = self.over = True
            elif answer.get("status") in _TERMINAL:
                ended = answer["status"]
            self._record.news.notify_all()
        if self._said_down:
            self._said_down = False
            _log.info("Job %s: the server answers again", self._job_id)
        if ended is not None:
            self._end_of_job(f"it has ended as {ended}")
        elif self.over and self._wire:
            self._wire.close()

    def _again(self, reason: str, after_s: Optional[float] = None) -> None:
        """Not answered, or asked to wait: the same request again, later."""
        now = self._clock.monotonic()
        if now >= self._over_at_s:
            self._give_up("%s", reason)
            return
        with self._record.lock:
            self._failures += 1
            self._held_by_server = after_s is not None
            if after_s is None:
                most = BACKOFF_HURRIED_S if now < self._hurried_until_s else BACKOFF_MAX_S
                after_s = min(BACKOFF_FIRST_S * 2 ** min(self._failures - 1, 20), most)
                after_s *= 0.5 + self._clock.random() / 2
            else:
                # Not all at the same moment, and never without a pause.
                after_s = max(after_s, BACKOFF_FIRST_S) * (1 + self._clock.random() / 10)
            # Whoever waits for longer could have lost the job.
            self._held_until_s = now + min(after_s, self._unheard_s)
            told = self._failures >= 3
        if told:
            self.silence(reason)

    def silence(self, reason: str) -> None:
        """Says that the server does not answer, once until it answers again."""
        with self._record.lock:
            say = not (self._said_down or self.over)
            self._said_down = self._said_down or say
        if say:
            where = self._wire.address if self._wire else ""
            _log.warning("Job %s: cannot deliver to %s (%s); it is tried again until that works",
                         self._job_id, where, reason)

    def _refused(
        self, request: _Request, status: int, code: str, problem: Dict[str, Any]
    ) -> None:
        expected = problem.get("expected_seq")
        if status == 409 and code == "producer-out-of-order" and self._renumber(request, expected):
            return
        if status == 404 and not self._create and not self._exists:
            if self._clock.monotonic() - self._begun_s < NOT_YET_S:
                self._again("there is no such job yet")
                return
        words = _clip(problem.get("detail") or problem.get("title") or code, 500)
        if code in ("invalid-request", "body-too-large") and self._leave_out(request, words):
            return
        if status == 409 and code == "job-ended":
            self._end_of_job(f"it has ended as {problem.get('job_status', 'something else')}")
        elif status == 409 and code == "producer-fenced":
            self._end_of_job("another worker has taken over")
        else:
            self._give_up("the server answered %d %s", status, words)

    def _renumber(self, request: _Request, expected: Any) -> bool:
        """The server has lost our last requests (restored from a backup, say): its count goes on,
        and the running totals are told anew."""
        if type(expected) is not int or not request.events or not 0 <= expected < self._number:
            return False
        with self._record.lock:
            self._number = expected
            self._record.tell_anew()
            if any(each.last for each in (request, *self._then)):
                # Nothing is counted any more, so the totals can go before it.
                self._then.insert(0, request)
                progress = [self._record.take_progress()]
                self._request = request._replace(events=progress, covers=0, last=False)
        return True

    def _leave_out(self, request: _Request, words: str) -> bool:
        """Of events that the server does not take together, the one that it does not take is found
        by halves and left out; the end never is."""
        events = request.events
        kind = json.loads(events[0])["type"] if events and not request.creates else "end"
        if len(events) < 2 and kind == "end":
            return False
        with self._record.lock:
            if len(events) > 1:
                half = len(events) // 2
                self._then.insert(0, request._replace(events=events[half:]))
                self._request = request._replace(events=events[:half], covers=0, last=False)
                return True
            if kind == "progress" and self._record.leave_out_types():
                self._request = request._replace(events=[self._record.take_progress()])
            else:
                # An empty post in its place is answered for it: all before it has arrived.
                self._request = request._replace(events=[])
        say, self._said_left_out = not self._said_left_out, True
        if say:
            what = "progress" if kind == "progress" else "a log line"
            _log.warning("Job %s: %s is left out: %s", self._job_id, what, words)
        return True

    def _end_of_job(self, reason: str) -> None:
        """The job is over, whatever its worker does: it should stop."""
        self.cancelled = True
        self._give_up("%s", reason)

    def _give_up(self, reason: str, *args: Any) -> None:
        self.stop()
        if self._wire:
            self._wire.close()
        _log.warning(f"Job %s: nothing more is sent: {reason}", self._job_id, *args)


class _Answer(NamedTuple):
    status: int
    retry_after: Optional[str]
    location: Optional[str]
    json: Any  # None where it is no JSON


class _Wire:
    """HTTP to one server, over one connection that is kept."""

    def __init__(self, server: str, key: str, clock: Any, unheard_s: float) -> None:
        parts = urlsplit(server.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the server's address is no http or https URL: {server!r}")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port  # ValueError when it is none
        self._prefix = parts.path.rstrip("/")
        self._clock = clock
        self._connection: Optional[http.client.HTTPConnection] = None
        self._used_s = 0.0
        self._answer_s = min(max(unheard_s, ANSWER_LEAST_S), ANSWER_TIMEOUT_S)
        self.address = f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{self._prefix}"
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Accept": "application/json",
            "User-Agent": f"synctail-python/{__version__}",
        }
        if not key.isascii() or not key.isprintable():
            raise ValueError("the key has characters that no key has")

    def post(
        self, path: str, body: bytes, headers: Dict[str, str]
    ) -> "_Answer":
        """Raises OSError or HTTPException."""
        headers = {**self._headers, **headers}
        if body:
            headers["Content-Type"] = "application/json"
        if self._connection is not None and self._clock.monotonic() - self._used_s > REUSE_S:
            self.close()
        kept = self._connection is not None
        try:
            return self._exchange(path, body, headers)
        except (ConnectionError, http.client.BadStatusLine):
            self.close()
            if not kept:
                raise
        # The server has closed an idle connection: that says nothing about the server.
        return self._exchange(path, body, headers)

    def _exchange(
        self, path: str, body: bytes, headers: Dict[str, str]
    ) -> "_Answer":
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("POST", self._prefix + path, body, headers)
        response = self._connection.getresponse()
        text = response.read(1024 * 1024)
        if not response.isclosed():
            self.close()
        self._used_s = self._clock.monotonic()
        try:
            answer = json.loads(text.decode("utf-8"))
        except ValueError:
            answer = None
        retry_after, location = response.getheader("Retry-After"), response.getheader("Location")
        return _Answer(response.status, retry_after, location, answer)

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._answer_s)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._answer_s)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


# ----- small things -----------------------------------------------------------------------------


def _key_in_file() -> str:
    """What is in the file of SYNCTAIL_KEY_FILE; "" where that is not set. Raises OSError."""
    path = os.environ.get("SYNCTAIL_KEY_FILE")
    if not path:
        return ""
    with open(path, encoding="utf-8-sig", errors="replace") as file:  # an error would show a byte of it
        return file.read()


def _interval_s(interval_ms: Any, before_s: float) -> float:
    if type(interval_ms) not in (int, float) or not interval_ms > 0:
        return before_s
    return min(max(interval_ms / 1000, 0.05), 60.0)


def _code_of(problem: Dict[str, Any]) -> str:
    """The last part of a problem's type; "" where it is none of a synctail server."""
    found = re.search(r"/problems/([a-z-]+)\Z", _text(problem.get("type", "")))
    return found.group(1) if found else ""


def _led_to(location: Optional[str]) -> Optional[str]:
    """Where a redirection leads, in words; None where it names no other server."""
    try:
        parts = urlsplit(location or "")
    except ValueError:
        return None
    if not parts.scheme or not parts.netloc:
        return None
    return f"it leads to {parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}: name that one"


def _seconds(retry_after: Optional[str], clock: Any) -> Optional[float]:
    """Retry-After in seconds, or as a date; None when it is neither or left out."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - clock.now()
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
    return min(max(0.0, seconds), RETRY_AFTER_MAX_S) if math.isfinite(seconds) else None


def _listed(values: Any) -> List[Any]:
    return [values] if isinstance(values, str) else list(values)


def _array(events: Iterable[bytes]) -> bytes:
    body = b",".join(events)
    return b"[" + body + b"]" if body else b""


def _encode(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")  # lone surrogates are no UTF-8


def _text(value: Any) -> str:
    """str() of anything, whatever its own __str__ does."""
    if type(value) is str:
        return value
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _clip(value: Any, most_bytes: int) -> str:
    """Text of at most so many bytes of UTF-8."""
    text = _text(value)
    if len(text) * 4 <= most_bytes and text.isascii():
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > most_bytes:
        return encoded[: most_bytes - 3].decode("utf-8", "ignore") + "\u2026"
    return encoded.decode("utf-8")


def _name(value: Any, most: int) -> str:
    """Text of at most so many characters as the server counts them: JavaScript's, of UTF-16."""
    encoded = _text(value).encode("utf-16-le", "replace")
    if len(encoded) > most * 2:
        return encoded[: (most - 1) * 2].decode("utf-16-le", "ignore") + "\u2026"
    return encoded.decode("utf-16-le")


def _member(value: Any, most: int) -> str:
    """A name in an object; the one that the server refuses is written otherwise."""
    name = _name(value, most)
    return "(__proto__)" if name == "__proto__" else name


def _whole(value: Any, otherwise: int = 0) -> int:
    """A count; what is none is `otherwise`, and that is said once."""
    try:
        return min(operator.index(value), COUNT_MAX)
    except Exception:
        pass
    try:
        return min(int(value), COUNT_MAX)
    except Exception:
        _say_once("count", "%s is no count; it is ignored", _clip(repr(type(value)), LABEL_MAX))
        return otherwise


def _patience(seconds: Any, otherwise: float) -> float:
    """How long to wait; what is no number is `otherwise`, and that is said once."""
    try:
        return min(max(0.0, float(seconds)), WAIT_MAX_S)
    except Exception:
        words = _clip(repr(type(seconds)), LABEL_MAX)
        _say_once("patience", "%s is no number of seconds to wait; it is ignored", words)
        return otherwise


def _object(value: Mapping[str, Any]) -> Dict[str, Any]:
    """A JSON object out of anything like one, within the server's limits."""
    try:
        plain = _plain(dict(value), DEPTH_MAX, [2_000])
        size = len(_encode(plain))
    except Exception as fault:
        return {"left_out": f"it cannot be read: {type(fault).__name__}"}
    if size > FIELDS_BYTES:
        return {"left_out": f"{size} bytes; at most {FIELDS_BYTES} are sent"}
    return plain


def _plain(value: Any, levels: int, left: Any) -> Any:
    """What JSON can say of a value: at most so many levels deep, and `left[0]` values in all."""
    left[0] -= 1
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= COUNT_MAX else _clip(value, LABEL_MAX)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _text(value)
    if isinstance(value, str) or levels == 0 or left[0] <= 0:
        return _clip(value, MESSAGE_BYTES)
    if isinstance(value, Mapping):
        items = list(value.items())[: max(0, left[0])]
        return {_member(name, LABEL_MAX): _plain(item, levels - 1, left) for name, item in items}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, levels - 1, left) for item in list(value)[: max(0, left[0])]]
    try:
        return _plain(operator.index(value), levels, left)
    except Exception:
        return _clip(value, MESSAGE_BYTES)


def _rfc3339(time_s: float) -> str:
    moment = datetime.fromtimestamp(time_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_said: Set[str] = set()


def _say_once(what: str, message: str, *args: Any) -> None:
    if what not in _said and len(_said) < 1_000:
        _said.add(what)
        _log.warning(message, *args)


# ----- the end of the process, and its doubling -------------------------------------------------

_live: "weakref.WeakSet[Job]" = weakref.WeakSet()


def _at_exit() -> None:
    """What is still on its way gets what is left of the time that leaving may take. A job that
    nobody has closed is not ended: its lease will tell."""
    jobs = [job for job in list(_live) if job._thread is not None and not job._sender.over]
    for each in jobs:
        with each._record.lock:
            each._record.ask_flush()
            each._sender.hurry(each._plan.close_timeout_s)
        each._record.wake()
    started = time.monotonic()
    for each in jobs:
        ticket = each._record._flushes
        left_s = each._plan.close_timeout_s - each._waited_s - (time.monotonic() - started)
        each._wait(lambda: each._sender.delivered or each._record.flushed >= ticket, left_s)


def _after_fork_in_child() -> None:
    for each in list(_live):
        each._after_fork()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
