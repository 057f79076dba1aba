import assert from "node:assert/strict";
import { test } from "node:test";
import { attempt, type Posted } from "../../src/client/delivery.ts";
import { FakeClock } from "../support/fake_clock.ts";

function bench(
  answer: (asked: Posted) => Response | Promise<Response>,
  server = "http://s/p/",
  leaseMs?: number,
) {
  const clock = new FakeClock();
  const urls: string[] = [];
  const fetch = (url: string, asked: Posted) => {
    urls.push(url);
    return Promise.resolve(answer(asked));
  };
  const leave = new AbortController();
  const post = (body?: string, path = "/v1/sync/job") =>
    attempt({ server, key: "k", fetch, clock, leaseMs }, path, body, {}, leave.signal);
  return { clock, urls, leave, post };
}

/** Stands still until it is called off. */
const never = ({ signal }: Posted) =>
  new Promise<Response>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );

for (
  const [status, kind] of [
    [200, "done"],
    [201, "done"],
    [400, "refused"],
    [404, "refused"],
    [409, "refused"],
    [408, "unanswered"],
    [429, "unanswered"],
    [500, "unanswered"],
    [503, "unanswered"],
  ] as const
) {
  test(`attempt() of a request that is answered ${status} is ${kind}`, async () => {
    const { post, clock, urls } = bench(() => Response.json({ id: "j" }, { status }));

    assert.equal((await post("{}")).kind, kind);
    assert.deepEqual([urls, clock.waiting], [["http://s/p/v1/sync/job"], 0]);
  });
}

test("attempt() tells how long the server asks to wait", async () => {
  const busy = (after: string) => {
    const headers = { "Retry-After": after };
    return bench(() => new Response("", { status: 503, headers })).post();
  };

  const waits = await Promise.all(["7", "0", "soon"].map(busy));

  assert.deepEqual(waits.map((each) => each.kind === "unanswered" && each.waitMs), [7_000, 0, 0]);
});

test("attempt() gives up after half a minute without an answer, or when it is left", async () => {
  const late = bench(never);
  const left = bench(never);

  const answers = [late.post(), left.post()];
  late.clock.advance(30_000);
  left.leave.abort();
  const [one, other] = await Promise.all(answers);

  assert.deepEqual([one.kind, other.kind], ["unanswered", "unanswered"]);
  assert.deepEqual([late.clock.waiting, left.clock.waiting], [0, 0]);
});

test("attempt() waits for an answer for a third of the lease, from 5 to 30 s", async () => {
  const waitedMs = async (leaseMs: number) => {
    const { post, clock } = bench(never, "http://s", leaseMs);
    let over = false;
    const answer = post().finally(() => over = true);
    while (!over) {
      clock.advance(500);
      await new Promise((turn) => setTimeout(turn, 0));
    }
    await answer;
    return clock.monotonic();
  };

  const waits = await Promise.all([1_000, 18_000, 900_000].map(waitedMs));

  assert.deepEqual(waits, [5_000, 6_000, 30_000]);
});

test("attempt() takes a page instead of JSON for no answer of the server", async () => {
  const { post } = bench(() => new Response("<html>Welcome to the proxy</html>"), "http://s");

  const answer = await post();

  assert.deepEqual(answer, {
    kind: "unanswered",
    waitMs: 0,
    reason: "what answers at http://s is no synctail server",
    strange: true,
  });
});

test("attempt() takes a success that tells of no job for no answer of the server", async () => {
  // Some proxies and load balancers answer so for a host or a path that they do not know.
  const bodies = ["", "null", "true", '"ok"', "[]", "OK", "{}", '{"status": "ok"}'];

  const answers = await Promise.all([
    ...bodies.map((body) => bench(() => new Response(body), "http://s").post("{}")),
    bench(() => new Response(null, { status: 204 }), "http://s").post("{}"),
    bench(() => Response.json({ id: 7 }), "http://s").post("{}", "/v1/sync/job/j/events"),
  ]);

  const reason = "what answers at http://s is no synctail server";
  assert.deepEqual(
    answers,
    answers.map(() => ({ kind: "unanswered", waitMs: 0, reason, strange: true })),
  );
});
