/** Tells a server of a job, and says whether that has arrived. */
import process from "node:process";
import { openJob } from "../../src/client/producer.ts";

const [server, key] = process.argv.slice(2);
const job = openJob({ server, key, onFault: (message) => console.error(message) });
job.inserted();
console.log(await job.end());
