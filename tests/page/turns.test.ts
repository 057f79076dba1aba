import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { Turns } = await pageFile("turns.js");

interface Told {
  readonly id: number;
  readonly streams: boolean;
  readonly answer: boolean;
}

/** A hidden tab, of which the test is the browser and all other tabs. */
function tab(t: TestContext, nextHopProtocol?: string) {
  const { BroadcastChannel } = globalThis;
  const document = Object.assign(new EventTarget(), { hidden: true });
  let channel: { onmessage(message: { data: Told }): void } | undefined;
  const said: (boolean | "answer" | "closed")[] = [];
  const calls: string[] = [];
  Object.assign(globalThis, {
    document,
    BroadcastChannel: class {
      onmessage() {}
      constructor() {
        channel = this;
      }
      postMessage({ streams, answer }: Told) {
        said.push(answer ? "answer" : streams);
      }
      close() {
        said.push("closed");
      }
    },
  });
  const value = () => nextHopProtocol === undefined ? [] : [{ nextHopProtocol }];
  Object.defineProperty(performance, "getEntriesByType", { value, configurable: true });
  const turns = new Turns({ rest: () => calls.push("rest"), wake: () => calls.push("wake") });
  t.after(() => {
    turns.leave();
    Object.assign(globalThis, { BroadcastChannel });
    Reflect.deleteProperty(globalThis, "document");
    Reflect.deleteProperty(performance, "getEntriesByType");
  });
  return {
    turns,
    said,
    calls,
    /** Other tabs say that they have a stream, or none any more. */
    hears(ids: readonly number[], streams = true, answer = false) {
      for (const id of ids) channel?.onmessage({ data: { id, streams, answer } });
    },
    isLookedAt(seen: boolean) {
      document.hidden = !seen;
      document.dispatchEvent(new Event("visibilitychange"));
    },
  };
}

test("Turns has a hidden tab rest when five others were looked at since it was, until it is again", (t) => {
  const { turns, said, calls, hears, isLookedAt } = tab(t);

  hears([1, 2, 3, 4, 4]);
  const before = [...calls];
  hears([5, 6]);
  const resting = turns.resting;
  isLookedAt(true);
  const after = turns.resting;
  isLookedAt(false);
  hears([5, 6, 7, 8]);
  const again = [...calls];
  hears([9]);

  assert.deepEqual([before, resting, after], [[], true, false]);
  assert.deepEqual([again, calls], [["rest", "wake"], ["rest", "wake", "rest"]]);
  assert.deepEqual(said, [true, false, true, true, false]);
});

test("Turns counts no tab that has no stream any more, and none while it is seen", (t) => {
  const { calls, hears, isLookedAt } = tab(t, "http/1.1");

  hears([1, 2, 3, 4]);
  hears([1], false);
  hears([5]);
  isLookedAt(true);
  hears([1, 2, 3, 4, 5, 6]);

  assert.deepEqual(calls, []);
});

test("Turns has a tab that is seen be the last one, whatever is opened behind it", (t) => {
  const { said, calls, hears, isLookedAt } = tab(t);

  isLookedAt(true);
  hears([1, 2, 3, 4, 5]);
  hears([6], true, true);
  isLookedAt(false);
  hears([7, 8, 9, 10]);
  const before = [...calls];
  hears([11]);

  const answers = Array.from({ length: 5 }, () => "answer");
  assert.deepEqual([before, calls], [[], ["rest"]]);
  assert.deepEqual(said, [true, true, ...answers, true, false]);
});

test("Turns does not say that a page has a stream which is hidden because it was left", (t) => {
  const { said, hears, isLookedAt } = tab(t);

  isLookedAt(true);
  dispatchEvent(new Event("pagehide"));
  hears([1]);
  isLookedAt(false);

  assert.deepEqual(said, [true, true, false]);
});

test("Turns says that its tab has left, and then nothing more", (t) => {
  const { turns, said, isLookedAt } = tab(t);

  dispatchEvent(new Event("pagehide"));
  turns.leave();
  isLookedAt(true);
  dispatchEvent(new Event("pagehide"));

  assert.deepEqual(said, [true, false, false, "closed"]);
});

for (const protocol of ["h2", "h3"]) {
  test(`Turns lets all tabs have a stream over ${protocol}`, (t) => {
    const { turns, said } = tab(t, protocol);

    turns.leave();

    assert.deepEqual(said, []);
  });
}
