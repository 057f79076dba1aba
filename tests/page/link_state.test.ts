import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

const { linkState } = await pageFile("link_state.js");
const { clockTime, known, learnTime, setHeard } = await pageFile("time.js");

const HOUR_MS = 3_600_000;

/** The state in a page of the test's, whose time passes when the test says so. */
function bench(t: TestContext) {
  const made = fakePage(t);
  const { clearTimeout, setInterval } = globalThis;
  const { now } = Date;
  let atMs = Math.floor(now() / 1000) * 1000;
  let tick = () => {};
  let tell = () => {};
  t.after(() => {
    Object.assign(globalThis, { clearTimeout, setInterval });
    Date.now = now;
    setHeard(undefined);
  });
  Date.now = () => atMs;
  Object.assign(globalThis, {
    setInterval: (act: () => void) => void (tick = act),
    setTimeout: (act: () => void) => (tell = act, 1),
    clearTimeout: () => void (tell = () => {}),
  });
  const body = { classList: { add() {}, remove() {} } };
  Object.assign(Reflect.get(globalThis, "document"), { body, hidden: false });
  const { show } = linkState();
  return {
    show,
    atMs,
    /** What is shown. */
    texts: () =>
      made.filter(({ hidden, textContent }) => !hidden && textContent !== "")
        .map(({ textContent }) => textContent),
    /** The break is longer than is waited for before it is told. */
    isLong: () => tell(),
    passes(ms: number) {
      atMs += ms;
      tick();
    },
  };
}

for (const [what, aheadMs] of [["behind", HOUR_MS], ["ahead", -HOUR_MS]] as const) {
  test(`a view that is lost says when it was heard, also by a browser's clock that is ${what}`, (t) => {
    const { show, atMs, texts, passes } = bench(t);
    t.after(() => learnTime(new Response("", { headers: { Date: new Date().toUTCString() } })));
    learnTime(new Response("", { headers: { Date: new Date(atMs + aheadMs).toUTCString() } }));

    show({ kind: "offline", heardMs: atMs - 20_000 });
    passes(0);

    const heard = clockTime(atMs + aheadMs - 20_000);
    assert.deepEqual(texts(), [
      "Offline, heard 20 s ago",
      `This browser is offline. Last heard at ${heard}: the numbers below are from then.`,
    ]);
  });
}

test("a view that has heard nothing yet does not say when it was heard", (t) => {
  const { show, texts, passes, isLong } = bench(t);

  show({ kind: "offline", heardMs: 0 });
  passes(5_000);
  const offline = texts();
  show({ kind: "lost", heardMs: 0 });
  isLong();
  passes(5_000);

  assert.deepEqual(offline, ["Offline", "This browser is offline."]);
  assert.deepEqual(texts(), ["Reconnecting", "The connection is lost. Trying again."]);
  assert.equal(known(), Date.now(), "what is shown is of now, and not of 1970");
});

test("a view that is live again in time says nothing of its break, and the next one is told", (t) => {
  const { show, atMs, texts, isLong } = bench(t);
  const [live, lost] = ["live", "lost"].map((kind) => ({ kind, heardMs: atMs }));
  for (const state of [live, lost, live]) show(state);
  isLong();
  const short = texts();

  show(lost);
  isLong();

  assert.deepEqual(short, ["Live"]);
  assert.match(texts()[1], /^The connection is lost\./);
});

test("a view that is lost says on since when, whenever another attempt begins", (t) => {
  const { show, atMs, texts, passes, isLong } = bench(t);
  const lost = { kind: "lost", heardMs: atMs };

  show({ ...lost, kind: "live" });
  show(lost);
  const first = texts();
  isLong();
  passes(5_000);
  const before = texts();
  show(lost);

  assert.deepEqual(first, ["Reconnecting"]);
  assert.equal(before[0], "Reconnecting, heard 5 s ago");
  assert.deepEqual(texts(), before);
  show({ kind: "live", heardMs: atMs });
  assert.deepEqual(texts(), ["Live", "The connection is back."]);
});

test("a view that was told as lost is told as live again, each time, and one that was not is not", (t) => {
  const { show, texts, isLong } = bench(t);
  const live = { kind: "live", heardMs: 0 };
  const lost = { kind: "lost", heardMs: 0 };

  show(live);
  show(lost); // for a moment
  show(live);
  const told = [texts()];
  for (let times = 0; times < 2; times++) {
    show(lost);
    isLong();
    told.push(texts());
    show(live);
    told.push(texts());
  }

  const away = ["Reconnecting", "The connection is lost. Trying again."];
  const back = ["Live", "The connection is back."];
  assert.deepEqual(told, [["Live"], away, back, away, back]);
});

test("a view that is left while it is lost is not told as live again", (t) => {
  const { show, texts, isLong } = bench(t);

  show({ kind: "live", heardMs: 0 });
  show({ kind: "lost", heardMs: 0 });
  isLong();
  show({ kind: "none" });

  assert.deepEqual(texts(), []);
});
