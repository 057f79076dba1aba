/** Where people reach the pages of a server. */
import type { ServerNote } from "../log/data_directory.ts";
import { nodeOs } from "../system/node.ts";

type Interfaces = Readonly<Record<string, readonly Address[] | undefined>>;

interface Address {
  readonly address: string;
  readonly family: string;
  readonly internal: boolean;
}

/** Interfaces of containers and virtual machines, from which nobody looks. */
const BRIDGE = /^(br-|docker|podman|cni|flannel|cali|veth|virbr|lxc|lxd)/;

/**
 * Where people reach the pages: the public URL, else the machine's network address if the server
 * listens on all, else its own URL.
 */
export function pagesOf(
  { url, publicUrl, everywhere }: Pick<ServerNote, "url" | "publicUrl" | "everywhere">,
  address: () => string | undefined = ownAddress,
): string {
  if (publicUrl !== undefined) return publicUrl;
  const host = everywhere ? address() : undefined;
  if (host === undefined) return url;
  const { protocol, port } = new URL(url);
  return `${protocol}//${host.includes(":") ? `[${host}]` : host}${port && `:${port}`}`;
}

/** The URL of a page. @param path such as `job/…`; empty for the first page */
export function pageUrl(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}/${path}`;
}

/** The address that others on the network most likely reach; undefined without one. */
export function networkAddress(interfaces: Interfaces): string | undefined {
  const addresses = Object.entries(interfaces)
    .flatMap(([name, given]) => BRIDGE.test(name) ? [] : given ?? [])
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address));
  return (addresses.find(({ family }) => family === "IPv4") ?? addresses[0])?.address;
}

function ownAddress(): string | undefined {
  try {
    return networkAddress(nodeOs().networkInterfaces());
  } catch {
    // Without permission to look (Deno's --allow-sys) only the server's own URL is known.
    return undefined;
  }
}
