/** Tells a server that takes everything of a job, and never ends it. */
import process from "node:process";
import { openJob } from "../../src/client/producer.ts";

let told = 0;
const job = openJob({
  server: "http://server",
  key: "k",
  fetch: () => {
    told++;
    return Promise.resolve(Response.json({ interval_ms: 250 }));
  },
});
job.inserted();
job.log("info", "x");
process.on("exit", () => console.log(`${told} requests`));
