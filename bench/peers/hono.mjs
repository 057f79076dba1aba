// Hono's SSE helper, on Node and on Bun: one queue a viewer, written as its documentation shows.
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";

const channels = new Map();
const app = new Hono();

app.get("/:channel", (context) =>
  streamSSE(context, async (stream) => {
    const { viewers } = channelOf(context);
    const viewer = { queue: [], wake: () => {} };
    viewers.add(viewer);
    stream.onAbort(() => {
      viewers.delete(viewer);
      viewer.wake();
    });
    await stream.writeSSE({ data: "hello" }); // the head goes out with it
    while (!stream.aborted) {
      for (const event of viewer.queue.splice(0)) await stream.writeSSE(event);
      if (viewer.queue.length === 0) await new Promise((resolve) => viewer.wake = resolve);
    }
  }));

app.post("/:channel", async (context) => {
  const channel = channelOf(context);
  const event = { data: await context.req.text(), id: String(++channel.events) };
  for (const viewer of channel.viewers) {
    viewer.queue.push(event);
    viewer.wake();
  }
  return context.body(null, 204);
});

function channelOf(context) {
  const name = context.req.param("channel");
  let channel = channels.get(name);
  if (!channel) channels.set(name, channel = { viewers: new Set(), events: 0 });
  return channel;
}

if ("Bun" in globalThis) {
  const { port } = Bun.serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1", idleTimeout: 0 });
  console.log(port);
} else {
  const { serve } = await import("@hono/node-server");
  serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => console.log(port));
}
