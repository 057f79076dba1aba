/** The flags of exec. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { FORMAT_NAMES, type FormatName } from "../../sources/formats/formats.ts";
import { isPattern, PATTERN } from "../../jobs/command_config.ts";
import { clean } from "../../sync/clean.ts";
import { LEASE_S_MAX, SYNC_NAME_MAX, TAG_MAX, TAGS_MAX } from "../../sync/event_limits.ts";
import { DURATIONS, formOf, worth } from "../../jobs/amounts.ts";
import { namedServer } from "../connect.ts";
import { UsageError } from "../exit.ts";
import type { Flags } from "../flags.ts";
import { presentDirectory } from "../present_directory.ts";
import { resolveSettings } from "../resolve_settings.ts";
import type { ServerSettings } from "../server_settings.ts";
import { isStdin } from "../stdin.ts";

const LEASE_MS = { min: 1_000, max: LEASE_S_MAX * 1_000 };
const GRACE_MS = 10_000;

export interface ExecOptions {
  readonly format: FormatName | undefined;
  /** Finds in a line how far the program is. */
  readonly percent: RegExp | undefined;
  readonly tags: readonly string[];
  readonly leaseMs: number | undefined;
  readonly graceMs: number;
  readonly addFlags: boolean;
  /** The server's URL; undefined for the server of the data directory. */
  readonly server: string | undefined;
  /** Flags that give `--flush` a key where no variable does; of `--key` without the key itself. */
  readonly keyFlags: Readonly<Record<string, string>>;
  readonly settings: ServerSettings;
  /** The data directory; undefined when spools and records are kept in the user's state. */
  readonly data: string | undefined;
  /** The directory of spools. */
  readonly spools: string;
  /** The directory of the files that remember records. */
  readonly records: string;
}

/** @throws {UsageError | ConfigError} */
export function execOptions(flags: Flags): ExecOptions {
  const { data, format, percent, tag = [], lease, stopGrace } = flags;
  const { SYNCTAIL_DATA } = process.env;
  const server = namedServer(flags);
  const { settings } = resolveSettings({
    flags: typeof data === "string" ? { data } : {},
    // Where no server is to be started, none of its other settings may keep the program from it.
    env: server === undefined ? process.env : { SYNCTAIL_DATA },
    file: {},
  });
  const directory = dataDirectory(settings, { chosen: data ?? SYNCTAIL_DATA, server });
  const home = directory ?? userState(process.env);
  return {
    format: format === undefined ? undefined : formatFrom(String(format)),
    percent: percent === undefined ? undefined : patternFrom(String(percent), format),
    tags: tagsFrom(tag as readonly string[]), // commander collects texts
    leaseMs: lease === undefined ? undefined : leaseFrom(String(lease)),
    graceMs: stopGrace === undefined ? GRACE_MS : duration("--stop-grace", String(stopGrace)),
    addFlags: flags.flags !== false,
    server,
    keyFlags: server === undefined ? {} : keyFlagsOf(flags),
    settings,
    data: directory,
    spools: join(home, "spool"),
    records: join(home, "records"),
  };
}

/** @throws {UsageError} */
export function syncName(name: string | undefined): string {
  const usage = "expected: synctail exec NAME -- PROGRAM [ARGUMENTS...]";
  if (name === undefined) throw new UsageError(`Cannot exec without a name; ${usage}`);
  if (name.length >= 1 && name.length <= SYNC_NAME_MAX) return name;
  throw new UsageError(
    `Cannot exec as "${clean(name)}": expected 1 to ${SYNC_NAME_MAX} characters`,
  );
}

function keyFlagsOf({ key, keyFile }: Flags): ExecOptions["keyFlags"] {
  const { SYNCTAIL_KEY, SYNCTAIL_KEY_FILE } = process.env;
  if (key === undefined && typeof keyFile === "string") {
    return { "key-file": isStdin(keyFile) ? keyFile : resolve(presentDirectory(), keyFile) };
  }
  return key === undefined && (SYNCTAIL_KEY || SYNCTAIL_KEY_FILE) ? {} : { key: "KEY" };
}

/** The data directory when one was chosen or a server is to run on it. */
function dataDirectory(
  { data }: ServerSettings,
  { chosen, server }: { readonly chosen: unknown; readonly server: string | undefined },
): string | undefined {
  const named = typeof chosen === "string" && chosen !== "";
  return server === undefined || named ? resolve(presentDirectory(), data) : undefined;
}

/** A place that is the same wherever the command is called. */
export function userState(
  { XDG_STATE_HOME, HOME }: Readonly<Record<string, string | undefined>>,
  homeOf: () => string | null = homedir,
): string {
  // A relative path is none, as its specification says.
  const state = XDG_STATE_HOME?.startsWith("/") ? XDG_STATE_HOME : undefined;
  return join(state ?? join(HOME || homeOrRoot(homeOf), ".local", "state"), "synctail");
}

/** Of a user that the system does not know Bun throws, and Deno answers null. */
function homeOrRoot(homeOf: () => string | null): string {
  try {
    return homeOf() ?? "/";
  } catch {
    return "/"; // as systemd and containers have it; what cannot be kept there is told
  }
}

function formatFrom(given: string): FormatName {
  const known = FORMAT_NAMES.find((name) => name === given);
  if (known !== undefined) return known;
  throw new UsageError(`--format: got "${clean(given)}": expected ${FORMAT_NAMES.join(", ")}`);
}

function patternFrom(given: string, format: unknown): RegExp {
  if (!isPattern(given)) throw new UsageError(`--percent: got "${clean(given)}": ${PATTERN}`);
  if (format === undefined || format === "lines") return new RegExp(given);
  throw new UsageError(`--percent: only the format lines is searched, not ${clean(format)}`);
}

function tagsFrom(tags: readonly string[]): readonly string[] {
  if (tags.length > TAGS_MAX) throw new UsageError(`--tag: expected at most ${TAGS_MAX}`);
  const wrong = tags.find((tag) => tag.length < 1 || tag.length > TAG_MAX);
  if (wrong === undefined) return tags;
  throw new UsageError(`--tag: got "${clean(wrong)}": expected 1 to ${TAG_MAX} characters`);
}

function leaseFrom(given: string): number {
  const ms = duration("--lease", given);
  if (ms >= LEASE_MS.min && ms <= LEASE_MS.max) return ms;
  throw new UsageError(`--lease: got "${clean(given)}": expected from 1s to 7d`);
}

function duration(flag: string, given: string): number {
  if (formOf(DURATIONS).test(given)) return worth(given, DURATIONS);
  throw new UsageError(`${flag}: got "${clean(given)}": expected a duration such as 30s or 15m`);
}
