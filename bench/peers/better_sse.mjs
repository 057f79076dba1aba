// better-sse on Node: a channel for each path, its defaults but for text that is sent as it came.
import { createServer } from "node:http";
import { createRequire } from "node:module";

// The program's type check knows the program's packages alone, so this one is not imported.
const { createChannel, createSession } = createRequire(import.meta.url)("better-sse");

const channels = new Map();
const asItCame = { serializer: (data) => data };

const server = createServer(async (request, response) => {
  let channel = channels.get(request.url);
  if (!channel) channels.set(request.url, channel = createChannel({ state: { events: 0 } }));
  if (request.method === "GET") {
    channel.register(await createSession(request, response, asItCame));
    return;
  }
  let data = "";
  for await (const chunk of request.setEncoding("utf8")) data += chunk;
  channel.broadcast(data, "message", { eventId: String(++channel.state.events) });
  response.writeHead(204).end();
});
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
