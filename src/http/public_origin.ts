/** What browsers and proxies call this server. */
import type { BlockList } from "node:net";
import { nodeNet } from "../system/node.ts";
import type { Peer } from "./env.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]", "::1"];

export interface PublicOriginOptions {
  /** The address that the server listens on. */
  readonly hostname: string;
  /** Where people reach it, such as `https://example.com/synctail`; undefined where it listens. */
  readonly publicUrl: string | undefined;
  /** Further names; `*` for any. When empty: only loopback's where it listens there, else any. */
  readonly allowedHosts: readonly string[];
  /** Addresses (CIDR) of proxies whose forwarded headers are believed. */
  readonly trustedProxies: readonly string[];
}

/** The server's hosts, the prefix of its paths, and the client's address behind trusted proxies. */
export class PublicOrigin {
  /** What stands before every path: `/synctail`, or nothing. */
  readonly prefix: string;
  /** The prefix as it begins a path that was decoded. */
  readonly #decoded: string;
  readonly #publicUrl: URL | undefined;
  readonly #hosts: ReadonlySet<string> | undefined;
  /** The trusted proxies; undefined for none. */
  readonly #trusted: BlockList | undefined;
  /** The Host header accepted last: nearly every request has the same one. */
  #accepted: string | undefined;

  constructor({ hostname, publicUrl, allowedHosts, trustedProxies }: PublicOriginOptions) {
    this.#publicUrl = publicUrl === undefined ? undefined : new URL(publicUrl);
    this.prefix = this.#publicUrl?.pathname.replace(/\/+$/, "") ?? "";
    this.#decoded = decoded(this.prefix);
    const names = allowedHosts.map((name) => name.toLowerCase());
    const listener = hostname.toLowerCase();
    const local = LOOPBACK.includes(listener) || /^127\.[\d.]+$/.test(listener);
    const any = names.includes("*") || (names.length === 0 && !local);
    const own = this.#publicUrl ? [this.#publicUrl.hostname] : [];
    this.#hosts = any ? undefined : new Set([...names, ...own, ...LOOPBACK, listener]);
    if (trustedProxies.length === 0) return;
    const trusted = new (nodeNet().BlockList)();
    for (const cidr of trustedProxies) addSubnet(trusted, cidr);
    this.#trusted = trusted;
  }

  /** Scheme, host and port that the browser sees, without a path; of a request that is accepted. */
  of(request: Request, peer: Peer): string {
    if (this.#publicUrl) return this.#publicUrl.origin;
    const proto = this.#forwarded("X-Forwarded-Proto", request, peer);
    // Under Deno a request line may name any scheme, and only some have an origin.
    const scheme = proto === "https" || request.url.startsWith("https:") ? "https" : "http";
    return new URL(`${scheme}://${this.hostOf(request, peer)}`).origin;
  }

  /**
   * Whether the request names a host of this server. Any IP address will do: only a name can be
   * pointed here by somebody else (DNS rebinding).
   */
  accepts(request: Request, peer: Peer): boolean {
    const host = this.hostOf(request, peer);
    if (host === this.#accepted) return true;
    if (!URL.canParse(`http://${host}`)) return false;
    const { hostname } = new URL(`http://${host}`);
    const known = !this.#hosts || isAddress(hostname) || this.#hosts.has(hostname);
    if (known) this.#accepted = host;
    return known;
  }

  /**
   * Host and port that were asked for. HTTP/2 has them in the URL alone; so has HTTP/1.0, which may
   * name none: there they are the listener's.
   */
  hostOf(request: Request, peer: Peer): string {
    const given = this.#forwarded("X-Forwarded-Host", request, peer) || request.headers.get("Host");
    return given || (URL.canParse(request.url) ? new URL(request.url).host : "");
  }

  /** The decoded path inside this server: a proxy may have taken the prefix away, or left it. */
  pathOf(path: string): string {
    if (this.prefix === "" || !path.startsWith(this.#decoded)) return path;
    const rest = path.slice(this.#decoded.length);
    if (rest === "") return "/";
    return rest.startsWith("/") ? rest : path;
  }

  /** The header's first value; undefined where the peer is no trusted proxy. */
  #forwarded(name: string, { headers }: Request, peer: Peer): string | undefined {
    if (!this.#trusted || !headers.has(name) || !this.#trusts(peer.remote)) return undefined;
    return headers.get(name)?.split(",")[0].trim();
  }

  /** The client's address: the last one of X-Forwarded-For that is no trusted proxy. */
  clientOf(request: Request, { remote }: Peer): string {
    if (!this.#trusted) return remote;
    const hops = (request.headers.get("X-Forwarded-For") ?? "").split(",").map((hop) => hop.trim())
      .filter((hop) => nodeNet().isIP(hop) > 0);
    let client = remote;
    while (this.#trusts(client) && hops.length > 0) client = hops.pop() ?? client;
    return client;
  }

  #trusts(given: string): boolean {
    // A link-local address ends in its interface, which Deno's list does not know. The list takes
    // the IPv4 peer of a socket that listens on `::` (::ffff:127.0.0.1) as one of an IPv4 network.
    const address = given.replace(/%.*$/, "");
    const family = nodeNet().isIP(address);
    const kind = family === 6 ? "ipv6" : "ipv4";
    return family > 0 && this.#trusted?.check(address, kind) === true;
  }
}

/** Whether the text is an address or a CIDR block. */
export function isCidr(text: string): boolean {
  const [address, bits, more] = text.split("/");
  const family = nodeNet().isIP(address);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined ||
    (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
}

function addSubnet(list: BlockList, cidr: string): void {
  const [address, bits] = cidr.split("/");
  const six = nodeNet().isIP(address) === 6;
  list.addSubnet(
    address,
    bits === undefined ? (six ? 128 : 32) : Number(bits),
    six ? "ipv6" : "ipv4",
  );
}

/** The path as Hono decodes it: all but `%25` and what could be a delimiter. */
function decoded(path: string): string {
  try {
    return decodeURI(path.replaceAll("%25", "%2525"));
  } catch {
    return path; // it is no UTF-8, which Hono leaves as it is
  }
}

/** Whether a URL's hostname is an address: nothing else ends in a number or stands in brackets. */
function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^[\d.]+$/.test(hostname);
}
