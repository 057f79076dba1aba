import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { localServer } from "../../src/cli/connect.ts";
import { NO_AUTH } from "../../src/cli/auth_config.ts";
import { resolveSettings } from "../../src/cli/resolve_settings.ts";
import { DEFAULT_TENANT } from "../../src/sync/ids.ts";
import { tempDirectory } from "../support/temp.ts";

test("localServer() is this machine's alone and speaks no TLS, whatever the settings say", async (t) => {
  const { path, remove } = tempDirectory();
  const { settings } = resolveSettings({
    flags: { data: join(path, "data"), hostname: "0.0.0.0", tlsCert: "no.pem", tlsKey: "no.pem" },
    env: {},
    file: {},
  });

  const { client, close } = await localServer(
    { settings, syncs: [], auth: NO_AUTH },
    DEFAULT_TENANT,
  );
  t.after(async () => {
    await close();
    remove();
  });

  const here = await fetch(`${client.server}/healthz`);
  await here.body?.cancel();
  assert.match(client.server, /^http:\/\/127\.0\.0\.1:\d+$/);
  await assert.rejects(fetch(`${client.server.replace("127.0.0.1", "127.0.0.2")}/healthz`));
});
