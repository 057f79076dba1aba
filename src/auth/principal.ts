/** Who asks, and what they may see. */
import type { JobId, SyncId, TenantId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import type { Scope } from "./scopes.ts";

/** What a ticket is bound to, inside its tenant; undefined parts do not narrow it. */
export interface Binding {
  readonly jobId?: JobId;
  readonly syncId?: SyncId;
  readonly tag?: string;
}

/** Who asks: what a valid key, session, ticket or token stands for. */
export interface Principal {
  readonly tenant: TenantId;
  readonly scopes: ReadonlySet<Scope>;
  /** The id of the key behind it; null without one, as for a token that others have signed. */
  readonly keyId: string | null;
  /** When the right ends by itself, in milliseconds since 1970; null for never. */
  readonly expiresAtMs: number | null;
  /** The session of a browser, which may be signed out. */
  readonly sessionId?: string;
  /** Restricts it to some jobs of its tenant. */
  readonly only?: Binding;
}

/** Why a right that was good has ended. `narrowed`: its key is in force, with fewer rights. */
export type Lapse = "expired" | "revoked" | "narrowed" | "signed_out";

/** Whether the job is one that the principal may see: its tenant's, and inside its binding. */
export function maySee(
  { tenant, only }: Pick<Principal, "tenant" | "only">,
  job: Pick<Job, "tenant" | "id" | "sync" | "tags">,
): boolean {
  if (job.tenant !== tenant) return false;
  if (!only) return true;
  return (only.jobId === undefined || only.jobId === job.id) &&
    (only.syncId === undefined || only.syncId === job.sync?.id) &&
    (only.tag === undefined || job.tags.includes(only.tag));
}
