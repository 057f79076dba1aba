// What the bench needs beside the runtimes: packages from npm and from Debian.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const BENCH = new URL("../", import.meta.url).pathname;

/** Installs what is missing. */
export function prepare() {
  if (!existsSync(`${BENCH}node_modules/better-sse`)) {
    ran(["npm", "ci", "--silent", "--no-audit", "--no-fund"], BENCH);
  }
  const missing = ["nginx", "libnginx-mod-nchan", "gcc"].filter((name) =>
    spawnSync("dpkg-query", ["-W", "-f", "${db:Status-Status}", name]).stdout?.toString() !==
      "installed"
  );
  if (missing.length > 0) {
    ran(["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...missing]);
  }
}

function ran([program, ...args], cwd) {
  console.log(`bench: ${program} ${args.join(" ")}`);
  const { status, error } = spawnSync(program, args, {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`${program} ${args[0]} failed: ${error ?? status}`);
}
