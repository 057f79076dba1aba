/** fast-check, from the packages that only the tests have, and of it what is used here. */
import { createRequire } from "node:module";

/** How values of a kind are made, and made smaller when one of them fails. */
export interface Arbitrary<Value> {
  map<Other>(change: (value: Value) => Other): Arbitrary<Other>;
}

type Values<Model> = { [Name in keyof Model]: Model[Name] extends Arbitrary<infer V> ? V : never };

interface FastCheck {
  /** @throws what the property threw first, with the smallest value that makes it throw */
  assert(property: unknown, options: { readonly seed: number; readonly numRuns: number }): void;
  property<Value>(of: Arbitrary<Value>, holds: (value: Value) => void): unknown;
  sample<Value>(
    of: Arbitrary<Value>,
    options: { readonly seed: number; readonly numRuns: number },
  ): Value[];
  array<Value>(
    of: Arbitrary<Value>,
    size: { readonly minLength?: number; readonly maxLength: number },
  ): Arbitrary<Value[]>;
  oneof<Value>(...kinds: readonly Arbitrary<Value>[]): Arbitrary<Value>;
  constantFrom<Value>(...values: readonly Value[]): Arbitrary<Value>;
  integer(range: { readonly min: number; readonly max: number }): Arbitrary<number>;
  double(): Arbitrary<number>;
  record<Model extends object, Required extends keyof Model>(
    model: Model,
    options: { readonly requiredKeys: readonly Required[] },
  ): Arbitrary<Pick<Values<Model>, Required> & Partial<Values<Model>>>;
}

export const fc: FastCheck = createRequire(import.meta.url)("fast-check");
