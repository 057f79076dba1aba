/** The types of `listen`, the same on every runtime. */
import type { Connection } from "../http/env.ts";

/** Answers one request. Never rejects. */
export type Handler = (request: Request, connection: Connection) => Response | Promise<Response>;

export interface ListenOptions {
  readonly hostname: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** The flag that chose the address, where that is not `--hostname` and `--port`. */
  readonly flag?: string;
  readonly handler: Handler;
  /** Certificate chain and key, in PEM; plain HTTP without. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A server that accepts connections. */
export interface Listening {
  readonly port: number;
  /**
   * Takes no more connections and waits for answers that are under way, at most `graceMs`. Then Bun
   * cuts the rest off; under Deno they stay until the process ends.
   */
  stop(graceMs: number): Promise<void>;
}
