/** The targets of notifications, and what each wants to be told. */
import type { SyncRef } from "../../sync/job.ts";
import type { TenantId } from "../../sync/ids.ts";
import type { Occurrence, OccurrenceKind } from "../occurrence.ts";

/** What all targets have. */
interface Common {
  /** Unique; nothing else of a target is ever shown. */
  readonly name: string;
  /** Without user and password, which are in `authorization`. */
  readonly url: string;
  /** The header Authorization; undefined without one. */
  readonly authorization: string | undefined;
  readonly on: readonly OccurrenceKind[];
  /** Names or ids of syncs; undefined for all. */
  readonly syncs: readonly string[] | undefined;
  /** Undefined for all. */
  readonly tenant: TenantId | undefined;
}

export interface WebhookTarget extends Common {
  readonly type: "webhook";
  /** The key that signs. */
  readonly key: Uint8Array;
}

/** A target without own settings. For ntfy the last part of `url` is the topic. */
export interface PlainTarget extends Common {
  readonly type: "ntfy" | "healthchecks" | "slack" | "discord";
}

export interface TemplateTarget extends Common {
  readonly type: "template";
  readonly method: "POST" | "PUT" | "PATCH";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The value of `{{secret}}`; empty without one. */
  readonly secret: string;
}

export type Target = WebhookTarget | PlainTarget | TemplateTarget;

/** Whether the target is to be told. One that wants `warning` does not get `completed` as well. */
export function wants(target: Target, occurrence: Occurrence): boolean {
  const { on, syncs, tenant } = target;
  const { kind, job, sync } = occurrence;
  if (!on.includes(kind)) return false;
  if (tenant !== undefined && tenant !== occurrence.tenant) return false;
  if (syncs !== undefined && !named(syncs, sync)) return false;
  const warned = kind === "completed" && (job?.progress.warnings ?? 0) > 0;
  return !(warned && on.includes("warning"));
}

/**
 * A text of all that decides what a target is told. When it changes, the target is new and is not
 * told of the past.
 */
export function filterText({ type, on, syncs, tenant }: Target): string {
  return JSON.stringify([type, [...on].sort(), syncs ? [...syncs].sort() : null, tenant ?? null]);
}

function named(syncs: readonly string[], sync: SyncRef | null): boolean {
  return sync !== null && (syncs.includes(sync.name) || syncs.includes(sync.id));
}
