/** The bodies of the API's requests: which kinds are taken, and JSON read whole. */
import type { Context, HonoRequest, MiddlewareHandler } from "hono";
import { clean } from "../sync/clean.ts";
import { keptDigits } from "../sync/kept_digits.ts";
import { BODY_BYTES_MAX, parseJson, SIGN_IN_BYTES_MAX, wholeBody } from "./body.ts";
import { chunksOf, Deadline } from "./body_chunks.ts";
import type { HttpEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";
import { SMALL_BYTES_MAX, SmallBodies } from "./small_bodies.ts";

/** The path of events, whose NDJSON bodies may have any length. */
const EVENTS_PATH = /^\/v1\/sync\/job\/[^/]+\/events$/;

/** The paths of answers that are streamed. */
const STREAMED_PATH = /^\/v1\/sync\/(jobs|job\/[^/]+)\/(subscribe|logs|events)$/;

/** The path of sign-in. */
const SIGN_IN_PATH = "/v1/session";

/** The host and port of a URL. */
const AUTHORITY = /\/\/[^/?#]*/;

/** How long a runtime leaves a quiet connection open, in milliseconds. */
const RUNTIME_IDLE_MS = 30_000;

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

type Reading = Pick<Services, "clock" | "bodyIdleMs" | "stopping">;

/**
 * Reads JSON within its limits. NDJSON is left to its route, which reads it as it arrives. Only a
 * POST has a body for this API; runtimes give none of a GET, and make no Request of some methods.
 *
 * @throws {Problem} unsupported-media-type; invalid-request; body-too-large; body-timeout; stopping
 */
export function readBodies(services: Reading): MiddlewareHandler<HttpEnv> {
  const small = new SmallBodies({ clock: services.clock, idleMs: services.bodyIdleMs });
  return async (context, next) => {
    const { req, env } = context;
    if (req.method !== "POST") {
      if (env.hoardsBodies && req.method === "GET" && STREAMED_PATH.test(req.path)) refuseLong(req);
      return await next();
    }
    const type = req.header("Content-Type");
    const events = EVENTS_PATH.test(req.path);
    const lines = events && /^application\/x-ndjson\s*(;|$)/i.test(type ?? "");
    const isJson = /^application\/json\s*(;|$)/i.test(type ?? "");
    // Headers that say so spare each post a promise.
    if (!lines && !(saysBody(req) ?? (isJson || await hasBody(context, services)))) {
      // Some clients name a type with every request; of what is not there it does not count.
      if (type !== undefined) req.raw = withJson(req.raw);
      return await next();
    }
    const encoding = req.header("Content-Encoding") ?? "identity";
    if (encoding.toLowerCase() !== "identity") {
      const detail = `The body has Content-Encoding "${clean(encoding)}"; send it as it is`;
      throw new Problem("unsupported-media-type", detail, {}, { "Accept-Encoding": "identity" });
    }
    if (lines) return await next();
    if (isJson) {
      await readJson(context, services, small, events);
      return await next();
    }
    const given = type === undefined ? "no type" : `"${type}"`;
    const read = events ? "application/json or application/x-ndjson" : "application/json";
    throw new Problem("unsupported-media-type", `The body has ${given}; send ${read}`);
  };
}

/** Refuses a body that may be long, where none is read. @throws {Problem} body-too-large */
function refuseLong(req: HonoRequest): void {
  const long = Number(req.header("Content-Length") ?? 0) > SMALL_BYTES_MAX;
  if (!long && req.header("Transfer-Encoding") === undefined) return;
  const detail = `A GET has no body here: at most ${SMALL_BYTES_MAX} bytes, not in chunks, are ` +
    "let pass";
  throw new Problem("body-too-large", detail, {}, { Connection: "close" });
}

/** Whether the headers say that there is a body; undefined where they do not tell. */
function saysBody(req: HonoRequest): boolean | undefined {
  const length = req.header("Content-Length");
  return length === undefined ? undefined : length !== "0";
}

/**
 * Whether a request whose headers do not tell has a body. In chunks it may be empty, HTTP/2 need
 * not say how long it is, and Deno shows an empty stream where there is none: only reading tells.
 *
 * @throws {Problem}
 */
async function hasBody(
  { req }: Context<HttpEnv>,
  { clock, bodyIdleMs: idleMs, stopping }: Reading,
): Promise<boolean> {
  if (!req.raw.body) return false;
  const options = { clock, idleMs, stopping, most: mostOf(req.path) };
  if (req.header("Transfer-Encoding") === undefined) {
    // Over HTTP/2 an answer may be lost where not all was read: Deno resets the stream.
    if ((await wholeBody(req.raw.body, options)).length > 0) return true;
  } else {
    for await (const { length } of chunksOf(req.raw.body, new Deadline(options))) {
      if (length > 0) return true;
    }
  }
  req.raw = withJson(req.raw); // a body that was read cannot be looked at again
  return false;
}

/**
 * Reads the whole body within its limits and checks that it is JSON. A route that reads its body
 * itself finds the value as `json`; for any other the request is replaced by one with the bytes.
 * A body that turns out to be empty is none.
 *
 * @param ownReader whether the route reads its body itself
 * @throws {Problem}
 */
async function readJson(
  context: Context<HttpEnv>,
  { clock, bodyIdleMs: idleMs, stopping }: Reading,
  small: SmallBodies,
  ownReader: boolean,
): Promise<void> {
  const { raw, path } = context.req;
  const most = mostOf(path);
  if (idleMs > RUNTIME_IDLE_MS) context.env.keepOpen();
  let bytes = most < SMALL_BYTES_MAX ? undefined : await small.read(raw);
  if (!bytes && raw.body) {
    bytes = await wholeBody(
      raw.body,
      { clock, idleMs, stopping, most },
      ownReader ? "; where it is one event a line (application/x-ndjson), each line may" : "",
    );
  }
  if (!bytes?.length) return void (context.req.raw = withJson(raw));
  try {
    const value = parseJson(bytes);
    if (ownReader) return context.set("json", { value });
    // Whoever reads the request parses it again.
    const text = utf8.decode(bytes);
    const kept = keptDigits(text);
    if (kept !== text) bytes = encoder.encode(kept);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new Problem("invalid-request", `The body cannot be read: ${cause.message}`);
  }
  context.req.raw = withJson(raw, bytes);
}

/** Most bytes of a body that is read whole. */
function mostOf(path: string): number {
  return path === SIGN_IN_PATH ? SIGN_IN_BYTES_MAX : BODY_BYTES_MAX;
}

/** The request with these bytes as its JSON, or without a body. */
function withJson({ url, method, headers: given }: Request, bytes?: Uint8Array): Request {
  const headers = new Headers(given);
  // The validators of routes know fewer forms of the type than there are.
  if (bytes?.length) headers.set("Content-Type", "application/json");
  else headers.delete("Content-Type");
  // Under Deno a request line may name a host that is none. What it is taken for, headers say.
  const whole = URL.canParse(url) ? url : url.replace(AUTHORITY, "//localhost");
  return new Request(whole, { method, headers, body: bytes as BodyInit });
}
