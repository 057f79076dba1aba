/** A real HTTP server that takes what is sent to it and answers as a test says. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Cleanup } from "./program.ts";

/** A request as it came. */
export interface Taken {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly taken: Taken[];
  /** Answers a request; 200 `ok` unless a test puts another in its place. */
  answer: (taken: Taken, response: ServerResponse) => void;
  /** Resolves when so many requests have come in all. */
  until(count: number): Promise<void>;
}

export async function receiver(t: Cleanup): Promise<Receiver> {
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const { method = "", url: path = "", headers } = request;
    const taken = { method, path, headers, body };
    self.taken.push(taken);
    self.answer(taken, response);
    for (const { count, resolve } of waiting) if (self.taken.length >= count) resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const self: Receiver = {
    url: `http://127.0.0.1:${port}`,
    taken: [],
    answer: (_, response) => void response.end("ok"),
    until: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve });
        if (self.taken.length >= count) resolve();
      }),
  };
  return self;
}
