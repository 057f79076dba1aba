/** The job of a run. Nothing here throws or rejects, as that would harm the program. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { systemClock } from "../../clock.ts";
import { Spool } from "../../client/spool.ts";
import { SpoolDirectory } from "../../client/spool_directory.ts";
import { MEMORY, type SpooledJob } from "../../client/spool_file.ts";
import { makeDataDirectory } from "../../log/data_directory.ts";
import { reasonOf } from "../../reason.ts";
import type { SourceEvent } from "../../sources/source.ts";
import type { JobError } from "../../sync/entry.ts";
import { newJobId } from "../../sync/ids.ts";
import type { TerminalStatus } from "../../sync/status.ts";
import type { ExecOptions } from "./exec_options.ts";
import { shown } from "./redact.ts";
import type { Say } from "./say.ts";
import type { Target } from "./target.ts";
import { Teller } from "./teller.ts";

export interface ExecJobOptions {
  readonly sync: string;
  /** The command as it was started, and the flags in it that we added. */
  readonly command: readonly string[];
  readonly added: readonly string[];
  readonly format: string;
  /** Undefined for a program that could not be started. */
  readonly pid: number | undefined;
  readonly options: ExecOptions;
  readonly target: Target;
  readonly say: Say;
  readonly onCancel: () => void;
}

/** Takes the events of a program and its end, and sends them to the server. */
export class ExecJob {
  readonly #options: ExecJobOptions;
  readonly #id = newJobId();
  #spool: Spool | undefined;
  #teller: Teller | undefined;

  constructor(options: ExecJobOptions) {
    this.#options = options;
    const { target, options: { leaseMs }, onCancel } = options;
    const onFault = (message: string) => this.#fault(message);
    try {
      const { spool, directory } = this.#opened();
      this.#spool = spool;
      this.#teller = new Teller({
        spool,
        directory,
        target,
        clock: systemClock,
        leaseMs,
        onCancel,
        onFault,
      });
      this.#sayWhere();
      this.#tellAdded();
    } catch (cause) {
      this.#fault(`nothing can be told of this run: ${reasonOf(cause)}`);
    }
  }

  event(event: SourceEvent): void {
    this.#teller?.event(event);
  }

  /** Ends the job, waits a short time for the server or until the signal, and closes the target. */
  async end(
    status: TerminalStatus,
    error: JobError | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { say, target, options } = this.#options;
    try {
      const told = await this.#teller?.end(status, error, signal);
      if (told === "left") {
        const reason = this.#teller?.reason;
        const kept = this.#spool?.onDisk ?? false;
        const rest = kept
          ? `the rest is kept for the next exec, or for \`${flushOf(options)}\``
          : "the rest is lost, as it could not be kept";
        say(`the server could not be told of everything${reason ? `: ${reason}` : ""}; ${rest}`, {
          type: "left",
          job_id: this.#id,
          reason: reason ?? null,
          kept,
        });
      }
      await target.close();
    } catch (cause) {
      this.#fault(`the end of this run cannot be told: ${reasonOf(cause)}`);
    }
  }

  /** A spool on disk; in memory when that fails, and then the fault is told. */
  #opened(): { readonly spool: Spool; readonly directory: SpoolDirectory | undefined } {
    const onFault = (message: string) => this.#fault(message);
    const job = this.#spooled();
    try {
      const { data, spools } = this.#options.options;
      if (data !== undefined) makeDataDirectory(data);
      const directory = new SpoolDirectory(spools, onFault);
      return { spool: directory.create(job, systemClock.now()), directory };
    } catch (cause) {
      onFault(`what the server cannot be told of is not kept: ${reasonOf(cause)}`);
      return { spool: Spool.create(MEMORY, job), directory: undefined };
    }
  }

  #spooled(): SpooledJob {
    const { sync, command, added, format, pid, options, target } = this.#options;
    const { tags, leaseMs } = options;
    const meta = {
      host: hostname(),
      command: shown(command),
      ...(pid !== undefined && { pid }),
      ...(added.length > 0 && { added_flags: added }),
      format,
      started_at: new Date(systemClock.now()).toISOString(),
    };
    const lease = leaseMs === undefined ? {} : { lease_s: leaseMs / 1000 };
    return {
      id: this.#id,
      producer: `exec-${randomUUID()}`,
      body: JSON.stringify({ id: this.#id, sync, tags, meta, ...lease }),
      server: target.server,
      keyPrint: target.keyPrint,
    };
  }

  #sayWhere(): void {
    const { say, target } = this.#options;
    const path = `/v1/sync/job/${this.#id}`;
    const api = target.url === undefined ? undefined : target.url + path;
    const page = target.pageOf(this.#id);
    say(
      page === undefined ? `job ${this.#id}: no server yet` : `job ${this.#id}: ${page}`,
      { type: "job", job_id: this.#id, page_url: page ?? null, api_url: api ?? null },
    );
  }

  #tellAdded(): void {
    const { added } = this.#options;
    if (added.length === 0) return;
    const message = `Added to the command: ${added.join(" ")}`;
    this.#teller?.event({ type: "log", level: "info", source: "synctail", message });
  }

  #fault(message: string): void {
    this.#options.say(message, { type: "fault", message });
  }
}

/** The command that sends what is left, wherever it is called. */
function flushOf({ server, data, keyFlags }: ExecOptions): string {
  const flags = Object.entries({ server, data, ...keyFlags }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name} ${quoted(value)}`]
  );
  return ["synctail exec --flush", ...flags].join(" ");
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w.,:/@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
