/** How many viewers there may be: in all, and of one tenant, job or key. */
import { type JobKey, keyText } from "../sync/ids.ts";

/** Most viewers at once; Infinity for no limit. */
export interface ViewerLimits {
  readonly all: number;
  readonly tenant: number;
  readonly job: number;
  readonly key: number;
}

export const NO_LIMITS: ViewerLimits = {
  all: Infinity,
  tenant: Infinity,
  job: Infinity,
  key: Infinity,
};

/** Who wants to watch. `job` is undefined for a stream of many jobs, `key` where no key is used. */
export interface Applicant {
  readonly tenant: string;
  readonly job: JobKey | undefined;
  readonly key: string | undefined;
}

/** Which limit is reached. */
export type Limit = keyof ViewerLimits;

/** Counts the places that are taken: in all, and by tenant, job and key. */
export class Admission {
  readonly #limits: ViewerLimits;
  readonly #counts = new Map<string, number>();
  #all = 0;

  constructor(limits: ViewerLimits) {
    this.#limits = limits;
  }

  /** Takes a place, which `leave` gives back; where there is none, returns the limit reached. */
  admit(applicant: Applicant): Limit | undefined {
    if (this.#all >= this.#limits.all) return "all";
    const counted = this.#counted(applicant);
    for (const [kind, name] of counted) {
      if ((this.#counts.get(name) ?? 0) >= this.#limits[kind]) return kind;
    }
    this.#all++;
    for (const [, name] of counted) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    return undefined;
  }

  /** Gives a place back; to be called once for each applicant that was admitted. */
  leave(applicant: Applicant): void {
    this.#all--;
    for (const [, name] of this.#counted(applicant)) {
      const left = (this.#counts.get(name) ?? 1) - 1;
      if (left > 0) this.#counts.set(name, left);
      else this.#counts.delete(name);
    }
  }

  /** The limits that the applicant counts against, each with the name that it is counted by. */
  #counted({ tenant, job, key }: Applicant): (readonly ["tenant" | "job" | "key", string])[] {
    const names = { tenant, job: job && keyText(job), key };
    return (["tenant", "job", "key"] as const)
      .filter((kind) => names[kind] !== undefined && this.#limits[kind] < Infinity)
      .map((kind) => [kind, `${kind} ${names[kind]}`]);
  }
}
