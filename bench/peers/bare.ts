/**
 * What the runtime does by itself: one ReadableStream a viewer, each frame enqueued to each as it
 * comes. GET /N is a stream of channel N, POST /N an event of it. Nothing is stored, nobody is
 * authenticated, no queue has a limit. Prints the port.
 */
import { listen } from "../../src/runtime/serve.ts";

interface Channel {
  readonly viewers: Set<ReadableStreamDefaultController<Uint8Array>>;
  events: number;
}

const channels = new Map<string, Channel>();
const utf8 = new TextEncoder();
const HELLO = utf8.encode("retry: 3000\n\n");

const { port } = await listen({
  hostname: "127.0.0.1",
  port: 0,
  async handler(request, connection) {
    const path = request.url.slice(request.url.lastIndexOf("/"));
    let channel = channels.get(path);
    if (!channel) channels.set(path, channel = { viewers: new Set(), events: 0 });
    const { viewers } = channel;
    if (request.method === "POST") {
      const data = await request.text();
      const frame = utf8.encode(`data: ${data}\nid: ${++channel.events}\n\n`);
      for (const viewer of viewers) viewer.enqueue(frame);
      return new Response(null, { status: 204 });
    }
    connection.keepOpen();
    let own: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        viewers.add(own = controller);
        controller.enqueue(HELLO);
      },
      cancel: () => void viewers.delete(own),
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  },
});
console.log(port);
