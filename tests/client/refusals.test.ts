import assert from "node:assert/strict";
import { test } from "node:test";
import { bench, eventsOf, taken, turns } from "../support/producer_bench.ts";

const problem = (code: string, status: number, detail: string) =>
  Response.json({ type: `/problems/${code}`, status, detail }, { status });

/** A server that takes no request with one of these texts in it, and counts those that it takes. */
function choosy(...bad: string[]) {
  let expected = 0;
  const events: Record<string, unknown>[] = [];
  const answers = ({ path, body, number }: { path: string; body?: string; number?: string }) => {
    if (!path.endsWith("/events") || body === undefined) return taken();
    const refused = bad.find((text) => body.includes(text));
    if (refused) return problem("invalid-request", 400, `"${refused}" is none`);
    assert.equal(number, `${expected++}`);
    events.push(...eventsOf(body));
    return taken();
  };
  return { events, answers };
}

test("events that the server does not take are left out, told once, and all others arrive", async () => {
  const { events, answers } = choosy("line 7.", "line 300.");
  const { faults, job } = bench(answers);

  job.inserted(3);
  for (let n = 0; n < 600; n++) job.log("info", `line ${n}.`);
  const delivered = await job.end("failed", { code: "x", message: "y" });

  const messages = events.filter(({ type }) => type === "log").map(({ message }) => message);
  assert.deepEqual(
    messages,
    Array.from({ length: 600 }, (_, n) => `line ${n}.`)
      .filter((line) => line !== "line 7." && line !== "line 300."),
  );
  assert.equal(events.filter(({ inserted }) => inserted === 3).length, 1);
  assert.deepEqual([events.at(-1)?.type, delivered], ["end", true]);
  assert.equal(faults.length, 1);
  assert.match(faults[0], /all of job .*: a log line: "line 7\." is none$/);
});

test("a body that is too large for the server is sent in parts", async () => {
  const bodies: number[] = [];
  const { faults, job } = bench(({ body = "" }) => {
    if (body.length > 10_000) {
      return problem("body-too-large", 413, "10000 bytes at most");
    }
    if (body) bodies.push(eventsOf(body).length);
    return taken();
  });
  await turns();
  bodies.splice(0);

  for (let n = 0; n < 20; n++) job.log("info", "x".repeat(2_000));
  const delivered = await job.end();

  assert.equal(bodies.reduce((sum, n) => sum + n), 21);
  assert.deepEqual([delivered, faults], [true, []]);
});

test("totals are told without types where the server takes no more types", async () => {
  const { events, answers } = choosy("entities_encountered");
  const { faults, job } = bench(answers);

  job.inserted(3, "user");
  job.log("info", "x");
  const delivered = await job.end();

  const totals = events.flatMap(({ inserted }) => inserted ?? []);
  assert.deepEqual([totals, events.at(-1)?.type, delivered], [[3], "end", true]);
  assert.match(faults.join(), /progress: "entities_encountered" is none$/);
});

test("a server that has lost its last requests is told the totals anew", async () => {
  let expected = 0;
  const events: Record<string, unknown>[] = [];
  const { clock, faults, job } = bench(({ path, body, number }) => {
    if (!path.endsWith("/events") || body === undefined) return taken();
    if (number !== `${expected}`) {
      const type = "/problems/producer-out-of-order";
      return Response.json({ type, status: 409, expected_seq: expected }, { status: 409 });
    }
    expected++;
    events.push(...eventsOf(body));
    return taken();
  });
  job.inserted(3);
  await turns();
  for (let n = 0; n < 3; n++) {
    job.log("info", "x");
    clock.advance(1_000);
    await turns();
  }

  expected = 1;
  events.splice(0);
  job.inserted(2);
  job.log("info", "y");
  const delivered = await job.end();

  const [progress, line, end] = events;
  assert.deepEqual([progress.inserted, line.message, end.type], [5, "y", "end"]);
  assert.deepEqual([events.length, delivered, faults], [3, true, []]);
});

test("an end that the server does not take is told, and is the end of the delivery", async () => {
  const { events, answers } = choosy('"end"');
  const { faults, job } = bench(answers);

  job.inserted(3);
  const delivered = await job.end();

  assert.deepEqual([events.map(({ inserted }) => inserted), delivered], [[3], false]);
  assert.match(faults.join(), /any more: ""end"" is none$/);
});

test("a refusal that is not about an event ends the delivery at once", async () => {
  const problem = { type: "/problems/not-outside", detail: "no" };
  const { requests, faults, job } = bench(({ path }) =>
    path.endsWith("/events") ? Response.json(problem, { status: 409 }) : taken()
  );

  job.inserted();
  job.log("info", "x");
  const delivered = await job.end();

  assert.deepEqual([requests.length, faults.length, delivered], [2, 1, false]);
});

test("totals that the server takes in no form are left out, and the end arrives", async () => {
  const { events, answers } = choosy('"inserted"');
  let asked = 0;
  const { faults, job } = bench((request) => ++asked > 100 ? taken() : answers(request));

  job.inserted(3, "user");
  const delivered = await job.end();

  assert.deepEqual([events.map(({ type }) => type), delivered], [["end"], true]);
  assert.ok(asked < 10, `${asked}`);
  assert.equal(faults.length, 1);
});

test("a half that is refused for good is the last that is sent", async () => {
  const { requests, faults, job } = bench(({ path, body = "" }) => {
    if (!path.endsWith("/events") || !body.includes('"log"')) return taken();
    return eventsOf(body).length > 1
      ? problem("body-too-large", 413, "too long")
      : problem("forbidden", 403, "no");
  });
  await turns();
  requests.splice(0);

  job.log("info", "one");
  job.log("info", "two");
  const delivered = await job.end();

  assert.deepEqual([requests.length, faults.length, delivered], [2, 1, false]);
});
