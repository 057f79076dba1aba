/** As much of a browser's page as its files need to build their elements outside of one. */
import type { TestContext } from "node:test";

/** An element that is never drawn. */
export class FakeElement {
  readonly children: FakeElement[] = [];
  readonly listeners: ((event?: unknown) => void)[] = [];
  readonly attributes = new Map<string, string>();
  readonly style: Record<string, string> = {};
  readonly classList = { toggle() {} };
  hidden = false;
  textContent = "";
  clientHeight = 0;
  scrollHeight = 0;
  scrollTop = 0;
  append() {}
  insertBefore(child: FakeElement) {
    this.children.push(child);
  }
  replaceChildren() {}
  remove() {}
  contains() {
    return false;
  }
  querySelector() {
    return null;
  }
  getAttribute(name: string) {
    return this.attributes.get(name) ?? null;
  }
  setAttribute(name: string, value: string) {
    this.attributes.set(name, value);
    if (name === "hidden") this.hidden = true;
  }
  removeAttribute() {}
  addEventListener(_: string, listener: () => void) {
    this.listeners.push(listener);
  }
}

/** Puts such a page in place until the test ends. @returns the elements that were made */
export function fakePage(t: Pick<TestContext, "after">): readonly FakeElement[] {
  const made: FakeElement[] = [];
  const create = () => {
    const element = new FakeElement();
    made.push(element);
    return element;
  };
  const names = {
    document: { createElement: create, createElementNS: create, activeElement: null },
    HTMLElement: FakeElement,
    ResizeObserver: class {
      observe() {}
      disconnect() {}
    },
    requestAnimationFrame: () => 1,
    cancelAnimationFrame() {},
    setTimeout: () => 0, // nothing is drawn later, when this page is gone
    addEventListener() {},
    removeEventListener() {},
  };
  const before = Object.fromEntries(
    Object.keys(names).map((name) => [name, Reflect.get(globalThis, name)]),
  );
  Object.assign(globalThis, names);
  t.after(() => {
    Object.assign(globalThis, before);
  });
  return made;
}
