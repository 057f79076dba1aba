import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeElement, fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

const { FollowList } = await pageFile("follow_list.js");

const MIB = 1024 * 1024;

function listOf(max: number) {
  const create = () => ({ node: new FakeElement(), show() {} });
  return new FollowList({ label: "Lines", empty: "None", max, create, textOf: () => "" });
}

test("FollowList keeps the newest lines, as many as it may", (t) => {
  fakePage(t);
  const list = listOf(100);

  for (let n = 1; n <= 109; n++) list.add({ n, size: 10 });
  assert.deepEqual([list.lines.length, list.dropped], [109, false]);
  for (let n = 110; n <= 1_000; n++) list.add({ n, size: 10 });

  assert.ok(list.lines.length >= 100 && list.lines.length < 110, `${list.lines.length}`);
  assert.deepEqual([list.lines.at(-1).n, list.dropped], [1_000, true]);
});

test("FollowList keeps fewer lines of a million characters", (t) => {
  fakePage(t);
  const list = listOf(10_000);

  for (let n = -500; n <= 0; n++) list.add({ n, size: 10 });
  for (let n = 1; n <= 100; n++) list.add({ n, size: MIB });
  const long = list.lines.length;
  for (let n = 101; n <= 2_100; n++) list.add({ n, size: MIB / 100 });

  assert.ok(long >= 16 && long < 18, `${long}`);
  assert.ok(list.lines.length >= 1_600 && list.lines.length < 1_800, `${list.lines.length}`);
  assert.deepEqual([list.lines.at(-1).n, list.dropped], [2_100, true]);
});

test("FollowList that was cleared has let nothing go, and counts anew", (t) => {
  fakePage(t);
  const list = listOf(10_000);
  for (let n = 1; n <= 20; n++) list.add({ n, size: MIB });

  list.clear();
  for (let n = 18; n <= 34; n++) list.add({ n, size: MIB });

  assert.deepEqual([list.lines.length, list.dropped], [17, false]);
});

test("FollowList keeps the lines in place that somebody looks at while older ones go", (t) => {
  const made = fakePage(t);
  Object.assign(globalThis, { getComputedStyle: () => ({ getPropertyValue: () => "20px" }) });
  t.after(() => Reflect.deleteProperty(globalThis, "getComputedStyle"));
  const list = listOf(100);
  const scroller = made.find((node) => node.attributes.get("role") === "listbox");
  assert.ok(scroller);
  Object.assign(scroller, { scrollHeight: 1_000, clientHeight: 100, scrollTop: 898 });
  scroller.listeners[0](); // it was scrolled, to 2 pixels from its end

  for (let n = 1; n <= 111; n++) list.add({ n, size: 10 });

  assert.deepEqual([list.lines.length, scroller.scrollTop], [100, 898 - 11 * 20]);
});
