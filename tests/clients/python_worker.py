"""Real workers for python.test.ts: python3 python_worker.py KIND JOB_ID [ARGUMENT]."""

import logging
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../clients/python"))
import synctail  # noqa: E402


def count(job_id, _):
    """1,000 entities, counted one by one, with three log lines."""
    words = {"name": "count", "tags": ["nightly"], "meta": {"rows": 1000}}
    with synctail.job("users", id=job_id, total=1000, **words) as job:
        logger = logging.getLogger("users")
        logger.setLevel(logging.INFO)
        logger.addHandler(synctail.Handler(job))
        job.phase("counting")
        job.log("info", "begun", rows=1000)
        for n in range(1000):
            job.inserted(entity_type="user") if n % 10 else job.updated()
            job.bytes(3)
        job.warnings()
        logger.warning("%d were there already", 100)
        job.log("debug", "done")


def fail(job_id, _):
    with synctail.job(name="fail", id=job_id) as job:
        job.inserted(3)
        raise ValueError("row 4 has no id")


def loop(job_id, _):
    """Counts until somebody cancels the job."""
    with synctail.job(name="loop", id=job_id) as job:
        while not job.cancelled:
            job.kept()


def resume(job_id, checkpoint):
    """1,000 entities from where the checkpoint stands; the first of its lives ends at 400."""
    if not os.path.exists(checkpoint):
        with open(checkpoint, "w") as file:
            file.write("0")
    with open(checkpoint) as file:
        first = int(file.read())
    with synctail.job(name="resume", id=job_id) as job:
        for n in range(first, 1000):
            # What is counted after the checkpoint is never counted twice.
            with open(checkpoint, "w") as file:
                file.write(str(n + 1))
            job.inserted()
            if first == 0 and n == 399:
                assert job.flush()
                os.kill(os.getpid(), signal.SIGKILL)


def again(job_id, retry_of):
    """The job anew, from the start."""
    with synctail.job(name="again", id=job_id, retry_of=retry_of) as job:
        job.inserted(1000)


def halves(job_id, _):
    """500 entities, then whatever happens until a line comes in, then 500 more."""
    with synctail.job(name="halves", id=job_id, close_timeout_s=30) as job:
        for n in range(500):
            job.inserted()
            job.log("info", f"entity {n}")
        assert job.flush(30)
        print("half", flush=True)
        sys.stdin.readline()
        for n in range(500, 1000):
            job.inserted()
            job.log("info", f"entity {n}")


def flushes(job_id, _):
    """30 requests of one entity and one line each."""
    with synctail.job(name="flushes", id=job_id, close_timeout_s=30) as job:
        for n in range(30):
            job.inserted()
            job.log("info", f"entity {n}")
            assert job.flush(30)


def odd(job_id, _):
    """Names that the server does not take."""
    taken = {"__proto__": {"__proto__": 1}}
    with synctail.job("a\0b\ud800" + "Ж" * 200, id=job_id, meta=taken, tags=["", "Ж" * 200]) as job:
        job.kept(1, "__proto__")
        job.log("info", "x", **taken)
        job.kept(2, "Ж" * 300)


def part(job_id, _):
    """One of several workers of a job."""
    with synctail.attach(job_id) as job:
        for _ in range(100):
            job.updated(entity_type="row")


if __name__ == "__main__":
    kinds = (count, fail, loop, resume, again, halves, flushes, odd, part)
    {kind.__name__: kind for kind in kinds}[sys.argv[1]](*(sys.argv[2:] + [""])[:2])
