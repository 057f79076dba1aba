/**
 * Answers `/healthz` from the first moment, and hands all else to the app. The app is loaded after
 * the server listens: its schemas take longer than all the rest of a start.
 */
import { loadLog } from "../logger.ts";
import type { Connection } from "./env.ts";
import { HEALTH_PATH, healthy } from "./health_routes.ts";
import { Problem } from "./problem.ts";
import { tellAnswered } from "./request_line.ts";
import type { Services } from "./services.ts";

/** The app is loaded so long after the start, in milliseconds, unless a request needs it before. */
const LOAD_AFTER_MS = 100;

interface App {
  fetch(request: Request, connection: Connection): Response | Promise<Response>;
}

/** What is there before the app is loaded. */
type Ground = Pick<Services, "origin" | "corsOrigins" | "metrics" | "clock">;

export interface FrontOptions {
  /** Of this program, for the OpenAPI document. */
  readonly version: string;
  readonly onFault: (cause: unknown) => void;
  /** Loads what the app works with. */
  readonly services: () => Promise<Services>;
}

/** The handler of the listener. */
export class Front {
  readonly #ground: Ground;
  readonly #options: FrontOptions;
  #app: App | undefined;
  #loading: Promise<App> | undefined;
  #soon: AbortSignal | undefined;

  constructor(ground: Ground, options: FrontOptions) {
    this.#ground = ground;
    this.#options = options;
  }

  /** Answers a request; the first one that needs the app waits until it is loaded. Never rejects. */
  fetch(request: Request, connection: Connection): Response | Promise<Response> {
    return this.#app?.fetch(request, connection) ?? this.#health(request, connection) ??
      this.#whenLoaded(request, connection);
  }

  /** Loads the app in a moment, whether anybody asks or not, and then what runs syncs. */
  loadSoon(): void {
    // Not setTimeout: Deno loads Node's timers for the first one, in 10 ms.
    const soon = this.#soon = AbortSignal.timeout(LOAD_AFTER_MS);
    soon.onabort = () => void this.#loadAll().catch(this.#options.onFault);
  }

  stop(): void {
    if (this.#soon) this.#soon.onabort = null;
  }

  /** Answers `/healthz` as the app does; undefined for any request that the app has to look at. */
  #health(request: Request, peer: Connection): Response | undefined {
    const { origin, corsOrigins, clock } = this.#ground;
    if (request.method !== "GET" || corsOrigins.length > 0) return undefined;
    if (!origin.accepts(request, peer) || !URL.canParse(request.url)) return undefined;
    const path = origin.pathOf(new URL(request.url).pathname);
    if (path !== HEALTH_PATH) return undefined;
    const startedMs = clock.monotonic();
    const id = crypto.randomUUID();
    tellAnswered(this.#ground, {
      id,
      request,
      path,
      route: HEALTH_PATH,
      status: 200,
      startedMs,
      peer,
    });
    return healthy({ "X-Request-Id": id });
  }

  async #whenLoaded(request: Request, connection: Connection): Promise<Response> {
    try {
      const app = await this.#load();
      return await app.fetch(request, connection);
    } catch (cause) {
      this.#options.onFault(cause);
      const detail = "The request was not carried out; the server's log says why";
      return new Problem("internal-fault", detail).response(this.#ground.origin.prefix);
    }
  }

  async #loadAll(): Promise<void> {
    await this.#load();
    const { syncs } = await this.#options.services();
    await syncs.load();
  }

  /** Loads the app; what has failed is tried again by the next request. */
  #load(): Promise<App> {
    return this.#loading ??= this.#loaded().catch((cause) => {
      this.#loading = undefined;
      throw cause;
    });
  }

  async #loaded(): Promise<App> {
    const [{ httpApp }, services] = await Promise.all([
      import("./app.ts"),
      this.#options.services(),
      this.#ground.metrics.load(),
      loadLog(),
    ]);
    return this.#app = httpApp(services, this.#options.version);
  }
}
