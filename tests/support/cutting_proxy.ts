/** A TCP proxy that breaks connections in every way there is. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Cleanup } from "./program.ts";
import type { Random } from "./seed.ts";

/** How a connection ends: as if it were whole, by a reset, towards the server only, standing still first, byte by byte first. */
const WAYS = ["end", "reset", "half-close", "stall", "trickle"] as const;
/** How long one stands still before it is cut, in milliseconds. */
const STALL_MS = 30;
/** Bytes that trickle before the cut. */
const TRICKLE = 40;

export class CuttingProxy {
  readonly url: string;
  /** How many connections were cut, by the way it was done. */
  readonly cuts: Record<typeof WAYS[number], number> = {
    "end": 0,
    "reset": 0,
    "half-close": 0,
    "stall": 0,
    "trickle": 0,
  };
  /** While set, every connection is cut some time. */
  cutting = true;
  readonly #random: Random;
  /** The port that it stands before; a server that comes back may have another. */
  target: number;

  private constructor(port: number, target: number, random: Random) {
    this.url = `http://127.0.0.1:${port}`;
    this.target = target;
    this.#random = random;
  }

  /** @param target the port that it stands before */
  static async before(t: Cleanup, target: number, random: Random): Promise<CuttingProxy> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (client) => {
      sockets.add(client);
      client.on("close", () => sockets.delete(client));
      proxy.#serve(client);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo; // it listens on TCP
    const proxy = new CuttingProxy(port, target, random);
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return proxy;
  }

  get total(): number {
    return Object.values(this.cuts).reduce((sum, count) => sum + count, 0);
  }

  #serve(client: Socket): void {
    const server = connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    // Both sides go together, whatever the reason.
    const drop = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", drop).on("close", drop);
    client.on("data", (bytes) => server.write(bytes));
    client.on("end", () => server.end());
    // Most connections are cut early, some late.
    let left = this.cutting ? Math.floor(Math.exp(this.#random.next() * 10)) : Infinity;
    const way = this.#random.pick(WAYS);
    server.on("data", (bytes) => {
      if (left <= 0) return; // it is being cut
      client.write(bytes.subarray(0, Math.min(bytes.length, left)));
      if ((left -= bytes.length) > 0) return;
      this.cuts[way]++;
      this.#cut(way, client, server, bytes.subarray(bytes.length + left));
    });
    server.on("end", () => left > 0 && client.end());
  }

  #cut(way: typeof WAYS[number], client: Socket, server: Socket, rest: Uint8Array): void {
    switch (way) {
      case "end":
        client.end();
        return void server.destroySoon();
      case "reset":
        client.resetAndDestroy();
        return void server.resetAndDestroy();
      case "half-close":
        server.end();
        return void setTimeout(() => client.destroy(), STALL_MS);
      case "stall":
        server.pause();
        return void setTimeout(() => client.destroy(), STALL_MS);
      case "trickle": {
        client.setNoDelay(true);
        const bytes = [...rest.subarray(0, TRICKLE)];
        const next = () => {
          const byte = bytes.shift();
          if (byte === undefined || client.destroyed) return void client.destroy();
          client.write(Uint8Array.of(byte), () => setImmediate(next));
        };
        return next();
      }
      default:
        way satisfies never;
    }
  }
}
