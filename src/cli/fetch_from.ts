/** Requests to a server, also to this machine's own with a certificate that nobody has signed. */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { connect, type TLSSocket } from "node:tls";

/** A request. */
export interface Asked {
  readonly method?: string;
  readonly headers: HeadersInit;
  readonly signal?: AbortSignal;
  readonly body?: string;
}

/** Statuses whose answers have no body. */
const BODILESS = [204, 304];

/**
 * As `fetch`. With a fingerprint (SHA-256, as in X509Certificate) the server must have that
 * certificate; its names and issuer do not count, as this machine's own server is asked by its
 * address.
 *
 * @throws {Error} when it does not answer or has another certificate
 * @throws {DOMException} when aborted
 */
export function fetchFrom(url: string, asked: Asked, fingerprint?: string): Promise<Response> {
  return fingerprint === undefined ? fetch(url, asked) : pinnedFetch(url, asked, fingerprint);
}

async function pinnedFetch(
  url: string,
  { method = "GET", headers, signal, body }: Asked,
  fingerprint: string,
): Promise<Response> {
  signal?.throwIfAborted();
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  // Nothing is sent before the fingerprint has been checked.
  const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false });
  const leave = () => socket.destroy(signal?.reason);
  signal?.addEventListener("abort", leave, { once: true });
  socket.once("close", () => signal?.removeEventListener("abort", leave));
  await secured(socket);
  if (socket.getPeerCertificate().fingerprint256 !== fingerprint) {
    socket.destroy();
    throw new Error(`${url} has another certificate than the server of the data directory`);
  }
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const plain = { ...Object.fromEntries(new Headers(headers)), connection: "close" };
    const options = { method, headers: plain, createConnection: () => socket };
    request(url, options, resolve).on("error", reject).end(body);
  });
  const { statusCode: status = 0 } = answer;
  const answered = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) answered.set(name, String(value));
  if (BODILESS.includes(status)) {
    answer.resume();
    return new Response(null, { status, headers: answered });
  }
  return new Response(bodyOf(answer), { status, headers: answered });
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The connection was closed")));
  });
}

/** The body of the answer; a cut-off one is an error, as with fetch. */
function bodyOf(answer: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(answer[Symbol.asyncIterator]()).pipeThrough(
    new TransformStream<Buffer, Uint8Array<ArrayBuffer>>({
      transform: (chunk, controller) => controller.enqueue(new Uint8Array(chunk)),
    }),
  );
}
