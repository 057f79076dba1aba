import assert from "node:assert/strict";
import { test } from "node:test";
import { CuttingProxy } from "../support/cutting_proxy.ts";
import { Random } from "../support/seed.ts";
import { testServer } from "../support/server.ts";

// Bun has none of its own; Chromium's is in tests/browser.
if ("EventSource" in globalThis) {
  test("Deno's EventSource follows a job over broken connections, and is stopped by the 204", async (t) => {
    const server = await testServer(t, { retryMs: 1 });
    const proxy = await CuttingProxy.before(t, server.port, new Random(1));
    const key = server.key();
    const send = async (path: string, body: object) => {
      const headers = { "Authorization": `Bearer ${key}`, "Content-Type": "application/json" };
      const init = { method: "POST", headers, body: JSON.stringify(body) };
      return await (await server.ask(path, init)).json();
    };
    const { id } = await send("/v1/sync/job", {});
    const path = `/v1/sync/job/${id}`;
    const post = (event: object) => send(`${path}/events`, event);
    const { ticket } = await send(`${path}/ticket`, {});
    const source = new EventSource(
      `${proxy.url}${path}/subscribe?ticket=${ticket}&last_event_id=0`,
    );
    const ids: string[] = [];
    const closed = new Promise<void>((resolve) => {
      source.onerror = () => source.readyState === EventSource.CLOSED && resolve();
    });
    const seen = new Map<number, () => void>();
    source.onmessage = ({ data, lastEventId }) => {
      const frame = JSON.parse(data);
      if (frame.type !== "progress") return;
      ids.push(lastEventId);
      seen.get(frame.seq)?.();
    };

    let last = 0;
    while (proxy.total < 5) {
      const came = new Promise<void>((resolve) => seen.set(last + 1, resolve));
      await post({ type: "progress", inserted: ++last });
      await came;
    }
    proxy.cutting = false;
    await post({ type: "end", status: "completed" });
    await closed;

    const epoch = ids[0].split("-")[0];
    assert.deepEqual(ids, Array.from({ length: last + 1 }, (_, index) => `${epoch}-${index + 1}`));
  });
}
