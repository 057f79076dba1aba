/** Where the `type` of a problem leads: pages that explain each code, for people and for curl. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { TEXT_PAGE, TEXT_PLACE } from "../page/text_page.ts";
import { CODES_EXTENSION } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { escapeHtml, filled, html } from "./page_answer.ts";
import { pageValues } from "./page_routes.ts";
import { type ProblemCode, PROBLEMS } from "./problem.ts";
import { GUIDES } from "./problem_guide.ts";
import type { Services } from "./services.ts";

/** The part of an OpenAPI document that is read here. */
interface Described {
  readonly paths?: Readonly<Record<string, object>>;
}

/** Part of a page; `code` in backquotes. */
type Part =
  | { readonly kind: "title" | "heading" | "paragraph"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly Item[] };

interface Item {
  readonly text: string;
  readonly link?: string;
}

const HTML = "text/html";
const TEXT = "text/plain";
/** The types that a page comes in; one that asks for any gets the first. */
const TYPES = [TEXT, "text/markdown", HTML];

const CODES = Object.keys(PROBLEMS) as ProblemCode[]; // the object has no other keys

/** @param described the OpenAPI document, for the routes that answer a code; asked for once */
export function addProblemRoutes(
  app: OpenAPIHono<HttpEnv>,
  { origin }: Pick<Services, "origin">,
  described: () => Described,
): void {
  let routes: ReadonlyMap<string, readonly string[]> | undefined;
  const answer = (context: Context<HttpEnv>, title: string, parts: readonly Part[]) => {
    const type = accepts(context, { header: "Accept", supports: TYPES, default: TEXT });
    const headers = { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-cache" };
    if (type !== HTML) return new Response(markdownOf(parts), { headers });
    const page = filled(TEXT_PAGE, { ...pageValues(origin.prefix), title });
    return html(page.replace(TEXT_PLACE, () => htmlOf(parts)));
  };

  app.get("/problems", (context) => answer(context, "Problems", listParts()));
  app.get("/problems/:code", (context) => {
    const code = CODES.find((known) => known === context.req.param("code"));
    if (!code) return context.notFound();
    routes ??= routesByCode(described());
    return answer(context, code, codeParts(code, routes.get(code) ?? []));
  });
}

function listParts(): Part[] {
  return [
    { kind: "title", text: "Problems" },
    {
      kind: "paragraph",
      text: "Errors are answered as `application/problem+json` (RFC 9457). The last part of " +
        "`type` is one of these codes; codes never change their meaning.",
    },
    {
      kind: "list",
      items: CODES.map((code) => {
        const [status, title] = PROBLEMS[code];
        return { text: `\`${code}\` (${status}): ${title}`, link: `problems/${code}` };
      }),
    },
  ];
}

function codeParts(code: ProblemCode, routes: readonly string[]): Part[] {
  const [status, title] = PROBLEMS[code];
  const { meaning, remedy, anywhere } = GUIDES[code];
  const where = [...(anywhere ? [anywhere] : []), ...routes.map((route) => `\`${route}\``)];
  return [
    { kind: "title", text: title },
    { kind: "paragraph", text: `\`${code}\`, HTTP status ${status}` },
    { kind: "heading", text: "What it means" },
    { kind: "paragraph", text: meaning },
    { kind: "heading", text: "What to do" },
    { kind: "paragraph", text: remedy },
    { kind: "heading", text: "Where it is answered" },
    { kind: "list", items: where.map((text) => ({ text })) },
  ];
}

function routesByCode({ paths = {} }: Described): Map<string, string[]> {
  const routes = new Map<string, string[]>();
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(item)) {
      for (const response of Object.values(operation?.responses ?? {})) {
        const { [CODES_EXTENSION]: codes = [] } = response as { [CODES_EXTENSION]?: string[] };
        for (const code of codes) {
          routes.set(code, [...(routes.get(code) ?? []), `${method.toUpperCase()} ${path}`]);
        }
      }
    }
  }
  return routes;
}

function markdownOf(parts: readonly Part[]): string {
  const blocks = parts.map((part) => {
    switch (part.kind) {
      case "title":
        return `# ${part.text}`;
      case "heading":
        return `## ${part.text}`;
      case "paragraph":
        return part.text;
      case "list":
        return part.items.map(({ text }) => `- ${text}`).join("\n");
      default:
        return part satisfies never;
    }
  });
  return `${blocks.join("\n\n")}\n`;
}

function htmlOf(parts: readonly Part[]): string {
  return parts.map((part) => {
    switch (part.kind) {
      case "title":
        return `<h1>${inline(part.text)}</h1>`;
      case "heading":
        return `<h2>${inline(part.text)}</h2>`;
      case "paragraph":
        return `<p>${inline(part.text)}</p>`;
      case "list":
        return `<ul>${
          part.items.map(({ text, link }) => {
            const words = inline(text);
            return `<li>${link ? `<a href="${escapeHtml(link)}">${words}</a>` : words}</li>`;
          }).join("")
        }</ul>`;
      default:
        return part satisfies never;
    }
  }).join("\n");
}

/** Escaped, with `code` marked up. */
function inline(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, "<code>$1</code>");
}
