/** How many viewers there may be: in all, and of one tenant, job or key. */

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

/** Who wants to watch. Texts that name tenant, job and key; undefined where there is none. */
export interface Applicant {
  readonly tenant: string;
  readonly job: string | undefined;
  readonly key: string | undefined;
}

/** Which limit is reached. */
export type Limit = keyof ViewerLimits;

export class Admission {
  readonly #limits: ViewerLimits;
  readonly #counts = new Map<string, number>();
  #all = 0;

  constructor(limits: ViewerLimits) {
    this.#limits = limits;
  }

  /** A place, which the answer gives back; or the limit that is reached. */
  admit(applicant: Applicant): (() => void) | Limit {
    if (this.#all >= this.#limits.all) return "all";
    const names: string[] = [];
    for (const kind of ["tenant", "job", "key"] as const) {
      const whose = applicant[kind];
      if (whose === undefined || this.#limits[kind] === Infinity) continue;
      const name = `${kind} ${whose}`;
      if ((this.#counts.get(name) ?? 0) >= this.#limits[kind]) return kind;
      names.push(name);
    }
    this.#all++;
    for (const name of names) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    let given = true;
    return () => {
      if (!given) return;
      given = false;
      this.#all--;
      for (const name of names) {
        const left = (this.#counts.get(name) ?? 1) - 1;
        if (left > 0) this.#counts.set(name, left);
        else this.#counts.delete(name);
      }
    };
  }
}
