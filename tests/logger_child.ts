/** Says some lines right away, some later, and ends; see logger.test.ts. */
import process from "node:process";
import { loggerOf, logTold, logToStderr, type ServerLogLevel } from "../src/logger.ts";

const [least] = process.argv.slice(2);
const logger = loggerOf("test");
if (least !== "none") logToStderr(least as ServerLogLevel);
logger.debug("early 0");
logger.info("early {n}", { n: 1 });
logger.warning("early {n}", { n: 2 });
logger.error("early {n}", { n: 3 });
await logTold();
if (logger.isEnabledFor("info")) logger.info("late {n}", { n: 1 });
logger.error("late {n}", { n: 2 });
logger.error("{what} of {name}: {n} left, {more}", {
  what: "some",
  name: 'a "b"',
  n: 2,
  more: [1],
});
logger.error("fault: {error}", { error: new RangeError("too far") });
await logTold();
process.exit();
