/** The OpenAPI document as a page to read and try out: Swagger UI. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { HttpEnv } from "./env.ts";
import { digestOf, fileAnswer, type Files, filled, html } from "./page_answer.ts";
import { pageValues } from "./page_routes.ts";
import type { Services } from "./services.ts";

interface Docs extends Files {
  readonly page: string;
}

/** Adds `/docs`. Its 1.9 MB of text are loaded at the first request: no start waits for them. */
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
  app.get(
    "/docs/:digest/:name",
    async (context) => fileAnswer(await loaded(), context.req.param()),
  );
}

async function load(): Promise<Docs> {
  const { PAGE, SCRIPT, STYLE } = await import("../page/docs_files.ts");
  return {
    digest: digestOf([SCRIPT, STYLE]),
    page: PAGE,
    files: {
      "swagger-ui.js": { type: "text/javascript; charset=utf-8", text: SCRIPT },
      "swagger-ui.css": { type: "text/css; charset=utf-8", text: STYLE },
    },
  };
}
