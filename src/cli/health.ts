/** `health`: whether a server answers, for images without curl. */
import { membersOf } from "../client/delivery.ts";
import { fetchFrom } from "../client/fetch_from.ts";
import { strangerAt, unreached } from "../client/unreached.ts";
import { serverOf } from "../log/data_directory.ts";
import { parsedJson } from "../sync/json.ts";
import { namedServer, variablesFor } from "./connect.ts";
import { ExitCode } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { whyClosed } from "./open_data.ts";
import { printError, printJson } from "./output.ts";
import { dataFrom } from "./settings.ts";

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 5_000;

/** Ends with 0 when the server answers, else with 1 and the reason. @throws {UsageError} */
export async function health(flags: Flags): Promise<number> {
  const named = namedServer(flags, variablesFor(flags));
  const data = named === undefined ? await dataFrom(flags) : "";
  const server = named === undefined ? serverOf(data) : { url: named };
  const fault = server ? await faultOf(server) : whyClosed(data) ?? `no server runs on "${data}"`;
  if (flags.json) printJson({ healthy: fault === undefined, url: server?.url ?? null });
  if (fault === undefined) return ExitCode.ok;
  printError(`synctail: not healthy: ${fault}\n`);
  return ExitCode.failed;
}

/** Why the server does not answer well, in words; undefined when it does. */
export async function faultOf(
  { url, fingerprint }: { readonly url: string; readonly fingerprint?: string },
): Promise<string | undefined> {
  const init = { headers: {}, signal: AbortSignal.timeout(ANSWER_MS) };
  const path = `${url}/healthz`;
  try {
    const answer = await fetchFrom(path, init, fingerprint);
    const text = await answer.text();
    if (!answer.ok) return `${url} answers ${answer.status}`;
    // A proxy may answer with a page of its own for any path.
    const ours = membersOf(parsedJson(text)).status === "ok";
    return ours ? undefined : strangerAt(url);
  } catch (cause) {
    return unreached(url, cause).words;
  }
}
