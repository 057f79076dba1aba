import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, packed, unpacked } from "../../../src/jobs/notify/message.ts";
import { requestFor } from "../../../src/jobs/notify/request.ts";
import { textOf, titleOf } from "../../../src/jobs/notify/words.ts";
import { targetsOf } from "../../support/notify_bench.ts";

const MESSAGE: Message = {
  kind: "failed",
  atMs: 1_000,
  tenant: "default",
  sync: { id: "123e4567-e89b-42d3-a456-426614174000", name: "docs" },
  job: {
    id: "770e8400-e29b-41d4-a716-446655440002",
    meta: { run: 7 },
    entities_encountered: { txt: 3 },
    error: { code: "lost", message: "gone" },
  },
  detail: "",
};

test("packed() keeps all of a message, and what unpacked() reads is the same", () => {
  assert.deepEqual(unpacked(packed(MESSAGE)), MESSAGE);
  assert.deepEqual(unpacked(packed({ ...MESSAGE, job: null })), { ...MESSAGE, job: null });
});

test("packed() of a very long message leaves out what its worker attached, and cuts its error", () => {
  const long = "x".repeat(70_000);
  const error = { code: "lost", message: long };

  const attached = unpacked(packed({ ...MESSAGE, job: { ...MESSAGE.job, meta: { long } } }));
  const failed = unpacked(packed({ ...MESSAGE, job: { ...MESSAGE.job, error } }));

  const without = { meta: {}, entities_encountered: {} };
  assert.deepEqual(attached, { ...MESSAGE, job: { ...MESSAGE.job, ...without } });
  const short = { code: "lost", message: long.slice(0, 4_096) };
  assert.deepEqual(failed.job, { ...MESSAGE.job, ...without, error: short });
});

test("textOf() keeps the lines of a reason apart", () => {
  const error = { code: "UniqueViolation", message: "duplicate key\nDETAIL:\tid 7\rdone\r\n\n" };

  const text = textOf({ ...MESSAGE, job: { ...MESSAGE.job, error } }, 1_000);

  assert.equal(text, "UniqueViolation: duplicate key\nDETAIL: id 7\ndone");
});

test("textOf() says what is counted and how long it took, and no more", () => {
  const times = { started_at: "2026-11-25T10:00:00.000Z", ended_at: "2026-11-25T10:01:30.400Z" };
  const text = (job: object) => textOf({ ...MESSAGE, kind: "completed", job: { ...job } }, 1_000);

  assert.equal(
    text({ ...times, entities_inserted: 12, warnings: 1 }),
    "12 inserted, 1 warning in 90 s",
  );
  assert.equal(text({ entities_inserted: 12 }), "12 inserted");
  assert.equal(text(times), "took 90 s");
  assert.equal(text({}), "");
});

test("textOf() of a job that the server was told of late says when it began", () => {
  const at = "2026-11-25T10:00:00.000Z";
  const text = (began: unknown) =>
    textOf({
      ...MESSAGE,
      kind: "completed",
      job: { started_at: at, ended_at: at, entities_kept: 3, meta: { started_at: began } },
    }, 1_000);

  assert.equal(text("2026-11-25T02:00:00.000Z"), "3 kept\nit began at 2026-11-25T02:00:00.000Z");
  const others = [
    "2026-11-25T09:59:00.001Z",
    "2026-99-99T99:99:99.999Z",
    "2026-11-24",
    "yesterday",
    7,
  ];
  for (const other of [...others, null]) assert.equal(text(other), "3 kept in 0 s");
});

test("textOf() of a lost job says when it began: how long it took nobody knows", () => {
  const error = { code: "worker_lost", message: "The server was killed while it ran this job." };
  const times = { started_at: "2026-11-25T02:00:00.000Z", ended_at: "2026-11-25T09:00:00.000Z" };

  assert.equal(
    textOf({ ...MESSAGE, job: { ...times, entities_inserted: 12, error } }, 1_000),
    "worker_lost: The server was killed while it ran this job.\n12 inserted\n" +
      "it began at 2026-11-25T02:00:00.000Z",
  );
});

test("textOf() of a start says nothing of an end that came before it was told", () => {
  const times = { started_at: "2026-11-25T10:00:00.000Z", ended_at: "2026-11-25T10:00:00.000Z" };
  const job = { ...MESSAGE.job, ...times, entities_inserted: 12 };

  assert.equal(textOf({ ...MESSAGE, kind: "started", job }, 1_000), "");
  assert.equal(textOf({ ...MESSAGE, job }, 1_000), "lost: gone\n12 inserted in 0 s");
});

test("textOf() says of what comes late when it happened, however long the reason is", () => {
  const error = { code: "lost", message: "x".repeat(2_000) };
  const message = { ...MESSAGE, job: { ...MESSAGE.job, error } };
  const [first, second] = textOf(message, 61_000).split("\n");

  assert.equal(first, "this was at 1970-01-01T00:00:01.000Z");
  assert.match(second, /^lost: x/);
  for (const nowMs of [60_999, 1_000, 0]) assert.match(textOf(message, nowMs), /^lost: x/);
});

test("titleOf() says what has happened of a job with the longest name, too", () => {
  const job = { ...MESSAGE.job, name: "x".repeat(200) };

  const title = titleOf({ ...MESSAGE, kind: "warning", sync: null, job });

  assert.equal(
    title,
    `${"x".repeat(199 - " completed with warnings".length)}… completed with warnings`,
  );
});

for (const before of ["", "x"]) {
  test(`what is cut of a message ends with a whole character, behind "${before}" too`, () => {
    const [target] = targetsOf([{ name: "a", type: "discord", url: "https://x.test/a" }]);
    const faces = before + "😀".repeat(40_000);
    const told = (words: string): Message => ({
      ...MESSAGE,
      sync: { id: "1", name: words },
      job: { ...MESSAGE.job, error: { code: "lost", message: words } },
    });
    const marked = told(`${before}${"*".repeat(800)}${faces}`);

    const stored = packed(told(faces));
    const long = [titleOf(told(faces)), textOf(told(faces), 1_000)];
    const request = requestFor(target, { id: "m", message: marked, link: undefined, nowMs: 0 });

    const { message } = unpacked(stored).job?.error as { message: string };
    const { content } = JSON.parse(request.body);
    for (const text of [...long, message, content]) {
      assert.ok(text.length < 5_000 && text.isWellFormed());
    }
  });
}

test("a long message has as many characters as its readers take", () => {
  const [target] = targetsOf([{ name: "a", type: "discord", url: "https://x.test/a" }]);
  const error = { code: "lost", message: "*".repeat(5_000) };
  const message = { ...MESSAGE, job: { ...MESSAGE.job, error } };

  const { body } = requestFor(target, { id: "m", message, link: undefined, nowMs: 0 });

  assert.equal(textOf(message, 1_000).length, 1_000);
  assert.equal(JSON.parse(body).content.length, 2_000);
});
