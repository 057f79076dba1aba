/** Why a server could not be reached, in the same words for every runtime. */

/**
 * - `certificate`: the server is there, but its certificate is not accepted
 * - `port`: the runtime does not connect to this port
 * - `other`: anything else, in the runtime's words, which may hold the URL
 */
export type UnreachedKind =
  | "certificate"
  | "refused"
  | "name"
  | "route"
  | "port"
  | "closed"
  | "late"
  | "protocol"
  | "other";

export interface Unreached {
  readonly kind: UnreachedKind;
  /** The server: `http://127.0.0.1:8017`. */
  readonly at: string;
  readonly reason: string;
  /** `at` and `reason`: `cannot reach http://127.0.0.1:8017: connection refused`. */
  readonly words: string;
}

const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/**
 * Patterns in the code of an error where it has one (Bun, node:tls), else in its text (Deno,
 * rustls). The first that matches counts.
 */
const KINDS: readonly (readonly [UnreachedKind, RegExp, string])[] = [
  [
    "certificate",
    /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate (?:has )?expired|certificate not valid yet/i,
    "its certificate is out of date",
  ],
  [
    "certificate",
    /ALTNAME|not valid for (?:any )?name|NotValidForName/i,
    "its certificate is for another name",
  ],
  [
    "certificate",
    /another certificate/,
    "it has another certificate than the server of the data directory",
  ],
  [
    "certificate",
    /SELF_SIGNED|self[- ]signed|UNABLE_TO_|unable to verify|peer certificate|\bCERT_|ERR_TLS_CERT/i,
    "its certificate is not trusted here",
  ],
  ["refused", /ECONNREFUSED|os error 111|connection refused/i, "connection refused"],
  // No name server answers: the name may be right.
  ["name", /EAI_AGAIN|Temporary failure in name/i, "its name cannot be looked up now"],
  ["name", /ENOTFOUND|EAI_|dns error|failed to lookup/i, "there is no host of that name"],
  [
    "route",
    /ENETUNREACH|EHOSTUNREACH|os error 1(?:01|13)\b|unreachable/i,
    "no network leads there",
  ],
  ["late", /TimeoutError|AbortError|ETIMEDOUT|os error 110|timed out/i, "no answer in time"],
  [
    "protocol",
    /EPROTO\b|InvalidContentType|tls handshake|WRONG_VERSION/i,
    "it does not speak HTTPS",
  ],
  ["protocol", /Malformed_HTTP|invalid HTTP/i, "it does not speak HTTP there"],
  [
    "port",
    /requests to port \d+ are blocked/i,
    "Deno asks nothing of this port, as browsers do not",
  ],
  [
    "closed",
    /ECONNRESET|EPIPE|os error (?:104|32)\b|connection (?:was )?(?:closed|reset)|reading a body|unexpected eof|other side closed|terminated/i,
    "the connection was closed",
  ],
];

/** Advice for developers, which some runtimes add. */
const ADVICE = / ?(?:For more information, pass|Is the computer able).*$/s;

/**
 * Puts in words why a request has failed.
 *
 * @param url the request's; its path does not matter
 * @param cause what `fetch` or the reading of its answer has thrown
 */
export function unreached(url: string, cause: unknown): Unreached {
  const at = originOf(url);
  const chain = chainOf(cause);
  const text = chain.map(({ name, code, message }) => `${name} ${code} ${message}`).join("\n");
  const known = KINDS.find(([, pattern]) => pattern.test(text));
  const [kind, reason] = known ? [known[0], known[2]] : ["other" as const, plain(chain)];
  return { kind, at, reason, words: `cannot reach ${at}: ${reason}` };
}

function originOf(url: string): string {
  if (!URL.canParse(url)) return url;
  const { protocol, hostname, port } = new URL(url);
  const known = port || PORTS[protocol];
  return hostname && known ? `${protocol}//${hostname}:${known}` : url;
}

interface Said {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

/** The error and its causes: the outermost often says only "fetch failed". */
function chainOf(cause: unknown): readonly Said[] {
  const chain: Said[] = [];
  for (let each = cause; each !== undefined && chain.length < 5;) {
    if (!(each instanceof Error)) {
      chain.push({ name: "", code: "", message: String(each) });
      break;
    }
    const code = "code" in each ? String(each.code) : "";
    chain.push({ name: each.name, code, message: each.message });
    each = each.cause;
  }
  return chain;
}

function plain(chain: readonly Said[]): string {
  const message = chain.at(-1)?.message.replace(ADVICE, "").trim();
  return message ? message : "the request failed";
}

/** The reason where a proxy, or anything else, answers in the server's place. */
export function strangerAt(server: string): string {
  return `what answers at ${server} is no synctail server`;
}

/**
 * Why a refusal does not count, in words: the request was redirected, so it came without its key
 * and perhaps with another method. Undefined when it was not redirected.
 */
export function ledAstray(server: string, { ok, redirected, url }: Response): string | undefined {
  return redirected && !ok ? `${server} leads to ${new URL(url).origin}: name that one` : undefined;
}
