/** Tells a server that takes everything of a job, and ends that or leaves it. */
import process from "node:process";
import { setTimeout } from "node:timers";
import { openJob } from "../../src/client/producer.ts";

const ends = process.argv[2] === "ended";
let requests = 0;
let told = "";
const job = openJob({
  server: "http://server",
  key: "k",
  fetch: () => {
    requests++;
    const answer = Response.json({ id: "j", interval_ms: 250 });
    if (!ends) return Promise.resolve(answer);
    // The process does not stay for it.
    return new Promise((resolve) => setTimeout(() => resolve(answer), 100).unref());
  },
});
job.inserted();
job.log("info", "x");
process.on("exit", () => console.log(`${requests} requests${told}`));
if (ends) job.end().then((delivered) => told = `, ${delivered}`);
