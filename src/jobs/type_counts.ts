/** Counts by entity type while events are counted: cheap for a thousand types and many events. */

type Counts = Readonly<Record<string, number>>;

/** Characters that a type's count takes beside its name. */
const PER_TYPE = 10;

/** Changes the object in place while nobody else holds it, else a copy. */
export class TypeCounts {
  #counts: Record<string, number>;
  /** How many others hold the present object. */
  #holders = 1;
  #size: number | undefined;
  #length = 0;

  /** @param counts are not changed */
  constructor(counts: Counts) {
    this.#counts = counts;
  }

  of(type: string): number {
    return Object.hasOwn(this.#counts, type) ? this.#counts[type] : 0;
  }

  set(type: string, count: number): void {
    if (this.#holders > 0) {
      this.#counts = { ...this.#counts };
      this.#holders = 0;
    }
    if (this.#size !== undefined && !Object.hasOwn(this.#counts, type)) this.#add(type);
    this.#counts[type] = count;
  }

  /** How many types there are. */
  get size(): number {
    this.#measure();
    return this.#size ?? 0;
  }

  /** Characters that all counts take, about. */
  get length(): number {
    this.#measure();
    return this.#length;
  }

  /** All counts, for the caller to hold: they are not changed after that. */
  share(): Counts {
    this.#holders++;
    return this.#counts;
  }

  /** Takes back the last `share`, before any change: its caller holds the counts no more. */
  release(): void {
    this.#holders--;
  }

  #measure(): void {
    if (this.#size !== undefined) return;
    this.#size = 0;
    for (const type in this.#counts) this.#add(type);
  }

  #add(type: string): void {
    this.#size = (this.#size ?? 0) + 1;
    this.#length += type.length + PER_TYPE;
  }
}
