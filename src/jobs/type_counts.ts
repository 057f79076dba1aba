/** Entities by type while events are counted: there may be a thousand types, and of events any number. */

type Counts = Readonly<Record<string, number>>;

/** What a type's count takes beside its name, in characters. */
const PER_TYPE = 10;

/** Changed in place as long as nobody else holds the object, else copied first. */
export class TypeCounts {
  #counts: Record<string, number>;
  /** How many others hold the present object. */
  #holders = 1;
  #size: number | undefined;
  #length = 0;

  /** @param counts which stay as they are */
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

  /** All counts, for somebody to hold. */
  share(): Counts {
    this.#holders++;
    return this.#counts;
  }

  /** Takes the last `share` back, before any change: nobody holds those counts any more. */
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
