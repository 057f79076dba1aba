/** The OpenAPI document, readable and to be tried out: Swagger UI. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { createHash } from "node:crypto";
import type { HttpEnv } from "./env.ts";
import { filled, html, pageHeaders } from "./page_answer.ts";
import { pageValues } from "./page_routes.ts";
import { notFound } from "./problem.ts";
import type { Services } from "./services.ts";

/** Swagger UI's files, under the digest of all of them. */
interface Docs {
  readonly digest: string;
  readonly page: string;
  readonly files: Readonly<Record<string, { readonly type: string; readonly text: string }>>;
}

/** 1.9 MB of text that no start has to wait for: it is loaded when somebody asks for it. */
export function addDocsRoutes(
  app: OpenAPIHono<HttpEnv>,
  { origin }: Pick<Services, "origin">,
): void {
  let docs: Promise<Docs> | undefined;
  const loaded = () => docs ??= load();

  app.get("/docs", async () => {
    const { digest, page } = await loaded();
    return html(filled(page, { ...pageValues(origin.prefix), digest }));
  });
  app.get("/docs/:digest/:name", async (context) => {
    const { digest, name } = context.req.param();
    const { files, digest: own } = await loaded();
    const file = Object.hasOwn(files, name) ? files[name] : undefined;
    if (!file) throw notFound();
    const cache = digest === own ? "public, max-age=31536000, immutable" : "no-cache";
    const headers = { ...pageHeaders(), "Content-Type": file.type, "Cache-Control": cache };
    return new Response(file.text, { headers });
  });
}

async function load(): Promise<Docs> {
  const { PAGE, SCRIPT, STYLE } = await import("../page/docs_files.ts");
  return {
    digest: createHash("sha256").update(SCRIPT).update(STYLE).digest("base64url").slice(0, 16),
    page: PAGE,
    files: {
      "swagger-ui.js": { type: "text/javascript; charset=utf-8", text: SCRIPT },
      "swagger-ui.css": { type: "text/css; charset=utf-8", text: STYLE },
    },
  };
}
