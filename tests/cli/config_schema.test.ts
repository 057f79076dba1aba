import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { configJsonSchema } from "../../src/cli/config_file.ts";

const FILE = new URL("../../docs/synctail.schema.json", import.meta.url);

test("configJsonSchema() is what docs/synctail.schema.json says", () => {
  const schema = configJsonSchema();
  if (process.env.UPDATE === "1") writeFileSync(FILE, `${JSON.stringify(schema, null, 2)}\n`);

  assert.deepEqual(
    JSON.parse(readFileSync(FILE, "utf8")),
    JSON.parse(JSON.stringify(schema)),
    "docs/synctail.schema.json is stale: UPDATE=1 bun test tests/cli/config_schema.test.ts",
  );
});
