/** What the runtime does by itself: one ReadableStream a viewer, each frame enqueued to each. */
import { setImmediate } from "node:timers";
import { listen } from "../src/runtime/serve.ts";
import { publishUntilStopped } from "./publish.ts";

const open = new Set<ReadableStreamDefaultController<Uint8Array>>();
const { port } = await listen({
  hostname: "127.0.0.1",
  port: 0,
  handler(_, connection) {
    connection.keepOpen();
    let own: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        open.add(own = controller);
        controller.enqueue(new TextEncoder().encode(": hello\n\n"));
      },
      cancel: () => void open.delete(own),
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  },
});

let n = 0;
publishUntilStopped({ port, path: "/", key: "none" }, async () => {
  // As many bytes as a frame of the product.
  const data = JSON.stringify({ n: ++n, padding: "x".repeat(470) });
  const frame = new TextEncoder().encode(`data: ${data}\nid: k3Xz9Q_1-${n}\n\n`);
  for (const controller of open) {
    // Without a limit a bare stream queues for ever; so does every hand-rolled one.
    if ((controller.desiredSize ?? 0) > -50) controller.enqueue(frame);
  }
  await new Promise((resolve) => setImmediate(resolve));
});
