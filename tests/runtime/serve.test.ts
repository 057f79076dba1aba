import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { Connection } from "../../src/http/env.ts";
import { listen, PortTakenError, refusal } from "../../src/runtime/serve.ts";

/** As Deno and Bun throw it, each with a text of its own. */
function failed(code: string, message = "as the runtime says it"): Error {
  return Object.assign(new Error(message), { code });
}

test("refusal() names the flag of a port that this user may not use, and not that of the address", () => {
  const denied = failed("EACCES", "Permission denied (os error 13)");

  const own = refusal({ hostname: "127.0.0.1", port: 80 }, denied).message;
  const metrics = refusal({ hostname: "::1", port: 81, flag: "--metrics-listen" }, denied).message;

  const reason = "this user may not use the port; those below 1024 take a right of their own";
  assert.equal(own, `Cannot listen on 127.0.0.1:80: ${reason}. --port chooses another`);
  assert.equal(metrics, `Cannot listen on [::1]:81: ${reason}. --metrics-listen chooses another`);
});

test("refusal() puts brackets around an IPv6 address", () => {
  const taken = refusal({ hostname: "::1", port: 8017 }, failed("EADDRINUSE"));
  const elsewhere = refusal({ hostname: "2001:db8::1", port: 8017 }, failed("EADDRNOTAVAIL"));

  assert.ok(taken instanceof PortTakenError);
  assert.match(taken.message, /^Cannot listen on \[::1\]:8017: the port is taken/);
  assert.match(
    elsewhere.message,
    /^Cannot listen on \[2001:db8::1\]:8017 \(--hostname\): it is no/,
  );
});

// Deno keeps it until its peer goes away, or the system gives it up.
test("listen() closes a connection that takes nothing of a stream", {
  skip: !("Bun" in globalThis),
}, async (t) => {
  const gone = Promise.withResolvers<void>();
  const handler = (request: Request, connection: Connection) => {
    connection.keepOpen(1_000);
    request.signal.addEventListener("abort", () => gone.resolve());
    const more = new Uint8Array(1024 * 1024);
    let left = 64; // more than a connection takes by itself
    return new Response(
      new ReadableStream({
        pull(controller) {
          if (left-- > 0) controller.enqueue(more);
          else controller.error();
        },
      }, { highWaterMark: 0 }),
    );
  };
  const { port, stop } = await listen({ hostname: "127.0.0.1", port: 0, handler });
  t.after(() => stop(0));
  const peer = connect(port, "127.0.0.1");
  t.after(() => peer.destroy());
  peer.on("error", () => {});

  peer.pause().write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

  await gone.promise;
});
