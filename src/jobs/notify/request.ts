/** Makes the request of a message to a target. */
import { nodeCrypto } from "../../system/node.ts";
import type { Message, MessageKind } from "./message.ts";
import { filled, filledJson, isJsonBody } from "./placeholders.ts";
import type { Target, TemplateTarget, WebhookTarget } from "./target.ts";
import { textOf, titleOf } from "./words.ts";
import { cut } from "../../sync/cut.ts";
import { isoTime } from "../../sync/iso_time.ts";

/** A message on its way to a target. */
export interface Delivery {
  /** The same for all tries. */
  readonly id: string;
  readonly message: Message;
  /** The URL of the page of the job, else of the sync; undefined without one. */
  readonly link: string | undefined;
  /** The moment of this try, in milliseconds since 1970. */
  readonly nowMs: number;
}

export interface TargetRequest {
  readonly url: string;
  readonly method: string;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** A ping: an answer of 200 does not yet mean that it was taken. */
  readonly ping?: true;
}

const JSON_TYPE = { "content-type": "application/json" };
const TEXT_TYPE = { "content-type": "text/plain; charset=utf-8" };

/** The request to send now. */
export function requestFor(target: Target, delivery: Delivery): TargetRequest {
  const request = plainRequest(target, delivery);
  const { authorization } = target;
  const headers = {
    "user-agent": "synctail",
    ...(authorization !== undefined && { authorization }),
    ...request.headers,
  };
  return { ...request, headers };
}

function plainRequest(target: Target, delivery: Delivery): TargetRequest {
  const { url } = target;
  const post = (body: unknown) => ({
    url,
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify(body),
  });
  switch (target.type) {
    case "webhook":
      return webhookRequest(target, delivery);
    case "ntfy":
      return { ...post(ntfyBody(url, delivery)), url: new URL(".", url).href };
    case "healthchecks":
      return pingRequest(url, delivery);
    case "slack":
      return post({ text: slackText(delivery) });
    case "discord":
      // A job's own words must not mention anybody.
      return post({ content: discordText(delivery), allowed_mentions: { parse: [] } });
    case "template":
      return templateRequest(target, delivery);
    default:
      return target satisfies never;
  }
}

/** @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
function webhookRequest({ url, key }: WebhookTarget, delivery: Delivery): TargetRequest {
  const { id, message, link, nowMs } = delivery;
  const { kind, atMs, tenant, sync, job, detail } = message;
  const body = JSON.stringify({
    type: job ? `sync.job.${kind}` : `sync.${kind}`,
    timestamp: isoTime(atMs),
    data: job ?? { sync_id: sync?.id ?? null, sync: sync?.name ?? null },
    tenant,
    ...(detail !== "" && { detail }),
    ...(link !== undefined && { link }),
  });
  const timestamp = `${Math.floor(nowMs / 1000)}`;
  const signed = nodeCrypto().createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest(
    "base64",
  );
  const headers = {
    ...JSON_TYPE,
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signed}`,
  };
  return { url, method: "POST", headers, body };
}

/** Priority (3 is the default) and a tag, which ntfy shows as a picture. */
const NTFY: Readonly<Record<MessageKind, readonly [priority: number, tag: string]>> = {
  started: [2, "arrow_forward"],
  completed: [2, "white_check_mark"],
  warning: [3, "warning"],
  failed: [4, "x"],
  cancelled: [3, "no_entry_sign"],
  stalled: [4, "hourglass"],
  overdue: [4, "alarm_clock"],
  recovered: [3, "white_check_mark"],
  test: [3, "test_tube"],
};

/** The body, posted to the server's root: unlike a header, JSON takes any character in a title. */
function ntfyBody(url: string, { message, link, nowMs }: Delivery) {
  const [priority, tag] = NTFY[message.kind];
  return {
    topic: decodeURIComponent(new URL(url).pathname.split("/").at(-1) ?? ""),
    title: titleOf(message),
    message: textOf(message, nowMs) || titleOf(message), // ntfy shows "triggered" for none
    priority,
    tags: [tag, message.kind],
    ...(link !== undefined && { click: link }),
  };
}

/** The path behind the check's URL for each kind; `/log` does not change the check's state. */
const PINGS: Readonly<Record<MessageKind, string>> = {
  started: "/start",
  completed: "",
  warning: "",
  recovered: "",
  failed: "/fail",
  stalled: "/fail",
  overdue: "/fail",
  cancelled: "/log",
  test: "/log",
};

/** The path for a message: a job that has recovered and still runs is not a success yet. */
function pingOf({ kind, job }: Message): string {
  const early = kind === "recovered" && job !== null && job.status !== "completed";
  return early ? "/log" : PINGS[kind];
}

/** @see https://healthchecks.io/docs/http_api/ */
function pingRequest(url: string, { message, nowMs }: Delivery): TargetRequest {
  const ping = new URL(url);
  ping.pathname = ping.pathname.replace(/\/+$/, "") + pingOf(message);
  // Marks the start and end of one run, even when several overlap.
  if (message.job) ping.searchParams.set("rid", String(message.job.id));
  const body = [titleOf(message), textOf(message, nowMs)].filter((line) => line !== "").join("\n");
  return { url: ping.href, method: "POST", headers: TEXT_TYPE, body, ping: true };
}

/** @see https://docs.slack.dev/messaging/formatting-message-text */
function slackText({ message, link, nowMs }: Delivery): string {
  const escaped = (text: string) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const title = escaped(titleOf(message));
  const head = link === undefined ? `*${title}*` : `*<${link}|${title}>*`;
  return [head, escaped(textOf(message, nowMs))].filter((line) => line !== "").join("\n");
}

function discordText({ message, link, nowMs }: Delivery): string {
  const escaped = (text: string) => text.replace(/[\\*_~`|>[\]()#<]/g, "\\$&");
  const lines = [`**${escaped(titleOf(message))}**`, link ?? "", escaped(textOf(message, nowMs))];
  return cut(lines.filter((line) => line !== "").join("\n"), DISCORD_MAX);
}

/** How many characters Discord takes. */
const DISCORD_MAX = 2_000;

function templateRequest(target: TemplateTarget, delivery: Delivery): TargetRequest {
  const { url, method, headers, secret } = target;
  const values = { ...delivery, secret };
  const sent = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    filled(value, values, (text) => text.replace(/[^\x20-\x7e]/g, "?")), // all that a header may hold
  ]);
  const body = isJsonBody(headers)
    ? filledJson(target.body, values)
    : filled(target.body, values, (text) => JSON.stringify(text).slice(1, -1));
  return { url, method, headers: { ...JSON_TYPE, ...Object.fromEntries(sent) }, body };
}
