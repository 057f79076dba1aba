/** Converts the targets of a configuration file. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { whyUnreadable } from "../../reason.ts";
import type { ConfigIssue } from "../sync_config.ts";
import { isJsonBody, isJsonOnceFilled, unknownNamesIn } from "./placeholders.ts";
import type { Target } from "./target.ts";
import { occurrencesOf, type WrittenTarget } from "./target_schema.ts";

/** Bytes of a signing key, at least and at most. */
const KEY_BYTES = { min: 24, max: 64 };
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** Headers that the connection itself sets. */
const OWN_HEADERS = ["host", "content-length", "connection", "transfer-encoding"];

/** Where values are found that are not in the file itself. */
export interface Outside {
  /** What relative paths start from. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Converts targets: reads their secrets and URLs, and reports all faults. */
export function configuredTargets(
  targets: readonly WrittenTarget[],
  outside: Outside,
): { readonly targets: readonly Target[]; readonly issues: readonly ConfigIssue[] } {
  const issues: ConfigIssue[] = [];
  const names = new Set<string>();
  const made = targets.flatMap((written, index) => {
    const issue: Refuse = (field, given, reason, open) => {
      issues.push({ path: ["notify", index, ...field], given, reason, open });
      return undefined;
    };
    if (names.has(written.name)) {
      issue(["name"], written.name, "expected another name than those before");
    }
    names.add(written.name);
    return targetOf(written, outside, issue) ?? [];
  });
  return { targets: made, issues };
}

/** Reports a fault. @param open whether `given` may be shown */
type Refuse = (
  field: readonly PropertyKey[],
  given: unknown,
  reason: string,
  open?: boolean,
) => undefined;

/** Names that an error may show: plainly a variable's or a file's, not a misplaced secret. */
const PLAIN_VARIABLE = /^[A-Z][A-Z0-9]{0,11}(_[A-Z0-9]{1,16})*$/;
const PLAIN_PATH = /^\.{0,2}\//;

function targetOf(written: WrittenTarget, outside: Outside, refuse: Refuse): Target | undefined {
  const place = placeOf(written, outside, refuse);
  const secret = valueOf(written, "secret", outside, refuse);
  if (place === undefined || secret === undefined) return undefined;
  const { name, type, syncs, tenant } = written;
  const on = occurrencesOf(written);
  const common = { name, on, syncs, tenant, ...place };
  switch (type) {
    case "webhook": {
      const key = keyFrom(secret);
      const form = `expected whsec_ and base64 of ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes`;
      return key ? { ...common, type, key } : refuse(["secret"], secret, form);
    }
    case "ntfy":
      if (!/^[\x21-\x7e]*$/.test(secret)) {
        return refuse(["secret"], secret, "expected an access token");
      }
      return { ...common, type, ...(secret !== "" && { authorization: `Bearer ${secret}` }) };
    case "healthchecks":
    case "slack":
    case "discord":
      return { ...common, type };
    case "template": {
      const { method, headers, body } = written;
      return soundTemplate(written, refuse)
        ? { ...common, type, method, headers, body, secret }
        : undefined;
    }
    default:
      return written satisfies never;
  }
}

/**
 * The URL, and the header Authorization from its user and password, which fetch refuses in URLs.
 */
function placeOf(written: WrittenTarget, outside: Outside, refuse: Refuse) {
  const text = valueOf(written, "url", outside, refuse);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    return refuse(["url"], text, "expected a URL, http:// or https://");
  }
  if (written.type === "ntfy" && !/^\/[A-Za-z0-9_-]{1,64}$/.test(url.pathname)) {
    return refuse(["url"], text, "expected a server and a topic, https://ntfy.sh/topic");
  }
  const { username, password } = url;
  const pair = Buffer.from(`${plain(username)}:${plain(password)}`);
  url.username = "";
  url.password = "";
  url.hash = "";
  const basic = `Basic ${pair.toString("base64")}`;
  return { url: url.href, authorization: username === "" ? undefined : basic };
}

/** A part of a URL, decoded; unchanged when it is not well encoded. */
function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * The value from the configuration, from a file or from the environment. "" for a secret that is
 * left out where it may be; undefined when refused.
 */
function valueOf(
  written: WrittenTarget,
  field: "url" | "secret",
  { directory, env }: Outside,
  refuse: Refuse,
): string | undefined {
  const given: Readonly<Record<string, unknown>> = { ...written };
  const [plain, path, name] = [field, `${field}_file`, `${field}_env`].map((key) => given[key]);
  const count = [plain, path, name].filter((value) => value !== undefined).length;
  if (count > 1) {
    return refuse([field], plain, `expected one of ${field}, ${field}_file and ${field}_env`);
  }
  if (typeof plain === "string") return plain;
  if (typeof name === "string") {
    const reason = env[name] === "" ? "it is empty" : "there is no such environment variable";
    return env[name] || refuse([`${field}_env`], name, reason, PLAIN_VARIABLE.test(name));
  }
  if (typeof path === "string") {
    const open = PLAIN_PATH.test(path);
    const wrong = (reason: string) => refuse([`${field}_file`], path, reason, open);
    try {
      return readFileSync(resolve(directory, path), "utf8").trim() || wrong("it is empty");
    } catch (cause) {
      return wrong(open ? whyUnreadable(cause) : "the file cannot be read");
    }
  }
  if (field === "secret" && written.type !== "webhook") return "";
  return refuse([field], undefined, `expected ${field}, ${field}_file or ${field}_env`);
}

/** The bytes of a secret in the form of Standard Webhooks; undefined when it has another form. */
function keyFrom(secret: string): Uint8Array | undefined {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  if (base64 === undefined) return undefined;
  const key = new Uint8Array(Buffer.from(base64, "base64"));
  return key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max ? key : undefined;
}

function soundTemplate(
  { headers, body }: Extract<WrittenTarget, { type: "template" }>,
  refuse: Refuse,
): boolean {
  const counted = refusals(refuse);
  for (const [name, value] of Object.entries(headers)) {
    const sound = HEADER.test(name) && !OWN_HEADERS.includes(name.toLowerCase());
    if (!sound) counted.refuse(["headers", name], value, "expected a header that may be set");
    else if (/[^\x20-\x7e]/.test(value)) {
      counted.refuse(["headers", name], value, "expected one line of printable ASCII");
    }
    for (const unknown of unknownNamesIn(value)) {
      counted.refuse(["headers", name], value, `there is no placeholder {{${unknown}}}`);
    }
  }
  for (const unknown of unknownNamesIn(body)) {
    counted.refuse(["body"], body, `there is no placeholder {{${unknown}}}`);
  }
  if (isJsonBody(headers) && !isJsonOnceFilled(body)) {
    counted.refuse(["body"], body, "expected JSON once the placeholders are filled in");
  }
  return counted.count === 0;
}

/** Counts the reported faults. */
function refusals(refuse: Refuse) {
  const counted = {
    count: 0,
    refuse: (...given: Parameters<Refuse>) => {
      counted.count++;
      return refuse(...given);
    },
  };
  return counted;
}
