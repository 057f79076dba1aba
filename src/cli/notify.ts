/** `notify`: a test message to the configured targets, and the last deliveries. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import { deliveryJson } from "../http/notify_routes.ts";
import type { DeliveryInfo } from "../jobs/notify/delivery_row.ts";
import { DELIVERIES_LIMIT_MAX, DeliveryStore } from "../jobs/notify/delivery_store.ts";
import { tryTarget } from "../jobs/notify/try_target.ts";
import { NOTIFY_FILE } from "../log/data_directory.ts";
import { clean } from "../sync/clean.ts";
import { ExitCode, UsageError } from "./exit.ts";
import { type Flags, wholeFrom } from "./flags.ts";
import { openData } from "./open_data.ts";
import { print, printError, printJson } from "./output.ts";
import { whole } from "./setting_rules.ts";
import { settingsFrom } from "./settings.ts";
import { untilLeft } from "./until_left.ts";
import { isoTime } from "../sync/iso_time.ts";

const LIMITS = whole(1, DELIVERIES_LIMIT_MAX);

/**
 * Sends a test message to one target, or to all; needs no server. Ctrl-C leaves out those to come.
 *
 * @throws {UsageError} when there is no such target
 * @throws {ConfigError}
 */
export async function testTargets(name: string | undefined, flags: Flags): Promise<number> {
  const { notify, file } = await settingsFrom(flags);
  const all = notify();
  const targets = all.filter((target) => name === undefined || target.name === name);
  if (targets.length === 0) {
    const there = all.length === 0 ? "none" : all.map((target) => target.name).join(", ");
    const where = file === undefined ? "there is no configuration file" : `${file} has ${there}`;
    const which = name === undefined ? "targets" : `target "${clean(name)}"`;
    throw new UsageError(`Cannot test ${which}: ${where}`);
  }
  const { signal } = untilLeft();
  let code: number = ExitCode.ok;
  for (const target of targets) {
    const { kind, result, answer } = await tryTarget(target, systemClock, signal);
    const delivered = kind === "delivered";
    if (!delivered) code = ExitCode.failed;
    if (flags.json) {
      printJson({ target: target.name, type: target.type, delivered, result, answer });
    } else {
      const said = clean(answer.replace(/\s+/g, " ")).trim();
      const words = `${target.name}: ${delivered ? "told" : "not told"}: ${result}`;
      print(`${words}${said === "" ? "" : `: ${said}`}\n`);
    }
    if (signal.aborted) return ExitCode.interrupted;
  }
  return code;
}

/** Prints the last deliveries of all tenants, newest first. @throws {UsageError} */
export async function listDeliveries(flags: Flags): Promise<number> {
  const limit = wholeFrom("--limit", flags.limit, LIMITS);
  const path = join(await openData("list deliveries", flags), NOTIFY_FILE);
  const items = existsSync(path) ? lastOf(path, limit) : [];
  for (const delivery of items) {
    if (flags.json) printJson({ tenant: delivery.tenant, ...deliveryJson(delivery) });
    else print(`${words(delivery)}\n`);
  }
  if (items.length === 0) printError("Nobody was told of anything yet.\n");
  return ExitCode.ok;
}

function lastOf(path: string, limit: number): readonly DeliveryInfo[] {
  const store = new DeliveryStore(path, systemClock, "normal");
  try {
    return store.list({ limit }).items;
  } finally {
    store.close();
  }
}

function words(delivery: DeliveryInfo): string {
  const { target, kind, sync, job, state, tries, result, atMs } = delivery;
  const about = [sync, job].filter((part) => part !== null).map(clean).join(" ");
  const tried = tries === 1 ? "1 try" : `${tries} tries`;
  const at = isoTime(atMs);
  return `${at}  ${target}  ${kind}  ${about}  ${state.replace("_", " ")} (${tried})` +
    (result === null ? "" : `: ${result}`);
}
