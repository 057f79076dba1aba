/** Makes a source's running totals into progress: with percent, rates and time left. */
import type { SourceProgress } from "../sources/source.ts";
import { secondsLeft } from "./time_left.ts";
import { entitiesDone, type Progress, shareDone } from "../sync/progress.ts";

/** Rates are means over this many milliseconds. */
const WINDOW_MS = 10_000;
/** Rates are measured over at least this many milliseconds. */
const SPAN_MS_MIN = 500;
/** Samples closer together than this are not kept. */
const SAMPLE_MS_MIN = 200;

interface Sample {
  readonly atMs: number;
  readonly done: number;
  readonly bytes: number;
}

/** One job's meter. `read` gets the totals in their order. */
export class Meter {
  readonly #samples: Sample[] = [];
  #percent = 0;

  /** @param atMs of a clock that only goes forward */
  read(totals: SourceProgress, atMs: number): Progress {
    const done = entitiesDone(totals);
    const now: Sample = { atMs, done, bytes: totals.bytesDone ?? 0 };
    const oldest = this.#remember(now);
    const spanMs = atMs - oldest.atMs;
    const measured = spanMs >= SPAN_MS_MIN;
    // Without entities there is no rate of them.
    const ratePerS = measured && done > 0 ? ((done - oldest.done) * 1000) / spanMs : undefined;
    const bytesPerS = measured && totals.bytesDone !== undefined
      ? ((now.bytes - oldest.bytes) * 1000) / spanMs
      : undefined;
    return {
      inserted: totals.inserted,
      updated: totals.updated,
      deleted: totals.deleted,
      kept: totals.kept,
      skipped: totals.skipped,
      encountered: totals.encountered,
      total: totals.total,
      percent: this.#percentOf(totals, done),
      bytesDone: totals.bytesDone,
      bytesTotal: totals.bytesTotal,
      ratePerS: tenth(ratePerS),
      bytesPerS: bytesPerS === undefined ? undefined : Math.round(bytesPerS),
      etaS: secondsLeft({ ...totals, ratePerS, bytesPerS }, done, spanMs),
      phase: totals.phase,
      current: totals.current,
      warnings: totals.warnings,
      paced: totals.paced ? true : undefined,
    };
  }

  #remember(now: Sample): Sample {
    const last = this.#samples.at(-1);
    if (!last || now.atMs - last.atMs >= SAMPLE_MS_MIN) this.#samples.push(now);
    while (this.#samples.length > 1 && now.atMs - this.#samples[0].atMs > WINDOW_MS) {
      this.#samples.shift();
    }
    return this.#samples[0];
  }

  /** The percent: from the source, else by bytes, else by the total, if known. Never goes back. */
  #percentOf(totals: SourceProgress, done: number): number | undefined {
    const { percent } = totals;
    const share = percent === undefined ? shareDone(totals, done) : percent / 100;
    if (share === undefined) return undefined;
    this.#percent = Math.max(this.#percent, Math.min(100, Math.floor(share * 1000) / 10));
    return this.#percent;
  }
}

/** The totals of a job that is over: no rate, no time left, nothing current. */
export function settled(progress: Progress, completed: boolean): Progress {
  const { ratePerS: _, bytesPerS: _b, etaS: _e, current: _c, ...rest } = progress;
  return completed && rest.percent !== undefined ? { ...rest, percent: 100 } : rest;
}

function tenth(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 10) / 10;
}
