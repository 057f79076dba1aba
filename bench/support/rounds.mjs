// Rounds of several servers, one after another, so that a slow minute of the machine meets all alike.
import { connectClient, LOAD_UNITS, loadNotes, OTHERS_MAX } from "./load_client.mjs";
import { figures } from "./figures.mjs";
import { SERVERS } from "./servers.mjs";

/** A round that other programs disturbed is repeated at most so often in all. */
const TRIES = 3;

/**
 * Measures servers, each round with a server and a client of its own, and reports a row for each
 * server and setting.
 * @param {{
 *   section: string, rounds: number, viewers: number,
 *   names: (string | {
 *     name: string, start?: () => Promise<object>, setting?: Record<string, string | number>,
 *     viewers?: number, steps?: object[],
 *   })[],
 *   start?: object, setting: Record<string, string | number>,
 *   steps: { setting: Record<string, number>, run(client: object): Promise<object> }[],
 *   units?: Record<string, string>, report: object,
 * }} plan `names` of SERVERS, some perhaps twice: started otherwise, with other viewers or some of
 *   the steps alone, and named by what is added to the setting; `start` is given to each server;
 *   the steps of a round follow each other on the same connections
 * @returns {Promise<object[]>} the rows
 */
export async function measureServers(plan) {
  const { section, rounds, viewers, steps, report, units = LOAD_UNITS } = plan;
  const tries = rounds > 1 ? TRIES : 1;
  const servers = plan.names.map((each) => ({
    viewers,
    steps,
    ...(typeof each === "string" ? { name: each } : each),
  }));
  const told = servers.map(({ steps }) => new Map(steps.map((step) => [step, []])));
  for (let round = 0; round < rounds; round++) {
    for (const [n, { name, start, viewers, steps }] of servers.entries()) {
      const server = await SERVERS[name].start({ ...plan.start, ...await start?.() });
      const client = await connectClient(server, viewers);
      for (const step of steps) {
        told[n].get(step).push(await undisturbed(() => step.run(client), tries));
      }
      await client.stop();
      await server.stop();
    }
  }
  const rows = steps.flatMap((step) =>
    servers.flatMap(({ name, setting }, n) => {
      const measured = told[n].get(step);
      return measured === undefined ? [] : [{
        section,
        server: SERVERS[name].name,
        setting: { ...plan.setting, ...setting, ...step.setting },
        figures: figures(measured, units),
        ...loadNotes(measured),
      }];
    })
  );
  rows.forEach((row) => report.row(row));
  return rows;
}

/** The first round that is not disturbed, or the one that is least so. */
async function undisturbed(run, tries) {
  let best = await run();
  for (let n = 1; n < tries && best.others > OTHERS_MAX; n++) {
    const again = await run();
    if (again.others < best.others) best = again;
  }
  return best;
}
