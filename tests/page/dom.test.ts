import assert from "node:assert/strict";
import { test } from "node:test";
import { fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

const { inFrames } = await pageFile("dom.js");

test("inFrames draws once a frame; a tab without frames shows its title alone", (t) => {
  fakePage(t);
  const frames: (() => void)[] = [];
  const timers: (() => void)[] = [];
  const { clearTimeout } = globalThis;
  t.after(() => Object.assign(globalThis, { clearTimeout }));
  Object.assign(globalThis, {
    requestAnimationFrame: (call: () => void) => frames.push(call),
    setTimeout: (call: () => void) => timers.push(call),
    clearTimeout: () => timers.splice(0),
  });
  const done: string[] = [];
  const tab = inFrames(() => done.push("drawn"), () => done.push("title"));
  const second = () => timers.splice(0).forEach((call) => call());

  for (let n = 0; n < 3; n++) tab.soon();
  second();
  tab.soon();
  second();
  second();
  frames.splice(0).forEach((call) => call());
  tab.soon();
  tab.stop();
  tab.soon();
  inFrames(() => done.push("untitled")).soon();

  assert.deepEqual(done, ["title", "title", "drawn"]);
  assert.equal(frames.length, 2); // the first was called off, the second is the untitled one's
  assert.equal(timers.length, 0);
});

test("inFrames draws what streams tell at most once a rest, and the last of it too", (t) => {
  fakePage(t);
  const frames: (() => void)[] = [];
  const timers: (() => void)[] = [];
  Object.assign(globalThis, {
    requestAnimationFrame: (call: () => void) => frames.push(call),
    setTimeout: (call: () => void) => timers.push(call),
  });
  const run = (calls: (() => void)[]) => calls.splice(0).forEach((call) => call());
  let drawn = 0;
  const view = inFrames(() => drawn++);
  const counts = [];

  for (let n = 0; n < 50; n++) {
    view.told();
    run(frames);
  }
  counts.push(drawn);
  run(timers);
  run(frames);
  counts.push(drawn);
  view.soon();
  run(frames);
  counts.push(drawn);
  run(timers);
  run(frames);
  counts.push(drawn);

  assert.deepEqual(counts, [1, 2, 3, 3]);
});
