import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { Stream } = await pageFile("stream.js");

const CONNECTED = '{"type": "connected"}';

interface Source {
  onmessage(message: { data: string; lastEventId: string }): void;
  onerror(): void;
  readonly url: URL;
}

/** A stream in a browser of the test's, whose time passes when the test says so. */
function bench(t: TestContext, nextHopProtocol = "h2") {
  const { now } = Date;
  const { setInterval, EventSource: source, BroadcastChannel } = globalThis;
  let nowMs = now();
  let look = () => {};
  const sources: Source[] = [];
  let open = 0;
  let tell = (_: { data: object }) => {};
  class EventSource {
    static readonly CLOSED = 2;
    readonly readyState = 0;
    readonly url: URL;
    constructor(url: URL) {
      this.url = url;
      sources.push(this as unknown as Source);
      open++;
    }
    close() {
      open--;
    }
  }
  Date.now = () => nowMs;
  const document = Object.assign(new EventTarget(), { baseURI: "http://test/", hidden: true });
  Object.assign(globalThis, {
    document,
    EventSource,
    BroadcastChannel: class {
      set onmessage(act: typeof tell) {
        tell = act;
      }
      postMessage() {}
      close() {
        tell = () => {};
      }
    },
    setInterval: (act: () => void) => {
      look = act;
      return setInterval(() => {}, 1 << 30);
    },
  });
  const online = (value: boolean) =>
    Object.defineProperty(navigator, "onLine", { value, configurable: true });
  online(true);
  // By HTTP/2, as over HTTP/1.1 a stream makes room for those of other tabs.
  const value = () => [{ nextHopProtocol }];
  Object.defineProperty(performance, "getEntriesByType", { value, configurable: true });
  const states: { readonly kind: string; readonly heardMs?: number }[] = [];
  const stream = new Stream({
    path: () => "v1/stream",
    onFrame: () => {},
    onState: (state: { kind: string; heardMs?: number }) => states.push(state),
    mayRetry: () => Promise.resolve(false),
  });
  t.after(() => {
    stream.close();
    Date.now = now;
    Object.assign(globalThis, { setInterval, EventSource: source, BroadcastChannel });
    Reflect.deleteProperty(globalThis, "document");
    Reflect.deleteProperty(navigator, "onLine");
    Reflect.deleteProperty(performance, "getEntriesByType");
  });
  return {
    stream,
    sources,
    states,
    /** The machine has a network beside its loopback, or has none. */
    network(there: boolean) {
      online(there);
      dispatchEvent(new Event(there ? "online" : "offline"));
    },
    /** How many connections are open. */
    open: () => open,
    /** Five other tabs are looked at. */
    rests() {
      document.hidden = true;
      for (const id of [1, 2, 3, 4, 5]) tell({ data: { id, streams: true } });
    },
    isLookedAt() {
      document.hidden = false;
      document.dispatchEvent(new Event("visibilitychange"));
    },
    /** Looks each 5 s, as the browser does. */
    passes(ms: number) {
      for (let spent = 0; spent < ms; spent += 5_000) {
        nowMs += 5_000;
        look();
      }
    },
    now: () => nowMs,
    /** Sets the clock. */
    set(ms: number) {
      nowMs = ms;
    },
  };
}

test("Stream says of a connection that has died when something was heard last, however often it tries", (t) => {
  const { sources, states, passes, now } = bench(t);
  sources[0].onmessage({ data: '{"type": "connected"}', lastEventId: "" });
  const heardMs = now();

  passes(10 * 60_000);

  const lost = states.filter(({ kind }) => kind === "lost");
  assert.ok(sources.length > 5, `${sources.length} connections`);
  assert.deepEqual(lost.map((state) => state.heardMs), lost.map(() => heardMs));
});

test("Stream gives a new connection half of the time of one that was heard", (t) => {
  const { sources, passes } = bench(t);
  sources[0].onmessage({ data: '{"type": "connected"}', lastEventId: "" });

  const opened = [85, 5, 40, 5, 40, 5].map((s) => {
    passes(s * 1_000);
    return sources.length;
  });

  assert.deepEqual(opened, [1, 2, 2, 3, 3, 4]);
});

