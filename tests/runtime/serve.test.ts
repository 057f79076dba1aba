import assert from "node:assert/strict";
import { test } from "node:test";
import { PortTakenError, refusal } from "../../src/runtime/serve.ts";

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
