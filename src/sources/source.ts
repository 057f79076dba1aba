/** What a sync reads from: an async generator of totals and log lines. */
import type { Clock } from "../clock.ts";
import type { EntityCounts } from "../sync/progress.ts";
import type { LogLevel } from "../sync/entry.ts";

/** How far the source has come: running totals, each yield replacing the last. */
export interface SourceProgress extends EntityCounts {
  readonly type: "progress";
  readonly encountered: Readonly<Record<string, number>>;
  /** Entities in all; left out until it is final. */
  readonly total?: number;
  /** 0 to 100, where the source itself says so and there are no totals to compute it from. */
  readonly percent?: number;
  readonly bytesDone?: number;
  /** Bytes in all; left out until it is final. */
  readonly bytesTotal?: number;
  readonly phase?: string;
  readonly current?: string;
  readonly warnings?: number;
  /** Whether `max_per_s` has held this run back so far. */
  readonly paced?: boolean;
}

/** A line for the job's log. */
export interface SourceLog {
  readonly type: "log";
  readonly level: LogLevel;
  readonly message: string;
  readonly source?: string;
  /** When it was written, by the clock of its writer, in milliseconds since 1970. */
  readonly timeMs?: number;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export type SourceEvent = SourceProgress | SourceLog;

/** What a run is given. */
export interface SourceRun {
  /** Fires when the job is to stop; the generator ends within 100 ms of it, or its `stopMs`. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * A configured source with its destination, ready to run once.
 *
 * The generator hands control back to the event loop at least every 8 ms. Returning means
 * completed; a throw means failed; returning early after the signal means cancelled.
 *
 * @throws {SourceError} with words for people; anything else that is thrown is told to viewers
 *   only as an internal fault.
 */
export interface JobSource {
  /** How long it may take to end after its signal, in milliseconds, where that is over 100. */
  readonly stopMs?: number;
  run(run: SourceRun): AsyncGenerator<SourceEvent, void, void>;
}

/** A failure whose code and message are meant for the people who watch the job. */
export class SourceError extends Error {
  override readonly name: string = "SourceError";
  readonly code: string;

  /** @param code lower case with underscores, stable for programs; @param message words for people. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The source itself says that it was cancelled: the job ends as cancelled. */
export class SourceCancelled extends SourceError {
  override readonly name = "SourceCancelled";
}
