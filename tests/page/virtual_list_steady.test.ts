import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { FakeElement, fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

const { VirtualList } = await pageFile("virtual_list.js");

const item = (id: number) => ({ id });
const ITEMS = Array.from({ length: 100 }, (_, id) => item(id));

/** A page with rows of 20 pixels; once a test, as two would end in each other's place. */
function rowsOf20(t: TestContext) {
  fakePage(t);
  Object.assign(globalThis, { getComputedStyle: () => ({ getPropertyValue: () => "20px" }) });
  t.after(() => Reflect.deleteProperty(globalThis, "getComputedStyle"));
}

/** By how many pixels a list scrolls whose rows, from that one on, are seen when it gets others. */
function scrolledBy(first: number, next: readonly { id: number }[]): number {
  let by = 0;
  const at = (top: number) => ({ getBoundingClientRect: () => ({ top }) });
  const scrollBy = (_: number, pixels: number) => by += pixels;
  const list = new VirtualList({
    host: Object.assign(new FakeElement(), at(-20 * first)),
    scroller: Object.assign(new FakeElement(), at(0), {
      clientHeight: 100,
      clientTop: 0,
      scrollBy,
    }),
    keyOf: ({ id }: { id: number }) => id,
    create: () => ({ node: new FakeElement(), show() {} }),
  });
  list.set(ITEMS);
  list.set(next, true);
  return by;
}

test("VirtualList keeps the visible rows in place when rows above them come or go", (t) => {
  rowsOf20(t);
  assert.equal(scrolledBy(10, [item(100), item(101), ...ITEMS]), 40);
  assert.equal(scrolledBy(10, ITEMS.slice(3)), -60);
});

test("VirtualList follows no row that is sorted elsewhere, and none that is gone", (t) => {
  rowsOf20(t);
  const without = (...ids: number[]) => ITEMS.filter(({ id }) => !ids.includes(id));

  assert.equal(scrolledBy(10, [item(12), ...without(12)]), 0);
  assert.equal(scrolledBy(10, [item(100), ...without(11), item(11)]), 0);
  assert.equal(scrolledBy(10, [item(100), item(101), ...without(10), item(10)]), 20);
  assert.equal(scrolledBy(10, ITEMS.slice(50)), 0);
  assert.equal(scrolledBy(10, []), 0);
});

test("VirtualList shows what comes above the first row to who looks at that", (t) => {
  rowsOf20(t);
  assert.equal(scrolledBy(0, [item(100), ...ITEMS]), 0);
});