test("Stream gives a connection that is opened after a long break time to be heard", (t) => {
  const { sources, passes, network } = bench(t);
  sources[0].onmessage({ data: '{"type": "connected"}', lastEventId: "" });

  network(false);
  passes(10 * 60_000);
  const before = sources.length;
  network(true);
  const opened = [40, 5].map((s) => {
    passes(s * 1_000);
    return sources.length - before;
  });

  assert.deepEqual(opened, [1, 2]);
});

test("Stream is live on a machine without network where its server answers, and else offline", (t) => {
  const { sources, states, open, network, passes } = bench(t);
  const kinds = () => states.splice(0).map(({ kind }) => kind);
  const connects = () => sources.at(-1)?.onmessage({ data: CONNECTED, lastEventId: "" });
  connects();
  kinds();

  network(false);
  connects(); // over loopback
  const here = kinds();
  sources.at(-1)?.onerror();
  passes(90_000); // another connection is tried
  sources.at(-1)?.onerror();
  const away = kinds();
  connects();
  const again = kinds();

  assert.deepEqual(here, ["lost", "live"]);
  assert.deepEqual(new Set(away), new Set(["offline"]));
  assert.deepEqual(again, ["live"]);
  assert.equal(open(), 1);
});

test("Stream is connecting at first, and lost where there is a network but no answer", (t) => {
  const { sources, states, network } = bench(t);
  const kinds = () => states.splice(0).map(({ kind }) => kind);
  const fails = () => sources.at(-1)?.onerror();

  const first = kinds();
  sources[0].onmessage({ data: CONNECTED, lastEventId: "" });
  fails();
  const lost = kinds();
  network(false);
  fails();
  const without = kinds();
  network(true);
  fails();

  assert.deepEqual([first, lost], [["connecting"], ["live", "lost"]]);
  assert.deepEqual(without, ["lost", "offline"]);
  assert.deepEqual(kinds(), ["lost", "lost"]);
});

test("Stream that was never live stays lost with each attempt", (t) => {
  const { sources, states } = bench(t);

  sources[0].onerror();
  dispatchEvent(new Event("online")); // as any other reason to try again
  sources[1].onerror();

  assert.deepEqual(states.map(({ kind }) => kind), ["connecting", "lost", "lost", "lost"]);
});

test("Stream gives a connection its whole time from what was heard last, also to the next one", (t) => {
  const { sources, passes } = bench(t);
  passes(60_000);
  sources[0].onmessage({ data: '{"type": "connected"}', lastEventId: "" });

  passes(40_000);
  dispatchEvent(new Event("online"));
  const opened = [45, 5].map((s) => {
    passes(s * 1_000);
    return sources.length;
  });

  assert.deepEqual(opened, [2, 3]);
});

test("Stream of a tab that rests has no connection, whatever the network does, until it is looked at", (t) => {
  const { stream, sources, states, open, rests, isLookedAt } = bench(t, "http/1.1");
  sources[0].onmessage({ data: '{"type": "connected"}', lastEventId: "" });

  rests();
  const before = open();
  dispatchEvent(new Event("offline"));
  dispatchEvent(new Event("online"));
  const resting = [open(), states.at(-1)?.kind];
  isLookedAt();
  const after = [open(), states.at(-1)?.kind];
  stream.close();
  rests();

  assert.deepEqual([before, resting, after], [0, [0, "resting"], [1, "lost"]]);
  assert.deepEqual([open(), states.at(-1)?.kind], [0, "none"]);
});

test("Stream finds a dead connection in its time where the clock was put back", (t) => {
  const { sources, passes, set, now } = bench(t);
  sources[0].onmessage({ data: CONNECTED, lastEventId: "" });

  set(now() - 3_600_000);
  passes(90_000);
  const before = sources.length;
  passes(5_000);

  assert.deepEqual([before, sources.length], [1, 2]);
});

test("Stream goes on at once where its page comes back from the browser's cache", (t) => {
  const { sources, open } = bench(t);
  sources[0].onmessage({ data: CONNECTED, lastEventId: "a-7" });
  const shown = (persisted: boolean) =>
    dispatchEvent(Object.assign(new Event("pageshow"), { persisted }));

  shown(false);
  const first = sources.length;
  shown(true);

  assert.deepEqual([first, sources.length, open()], [1, 2, 1]);
  assert.equal(sources[1].url.searchParams.get("last_event_id"), "a-7");
});
