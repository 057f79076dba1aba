/**
 * Requests to a server, also to this machine's own: with a certificate that nobody has signed, and
 * past a proxy.
 */
import { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import { request as requestTls } from "node:https";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { connect as connectTls, TLSSocket } from "node:tls";

/** A request. */
export interface Asked {
  readonly method?: string;
  readonly headers: HeadersInit;
  readonly signal?: AbortSignal;
  readonly body?: string;
}

/** Statuses whose answers have no body. */
const BODILESS = [204, 304];
/** Variables that name a proxy to `fetch`, for http. */
const PROXIES = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const THIS_MACHINE = /^http:\/\/(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/**
 * As `fetch`, but a server on this machine is never asked through a proxy, which would be told the
 * key and cannot reach it. With a fingerprint (SHA-256, as in X509Certificate) the server must have that
 * certificate; its names and issuer do not count, as this machine's own server is asked by its
 * address.
 *
 * @throws {Error} when it does not answer or has another certificate
 * @throws {DOMException} when aborted
 */
export function fetchFrom(url: string, asked: Asked, fingerprint?: string): Promise<Response> {
  if (fingerprint === undefined && !needsWayPast(url)) return fetch(url, asked);
  return socketFetch(url, asked, fingerprint);
}

/**
 * As `fetchFrom`, without a look at the environment under Deno: that goes by the variables of a
 * proxy without any permission, but asks the person at the terminal before a program may see them.
 */
export function fetchAsWorker(url: string, asked: Asked): Promise<Response> {
  if (process.versions.deno === undefined || !isThisMachine(url)) return fetchFrom(url, asked);
  return socketFetch(url, asked, undefined);
}

/** Whether `fetch` would ask a proxy for a server on this machine. */
function needsWayPast(url: string): boolean {
  return isThisMachine(url) && PROXIES.some((name) => process.env[name]);
}

function isThisMachine(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return THIS_MACHINE.test(`${protocol}//${hostname}`);
}

async function socketFetch(
  url: string,
  { method = "GET", headers, signal, body }: Asked,
  fingerprint: string | undefined,
): Promise<Response> {
  signal?.throwIfAborted();
  const pinned = fingerprint !== undefined;
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  // Nothing is sent before the fingerprint has been checked.
  const socket = pinned
    ? connectTls({ host, port: Number(port || 443), rejectUnauthorized: false })
    : connect({ host, port: Number(port || 80) });
  const leave = () => socket.destroy(signal?.reason);
  signal?.addEventListener("abort", leave, { once: true });
  socket.once("close", () => signal?.removeEventListener("abort", leave));
  await connected(socket, pinned ? "secureConnect" : "connect");
  if (socket instanceof TLSSocket && socket.getPeerCertificate().fingerprint256 !== fingerprint) {
    socket.destroy();
    throw new Error(`${url} has another certificate than the server of the data directory`);
  }
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const plain = { ...Object.fromEntries(new Headers(headers)), connection: "close" };
    const options = { method, headers: plain, createConnection: () => socket };
    const ask = pinned ? requestTls : request;
    ask(url, options, resolve).on("error", reject).end(body);
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

function connected(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
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
