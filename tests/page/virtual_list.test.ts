import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeElement, fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

const { VirtualList } = await pageFile("virtual_list.js");

const ROW_PX = 10;

/** A list of 20,000 items that is scrolled down to the 15,000th, with ten rows in sight. */
function scrolledList() {
  const seen = { looks: 0, scrolledPx: 0 };
  const host = Object.assign(new FakeElement(), {
    getBoundingClientRect: () => ({ top: -15_000 * ROW_PX }),
  });
  const scroller = Object.assign(new FakeElement(), {
    clientTop: 0,
    clientHeight: 10 * ROW_PX,
    getBoundingClientRect: () => ({ top: 0 }),
    scrollBy: (_: number, by: number) => seen.scrolledPx += by,
  });
  const keyOf = (item: number) => (seen.looks++, item);
  const create = () => ({ node: new FakeElement(), show() {} });
  const list = new VirtualList({ host, scroller, keyOf, create });
  Object.defineProperty(list, "rowPx", { value: ROW_PX });
  const items = Array.from({ length: 20_000 }, (_, n) => n);
  list.set(items);
  return { list, items, seen };
}

test("VirtualList stays with what is seen of 20,000 items, and looks at few of them", (t) => {
  fakePage(t);
  const { list, items, seen } = scrolledList();

  list.set([-3, -2, -1, ...items], true);

  assert.equal(seen.scrolledPx, 3 * ROW_PX);
  assert.ok(seen.looks < 200, `${seen.looks}`);
});

test("VirtualList stays with what is seen where some of it has gone elsewhere, or all", (t) => {
  fakePage(t);
  const { list, items, seen } = scrolledList();

  list.set([15_000, -1, ...items.slice(0, 15_000), ...items.slice(15_001)], true);
  const one = seen.scrolledPx;
  list.set([], true);

  assert.equal(one, 1 * ROW_PX);
  assert.equal(seen.scrolledPx, one);
});

test("VirtualList knows the height of a row also where a browser leaves it in rem, as Firefox did up to 127", (t) => {
  fakePage(t);
  t.after(() => Reflect.deleteProperty(globalThis, "getComputedStyle"));
  const host = new FakeElement();
  Object.assign(Reflect.get(globalThis, "document"), { documentElement: new FakeElement() });
  Object.assign(globalThis, {
    getComputedStyle: (of: FakeElement) =>
      of === host ? { getPropertyValue: () => "2.5rem" } : { fontSize: "20px" },
  });

  const list = new VirtualList({
    host,
    scroller: new FakeElement(),
    keyOf: (item: number) => item,
    create: () => ({ node: new FakeElement(), show() {} }),
  });

  assert.equal(list.rowPx, 50);
});

test("VirtualList draws once: where its owner has scrolled to, and not again for its own height", (t) => {
  fakePage(t);
  const frames: (() => void)[] = [];
  const frame = () => frames.splice(0).forEach((call) => call());
  let resized = (_: { contentRect: { width: number } }[]) => {};
  Object.assign(globalThis, {
    requestAnimationFrame: (call: () => void) => frames.push(call),
    ResizeObserver: class {
      constructor(call: typeof resized) {
        resized = call;
      }
      observe() {}
    },
  });
  let top = 0;
  const host = Object.assign(new FakeElement(), { getBoundingClientRect: () => ({ top }) });
  const scroller = Object.assign(new FakeElement(), {
    clientTop: 0,
    clientHeight: 10 * ROW_PX,
    getBoundingClientRect: () => ({ top: 0 }),
  });
  const shown: number[] = [];
  const list = new VirtualList({
    host,
    scroller,
    keyOf: (item: number) => item,
    create: () => ({ node: new FakeElement(), show: (item: number) => shown.push(item) }),
    sized: () => top = -90 * ROW_PX,
  });
  Object.defineProperty(list, "rowPx", { value: ROW_PX });
  resized([{ contentRect: { width: 300 } }]);
  list.set(Array.from({ length: 100 }, (_, n) => n));

  frame();
  resized([{ contentRect: { width: 300 } }]);
  frame();
  const once = [shown[0], shown.length];
  resized([{ contentRect: { width: 200 } }]);
  frame();

  assert.deepEqual(once, [82, 18]);
  assert.equal(shown.length, 36); // rows may have another height at another width
});
