import assert from "node:assert/strict";
import { test } from "node:test";
import { Rates } from "../../src/http/rates.ts";
import type { JobId } from "../../src/sync/ids.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TENANT } from "../support/log_contract.ts";

const jobOf = (id: string) => ({ tenant: TENANT, id: id as JobId });

test("takeRequest() charges what goes on, and nothing that is refused", () => {
  const clock = new FakeClock();
  const rates = new Rates(clock, { jobEvents: 0, tenantEvents: 0, requests: 2 });
  const taken = () => rates.takeRequest("key") === 0;

  const atOnce = [taken(), taken(), taken(), taken()];
  for (let ms = 0; ms < 500; ms += 10) {
    rates.takeRequest("key");
    clock.advance(10);
  }

  assert.deepEqual(atOnce, [true, true, true, false]);
  assert.deepEqual([taken(), taken(), rates.takeRequest("other")], [true, false, 0]);
});

test("refused() says whose limit is reached: the job's, or all of the tenant's", () => {
  const refusal = (limits: { jobEvents: number; tenantEvents: number }, id: string) => {
    const rates = new Rates(new FakeClock(), { ...limits, requests: 0 });
    rates.chargeEvents(jobOf("a"), 300);
    const refused = rates.refused(jobOf(id));
    if (!refused) return undefined;
    const { waitS, problem: { message, headers } } = refused;
    return [message.split(" posted")[0], waitS, headers["Retry-After"]];
  };

  const ofJob = { jobEvents: 100, tenantEvents: 0 };
  const ofTenant = { jobEvents: 0, tenantEvents: 100 };
  assert.deepEqual(refusal(ofJob, "a"), ["This job has", 2, "2"]);
  assert.equal(refusal(ofJob, "b"), undefined);
  assert.deepEqual(refusal(ofTenant, "b"), ["The jobs of this tenant have", 2, "2"]);
});
