import assert from "node:assert/strict";
import { test } from "node:test";
import { fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

const { linkState } = await pageFile("link_state.js");
const { clockTime, learnTime, setHeard } = await pageFile("time.js");

const HOUR_MS = 3_600_000;

for (const [what, aheadMs] of [["behind", HOUR_MS], ["ahead", -HOUR_MS]] as const) {
  test(`a view that is lost says when it was heard, also by a browser's clock that is ${what}`, (t) => {
    const made = fakePage(t);
    const { setInterval } = globalThis;
    const { now } = Date;
    const atMs = Math.floor(now() / 1000) * 1000;
    let tick = () => {};
    t.after(() => {
      Object.assign(globalThis, { setInterval });
      Date.now = now;
      learnTime(new Response("", { headers: { Date: new Date().toUTCString() } }));
      setHeard(undefined);
    });
    Date.now = () => atMs;
    Object.assign(globalThis, { setInterval: (act: () => void) => void (tick = act) });
    const body = { classList: { add() {}, remove() {} } };
    Object.assign(Reflect.get(globalThis, "document"), { body, hidden: false });
    learnTime(new Response("", { headers: { Date: new Date(atMs + aheadMs).toUTCString() } }));

    linkState().show({ kind: "offline", heardMs: atMs - 20_000 });
    tick();

    const texts = made.map(({ textContent }) => textContent).filter((text) => text !== "");
    const heard = clockTime(atMs + aheadMs - 20_000);
    assert.deepEqual(texts, [
      "Offline, heard 20 s ago",
      `This browser is offline. Last heard at ${heard}: the numbers below are from then.`,
    ]);
  });
}
