// The product beside what does the same job: all sections, or those that are named.
// Usage: node bench/run.mjs [quick] [--write] [SECTION...]; DENO and BUN name the runtimes' binaries.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { prepare } from "./support/prepare.mjs";
import { machine, versions } from "./support/machine.mjs";
import { fanOutPlot } from "./support/fan_out_plot.mjs";
import { Report } from "./support/report.mjs";

const SECTIONS = [
  "fan_out",
  "latency",
  "memory",
  "many_jobs",
  "ingest",
  "replay",
  "start",
  "directory",
];

const words = process.argv.slice(2);
const quick = words.includes("quick");
const write = !quick || words.includes("--write");
const named = words.filter((word) => word !== "quick" && word !== "--write");
const unknown = named.find((name) => !SECTIONS.includes(name));
if (unknown !== undefined) {
  console.error(`There is no section "${unknown}". There are: ${SECTIONS.join(", ")}`);
  process.exit(2);
}

await prepare();
const report = new Report();
const mode = quick ? "quick" : "full";
const facts = { machine: machine(), versions: await versions() };
const RESULTS = new URL("results.json", import.meta.url);
const sections = measuredBefore();
console.log(Object.values(facts.machine).join(", "), "load", loadavg()[0].toFixed(2));
console.log(
  Object.entries(facts.versions).map(([name, version]) => `${name} ${version}`).join(", "),
);
for (const name of named.length > 0 ? SECTIONS.filter((one) => named.includes(one)) : SECTIONS) {
  const section = await import(`./sections/${name}.mjs`);
  report.section(section.title);
  const date = new Date().toISOString();
  const before = loadavg();
  const from = performance.now();
  const rows = await section.measure({
    quick,
    rounds: quick ? 1 : 5,
    seconds: quick ? 0.7 : 5,
    report,
  });
  const targets = section.targets(rows);
  report.judge(targets);
  report.note(`took ${((performance.now() - from) / 1000).toFixed(0)} s`);
  sections[name] = { date, mode, load: { before, after: loadavg() }, rows, targets };
  if (write) save(); // a run that is stopped keeps what it has measured
}
const missed = report.targets.filter(({ holds }) => !holds).length;
console.log(`\n${report.targets.length - missed} of ${report.targets.length} targets hold`);

/** The file's sections, where they are of this machine and these versions. */
function measuredBefore() {
  if (!existsSync(RESULTS)) return {};
  const { sections, ...about } = JSON.parse(readFileSync(RESULTS, "utf8"));
  return JSON.stringify(about) === JSON.stringify(facts) ? sections : {};
}

function save() {
  writeFileSync(RESULTS, `${JSON.stringify({ ...facts, sections }, null, 2)}\n`);
  if (!sections.fan_out) return;
  const { rows, ...about } = sections.fan_out;
  const plot = fanOutPlot(rows, { ...about, ...facts });
  if (plot) writeFileSync(new URL("fan_out.svg", import.meta.url), plot);
}
