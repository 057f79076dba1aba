/** The page for people, and its files. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { ASSETS, NOT_FOUND, SHELL } from "../page/assets.ts";
import type { HttpEnv } from "./env.ts";
import { digestOf, fileAnswer, filled, html } from "./page_answer.ts";
import type { Services } from "./services.ts";

const DIGEST = digestOf(Object.entries(ASSETS).map(([name, { text }]) => `${name}\0${text}`));

/** Where files lie below the prefix, such as `assets/5f2c…/`. */
const ASSETS_PATH = `assets/${DIGEST}/`;

/** `/`, `/job/{id}` and `/sync/{id or name}` are one page, which looks at its own address. */
export function addPageRoutes(
  app: OpenAPIHono<HttpEnv>,
  { origin }: Pick<Services, "origin">,
): void {
  const shell = filled(SHELL, pageValues(origin.prefix));
  for (const path of ["/", "/job/:job_id", "/sync/:sync"]) app.get(path, () => html(shell));

  const files = { files: ASSETS, digest: DIGEST };
  app.get("/assets/:digest/:name", (context) => fileAnswer(files, context.req.param()));
}

/** What people see where there is no page; the same words for every path. */
export function notFoundPage(prefix: string): Response {
  return html(filled(NOT_FOUND, pageValues(prefix)), 404);
}

/** What every template of a page is filled in with. */
export function pageValues(prefix: string): Record<string, string> {
  return { base: `${prefix}/`, assets: ASSETS_PATH };
}
