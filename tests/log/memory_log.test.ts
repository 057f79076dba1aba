import { MemoryLog } from "../support/memory_log.ts";
import { logContract } from "../support/log_contract.ts";

logContract("MemoryLog", (clock) => {
  const log = new MemoryLog(clock);
  return { log, close: () => log.close() };
});
