/** The page for people, and its files. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { createHash } from "node:crypto";
import { ASSETS, NOT_FOUND, SHELL } from "../page/assets.ts";
import type { HttpEnv } from "./env.ts";
import { filled, html, pageHeaders } from "./page_answer.ts";
import { notFound } from "./problem.ts";
import type { Services } from "./services.ts";

/** Files under the digest of all of them never change. */
const FOREVER = "public, max-age=31536000, immutable";

/** In the path of every file, so that a page never mixes files of two versions from a cache. */
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

  app.get("/assets/:digest/:name", (context) => {
    const { digest, name } = context.req.param();
    const asset = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
    if (!asset) throw notFound();
    // While versions are exchanged a page of the other one may ask here; that must not be kept.
    const cache = digest === DIGEST ? FOREVER : "no-cache";
    const headers = { ...pageHeaders(), "Content-Type": asset.type, "Cache-Control": cache };
    return new Response(asset.text, { headers });
  });
}

/** What people see where there is no page; the same words for every path. */
export function notFoundPage(prefix: string): Response {
  return html(filled(NOT_FOUND, pageValues(prefix)), 404);
}

/** What every template of a page is filled in with. */
export function pageValues(prefix: string): Record<string, string> {
  return { base: `${prefix}/`, assets: ASSETS_PATH };
}

function digestOf(parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("base64url").slice(0, 16);
}
