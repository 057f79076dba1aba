/** The producer that a request names in its headers. */
import type { Context } from "hono";
import type { Stamp } from "../jobs/producers.ts";
import { isLonger } from "../sync/cut.ts";
import { PRODUCER_MAX } from "../sync/event_limits.ts";
import type { HttpEnv } from "./env.ts";
import { invalid } from "./invalid.ts";
import type { Problem } from "./problem.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The producer as the headers name it; undefined when they do not. @throws {Problem} */
export function stampOf(context: Context<HttpEnv>): Stamp | undefined {
  const id = textOf(context.req.header("Producer-Id"));
  const epoch = numberFrom(context, "Producer-Epoch");
  const number = numberFrom(context, "Producer-Seq");
  if (id === undefined) {
    if (epoch === undefined && number === undefined) return undefined;
    throw wrong("Producer-Id", "expected one beside Producer-Epoch and Producer-Seq");
  }
  if (id === "" || isLonger(id, PRODUCER_MAX)) {
    throw wrong("Producer-Id", `expected 1 to ${PRODUCER_MAX} characters`);
  }
  return { id, epoch: epoch ?? 0, number };
}

/** The header as UTF-8: runtimes give each of its bytes as one character. @throws {Problem} */
function textOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    return utf8.decode(Uint8Array.from(value, (byte) => byte.charCodeAt(0)));
  } catch {
    throw wrong("Producer-Id", "expected UTF-8");
  }
}

function numberFrom(context: Context<HttpEnv>, name: string): number | undefined {
  const text = context.req.header(name);
  if (text === undefined) return undefined;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(number)) throw wrong(name, `got "${text}": expected a whole number`);
  return number;
}

function wrong(header: string, detail: string): Problem {
  return invalid([{ header, detail }]);
}
