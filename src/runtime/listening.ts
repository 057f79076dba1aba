/** What listening takes and gives, on every runtime. */
import type { Connection } from "../http/env.ts";

/** Answers one request. Never rejects. */
export type Handler = (request: Request, connection: Connection) => Response | Promise<Response>;

export interface ListenOptions {
  readonly hostname: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** What it was chosen by, where that is none of `--hostname` and `--port`. */
  readonly flag?: string;
  readonly handler: Handler;
  /** Certificate chain and key, in PEM; plain HTTP without. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A server that accepts connections. */
export interface Listening {
  readonly port: number;
  /** Takes no more connections, lets answers that are under way finish, and cuts the rest off after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}
