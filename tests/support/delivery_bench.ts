/** A queue of notifications, alone or with a receiver that answers as a test says. */
import { DeliveryStore } from "../../src/jobs/notify/delivery_store.ts";
import type { Message, MessageKind } from "../../src/jobs/notify/message.ts";
import { newJobId } from "../../src/sync/ids.ts";
import { FakeClock } from "./fake_clock.ts";
import { TENANT } from "./log_contract.ts";
import { notifyBench, targetsOf } from "./notify_bench.ts";
import type { Cleanup } from "./program.ts";
import { receiver } from "./receiver.ts";
import { tempDirectory } from "./temp.ts";

export const FAILED = { status: "failed", error: { code: "lost", message: "gone" } } as const;

export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** A receiver that answers with these statuses, then with 200, and one target. */
export async function bench(t: Cleanup, statuses: readonly number[] = [], form: object = {}) {
  const to = await receiver(t);
  const left = [...statuses];
  to.answer = (_, response) => {
    response.statusCode = left.shift() ?? 200;
    response.end();
  };
  const targets = [{
    name: "ops",
    type: "webhook",
    secret: SECRET,
    url: `${to.url}/hook`,
    ...form,
  }];
  return { to, targets, ...notifyBench(t, targets) };
}

/** A store with targets of those names, and messages for them. */
export function storeBench(t: Cleanup, names: readonly string[] = ["ops"]) {
  const { path, remove } = tempDirectory();
  const clock = new FakeClock();
  const file = `${path}/notify.db`;
  const store = new DeliveryStore(file, clock, "normal");
  t.after(() => {
    store.close();
    remove();
  });
  const targets = targetsOf(
    names.map((name) => ({ name, type: "slack", url: "http://127.0.0.1:1" })),
  );
  store.setTargets(targets);
  let told = 0;
  const tell = (kind: MessageKind, id = newJobId(), tenant = TENANT, sync?: string) => {
    const occasion = { kind, tenant, subject: id, occasion: told++ };
    const message: Message = {
      kind,
      atMs: clock.now(),
      tenant,
      sync: sync === undefined ? null : { id: sync, name: sync },
      job: { id },
      detail: "",
    };
    return { id, givenUp: store.add(occasion, message, targets) };
  };
  return { clock, store, add: () => tell("failed"), tell, path: file };
}
