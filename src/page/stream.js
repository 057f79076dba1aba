// @ts-check
/** A stream that comes back: the browser's EventSource, and what it does not do by itself. */
import { urlOf } from "./api.js";
import { Turns } from "./turns.js";

/** @typedef {import("./wire.d.ts").Frame} Frame */
/** @typedef {import("./view.d.ts").LinkState} LinkState */

/** First and longest wait between attempts after EventSource has given up, in milliseconds. */
const WAIT_MS = 1_000;
const WAIT_MS_MAX = 15_000;
/** A connection is dead after this long without a frame, in ms: heartbeats come every 30 s. */
const SILENCE_MS = 90_000;
const LOOK_MS = 5_000;

/**
 * EventSource comes back by itself from a broken connection, but gives up for good on an answer
 * that is not a stream, and does not notice a dead connection. Then another one is made here, with
 * the last id.
 */
export class Stream {
  /** @type {EventSource | undefined} */
  #source;
  /** @type {string | undefined} */
  #lastId;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #looks;
  #turns;
  #waitMs = WAIT_MS;
  #heardMs = Date.now();
  /** When a connection that says nothing until then is dead. */
  #deadMs = Date.now() + SILENCE_MS;
  #wasLive = false;
  /** @type {LinkState["kind"]} */
  #kind = "none";
  #over = false;
  #options;

  /**
   * @param {object} options
   * @param {() => string} options.path below the base, with its query; asked at each opening
   * @param {(frame: Frame, raw: string, id: string) => void} options.onFrame
   * @param {(state: LinkState) => void} options.onState
   * @param {() => Promise<boolean>} options.mayRetry asked after EventSource has given up
   * @param {number} [options.heardMs] when what is shown already was heard, 0 where that is nothing;
   *   now when left out
   */
  constructor(options) {
    this.#options = options;
    this.#heardMs = options.heardMs ?? this.#heardMs;
    this.#looks = setInterval(() => this.#look(), LOOK_MS);
    this.#turns = new Turns({ rest: () => this.#rest(), wake: () => this.#open() });
    addEventListener("offline", this.#network);
    addEventListener("online", this.#network);
    addEventListener("pageshow", this.#shown);
    this.#open();
  }

  /** Starts again without a position: the query has changed. */
  restart() {
    this.#lastId = undefined;
    this.#open();
  }

  /** Closes for good. @param {boolean} [over] whether nothing more will come */
  close(over = false) {
    if (this.#over) return;
    this.#over = true;
    this.#drop();
    clearInterval(this.#looks);
    this.#turns.leave();
    removeEventListener("offline", this.#network);
    removeEventListener("online", this.#network);
    removeEventListener("pageshow", this.#shown);
    this.#options.onState({ kind: over ? "over" : "none" });
  }

  /**
   * Without a network a server on this machine answers all the same, and a connection to any other
   * may be dead: only another one tells.
   */
  #network = () => this.#open();

  /** Safari keeps a page that one goes back to, and its EventSource would wait as after a fault. */
  #shown = (/** @type {PageTransitionEvent} */ { persisted }) => {
    if (persisted) this.#open();
  };

  #rest() {
    this.#drop();
    this.#tell("resting");
  }

  #open() {
    this.#drop();
    if (this.#over || this.#turns.resting) return;
    const url = new URL(urlOf(this.#options.path()));
    if (this.#lastId !== undefined) url.searchParams.set("last_event_id", this.#lastId);
    const source = new EventSource(url);
    this.#source = source;
    // After another one, or a rest, it gets half as long as one that was heard.
    this.#deadMs = Math.max(this.#deadMs, Date.now() + SILENCE_MS / 2);
    if (this.#kind !== "offline" || navigator.onLine) {
      // Not back to connecting: what says that it is lost would go and come with each attempt.
      this.#tell(this.#wasLive || this.#kind === "lost" ? "lost" : "connecting");
    }
    source.onmessage = ({ data, lastEventId }) => {
      if (source !== this.#source) return;
      this.#heardMs = Date.now();
      this.#deadMs = this.#heardMs + SILENCE_MS;
      this.#waitMs = WAIT_MS;
      if (lastEventId !== "") this.#lastId = lastEventId;
      const frame = JSON.parse(data);
      if (frame.type === "connected") {
        this.#wasLive = true;
        this.#tell("live");
      }
      this.#options.onFrame(frame, data, lastEventId);
    };
    source.onerror = () => {
      if (source !== this.#source) return;
      this.#tell(navigator.onLine ? "lost" : "offline");
      if (source.readyState === EventSource.CLOSED) this.#again();
    };
  }

  async #again() {
    this.#drop();
    const may = await this.#options.mayRetry();
    if (!may || this.#over || this.#source) return;
    const waitMs = this.#waitMs * (0.5 + Math.random() / 2);
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MS_MAX);
    this.#retry = setTimeout(() => this.#open(), waitMs);
  }

  #look() {
    // The clock may have been put back.
    this.#deadMs = Math.min(this.#deadMs, Date.now() + SILENCE_MS);
    if (!this.#source || Date.now() < this.#deadMs) return;
    this.#open();
  }

  #drop() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }

  /** @param {LinkState["kind"]} kind */
  #tell(kind) {
    this.#kind = kind;
    this.#options.onState({ kind, heardMs: this.#heardMs });
  }
}
