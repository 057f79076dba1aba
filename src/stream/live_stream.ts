/** What all streams to viewers have in common: they begin, beat, part and break off. */
import type { JobError } from "../sync/entry.ts";
import { comeBackBytes, HEARTBEAT_BYTES } from "./frames.ts";

/**
 * From the last chunk to the abort, in milliseconds. A client that gets both at once may lose the
 * chunk: Bun's fetch throws away what it has not read when the connection is reset.
 */
export const PARTING_MS = 100;

/**
 * The source of a viewer's ReadableStream. Between two chunks it keeps no queue, no promise and
 * no timer: `next` sends what there is, or notes that the viewer wants to be served.
 */
export abstract class LiveStream implements UnderlyingDefaultSource<Uint8Array> {
  /** The first chunk; dropped once it is sent, so that an idle viewer keeps nothing. */
  #opening: Uint8Array | undefined;
  readonly #onEnd: (stream: LiveStream) => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #wants = false;
  #heartbeatDue = false;
  /** The chunk to send before the connection is broken off; "sent" once it was. */
  #farewell: Uint8Array | "sent" | undefined;
  #over = false;
  #pulled = false;

  /** @param opening the first chunk; @param onEnd called once when it is over, however it ended */
  constructor(opening: Uint8Array, onEnd: (stream: LiveStream) => void) {
    this.#opening = opening;
    this.#onEnd = onEnd;
  }

  /** The body of the response. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream(this, { highWaterMark: 0 });
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.began();
    if (this.#opening) controller.enqueue(this.#opening);
    this.#opening = undefined;
    this.opened();
  }

  pull(): Promise<void> | void {
    this.#pulled = true;
    if (this.#over) return;
    if (this.#farewell) return this.#leave(this.#farewell);
    if (this.#heartbeatDue) {
      this.#heartbeatDue = false;
      return this.enqueue(this.heartbeatBytes());
    }
    return this.next();
  }

  cancel(): void {
    this.#end();
  }

  moved(): boolean {
    const moved = this.#wants || this.#pulled;
    this.#pulled = false;
    return moved;
  }

  /** Sends a heartbeat, now or at the next pull. */
  heartbeat(): void {
    if (this.#wants) this.#send(this.heartbeatBytes());
    else this.#heartbeatDue = true;
  }

  /**
   * Asks the viewer, one of `count` that are sent away, to come back after `retryMs` or more, then
   * breaks the connection off.
   */
  sendAway(retryMs: number, count = 1): void {
    this.part(comeBackBytes(retryMs, count));
  }

  /** Tells the viewer of a fault of this connection, then breaks it off. */
  abstract refuse(error: JobError): void;

  /** Breaks the connection off at once: the viewer has not read what it was sent. */
  abort(): void {
    if (this.#over) return;
    this.#end();
    // Bun prints whatever reason is given, as if it were a fault.
    this.#controller?.error();
  }

  /** Called at the beginning, before anything is sent. */
  protected abstract began(): void;
  /** Called when the opening was enqueued. */
  protected opened(): void {}
  /** Sends what is unseen with `enqueue`, or calls `want` to be served later. */
  protected abstract next(): Promise<void> | void;
  /** Called once at the end, before onEnd. */
  protected abstract ended(): void;

  protected heartbeatBytes(): Uint8Array {
    return HEARTBEAT_BYTES;
  }

  protected get over(): boolean {
    return this.#over;
  }

  protected get wants(): boolean {
    return this.#wants;
  }

  /** Notes that the viewer has all there is and can be served at any time. */
  protected want(): void {
    this.#wants = true;
  }

  /** Notes that the viewer was served. */
  protected served(): void {
    this.#wants = false;
  }

  protected enqueue(chunk: Uint8Array): void {
    this.#controller?.enqueue(chunk);
  }

  /** Sends a last chunk, then breaks the connection off. */
  protected part(farewell: Uint8Array): void {
    if (this.#over || this.#farewell) return;
    this.#farewell = farewell;
    if (this.#wants) this.#leave(farewell);
  }

  /** Ends the stream cleanly. */
  protected close(): void {
    if (this.#over) return;
    this.#end();
    this.#controller?.close();
  }

  /** Sends the farewell; at the next pull, which shows that it was taken, begins the abort. */
  #leave(farewell: Uint8Array | "sent"): void {
    if (farewell !== "sent") {
      this.#farewell = "sent";
      return this.#send(farewell);
    }
    setTimeout(() => this.abort(), PARTING_MS);
  }

  #send(chunk: Uint8Array): void {
    this.#wants = false;
    this.enqueue(chunk);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#wants = false;
    this.ended();
    this.#onEnd(this);
  }
}
