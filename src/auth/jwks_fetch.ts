/** Fetches the keys of an identity provider: limited in size, and not for every token anew. */
import type { FetchImplementation } from "jose";
import type { Clock } from "../clock.ts";
import { loggerOf } from "../logger.ts";
import { isObject, parsedJson } from "../sync/json.ts";

/** A key set is a few KiB; one that is larger is refused. */
export const JWKS_BYTES_MAX = 256 * 1024;
/** How long nothing is fetched after a failed fetch: any stranger's token makes us fetch. */
export const FAILED_MS = 5_000;

/** A key set could not be fetched. The reason has been logged. */
export class KeySetError extends Error {
  override readonly name = "KeySetError";
}

/**
 * The `fetch` of one provider's key set. Rejects with a KeySetError, and for FAILED_MS after that
 * with the same one.
 */
export function jwksFetch(clock: Clock): FetchImplementation {
  let failed: { readonly error: KeySetError; readonly untilMs: number } | undefined;
  return async (url, init) => {
    if (failed && clock.monotonic() < failed.untilMs) throw failed.error;
    try {
      const answer = await fetch(url, init);
      const text = await keySetText(answer);
      failed = undefined;
      return new Response(text, { headers: { "Content-Type": "application/json" } });
    } catch (cause) {
      // Loaded here, as few starts need it.
      const { unreached } = await import("../client/unreached.ts");
      const { reason } = unreached(url, cause);
      const shown = Object.assign(new URL(url), { username: "", password: "" }).href;
      loggerOf("auth").error("The key set {url} cannot be had: {reason}", { url: shown, reason });
      const error = new KeySetError(`Cannot fetch "${shown}": ${reason}`, { cause });
      failed = { error, untilMs: clock.monotonic() + FAILED_MS };
      throw error;
    }
  };
}

async function keySetText(answer: Response): Promise<string> {
  if (answer.status !== 200) {
    await answer.body?.cancel();
    throw new Error(`it answered ${answer.status}; redirects are not followed`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.byteLength;
    // Leaving the loop cancels the body.
    if (bytes > JWKS_BYTES_MAX) throw new Error(`it is larger than ${JWKS_BYTES_MAX} bytes`);
    parts.push(part);
  }
  const text = await new Blob(parts as BlobPart[]).text();
  const { keys } = Object(parsedJson(text)) as { readonly keys?: unknown };
  // What jose would refuse later on, a stranger's next token would have us fetch at once.
  if (!Array.isArray(keys) || !keys.every(isObject)) throw new Error("it has no list of keys");
  return text;
}
