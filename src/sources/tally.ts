/** Counts what happens to the files of a run. */

/** Most entity types that are counted one by one; further ones are counted as OTHER. */
const TYPES_MAX = 200;
const OTHER = "other";

/** Running totals, with the bytes of all files dealt with. */
export class Tally {
  deleted = 0;
  #inserted = 0;
  #updated = 0;
  #kept = 0;
  #skipped = 0;
  #bytes = 0;
  readonly #encountered = new Map<string, number>();

  get done(): number {
    return this.#inserted + this.#updated + this.#kept + this.#skipped;
  }

  get bytes(): number {
    return this.#bytes;
  }

  insert(type: string, bytes: number): void {
    this.#inserted++;
    this.#meet(type, bytes);
  }

  update(type: string, bytes: number): void {
    this.#updated++;
    this.#meet(type, bytes);
  }

  keep(type: string, bytes: number): void {
    this.#kept++;
    this.#meet(type, bytes);
  }

  skip(type: string): void {
    this.#skipped++;
    this.#meet(type, 0);
  }

  totals() {
    return {
      inserted: this.#inserted,
      updated: this.#updated,
      deleted: this.deleted,
      kept: this.#kept,
      skipped: this.#skipped,
      encountered: Object.fromEntries(this.#encountered),
      bytesDone: this.#bytes,
    };
  }

  #meet(type: string, bytes: number): void {
    this.#bytes += bytes;
    const room = this.#encountered.has(type) || this.#encountered.size < TYPES_MAX;
    const name = room ? type : OTHER;
    this.#encountered.set(name, (this.#encountered.get(name) ?? 0) + 1);
  }
}

/** A file's type: its extension in lower case, `none` without one. */
export function entityType(key: string): string {
  const dot = key.lastIndexOf(".");
  const extension = dot > key.lastIndexOf("/") + 1 && dot < key.length - 1;
  return extension ? key.slice(dot + 1).toLowerCase() : "none";
}
