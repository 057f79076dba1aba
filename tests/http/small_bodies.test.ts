import assert from "node:assert/strict";
import { test } from "node:test";
import { SmallBodies } from "../../src/http/small_bodies.ts";
import { Problem } from "../../src/http/problem.ts";
import { FakeClock } from "../support/fake_clock.ts";

const NEVER = new Promise<ArrayBuffer>(() => {});

function bench() {
  const clock = new FakeClock();
  const small = new SmallBodies({ clock, idleMs: 1_000 });
  const read = (body: Promise<ArrayBuffer>, length: string | null = "5") => {
    const headers = new Headers(length === null ? {} : { "Content-Length": length });
    return small.read({ headers, arrayBuffer: () => body } as unknown as Request); // all it looks at
  };
  return { clock, read };
}

test("SmallBodies reads what says that it is short, and leaves all else alone", async () => {
  const { read } = bench();

  const short = await read(Promise.resolve(new Uint8Array([1, 2]).buffer), "65536");
  const long = read(NEVER, "65537");
  const unknown = read(NEVER, null);

  assert.deepEqual([short, long, unknown], [new Uint8Array([1, 2]), undefined, undefined]);
});

test("SmallBodies gives each body its time, whatever came before it", async () => {
  const { clock, read } = bench();
  const late: string[] = [];
  const stands = (name: string) =>
    read(NEVER)?.catch(({ code }: Problem) => late.push(`${name}: ${code}`));
  const after = async (ms: number) => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return [...late];
  };
  await read(Promise.resolve(new ArrayBuffer(5)));
  await after(1_000);

  stands("first");
  await after(600);
  stands("second");
  await read(Promise.resolve(new ArrayBuffer(5)));
  const told = [await after(399), await after(1), await after(599), await after(1)];

  const [one, two] = ["first: body-timeout", "second: body-timeout"];
  assert.deepEqual(told, [[], [one], [one], [one, two]]);
  assert.equal(clock.waiting, 0);
});

test("SmallBodies says that a body was cut off when its sender goes away", async () => {
  const { clock, read } = bench();

  await assert.rejects(
    read(Promise.reject(new Error("The connection was reset"))) ?? NEVER,
    (error) => error instanceof Problem && error.code === "invalid-request",
  );
  clock.advance(1_000);

  assert.equal(clock.waiting, 0);
});
