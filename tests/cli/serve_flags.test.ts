import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFlags } from "../../src/cli/serve_flags.ts";

test("serveFlags() reads plain flags of serve, by commander's names", () => {
  assert.deepEqual(serveFlags([]), {});
  assert.deepEqual(
    serveFlags(["serve", "--port", "0", "--public-url=https://a.example/?b=c", "--json"]),
    { port: "0", publicUrl: "https://a.example/?b=c", json: true },
  );
  assert.deepEqual(serveFlags(["--port=1", "--port", "2"]), { port: "2" });
  assert.deepEqual(serveFlags(["--allowed-hosts="]), { allowedHosts: "" });
});

for (
  const args of [
    ["watch"],
    ["help"],
    ["--help"],
    ["-V"],
    ["serve", "--help"],
    ["serve", "--prot", "1"],
    ["serve", "--port"],
    ["serve", "--port", "-1"],
    ["serve", "--port", "--json"],
    ["serve", "--json=yes"],
    ["serve", "--port", "1", "surplus"],
    ["serve", "--", "--port"],
    ["serve", ""],
  ]
) {
  test(`serveFlags() leaves ${JSON.stringify(args)} to commander`, () => {
    assert.equal(serveFlags(args), undefined);
  });
}
