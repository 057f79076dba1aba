/** The HTTP surface: routes, problems and the OpenAPI document, from one definition. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { randomUUID } from "node:crypto";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { ZodError } from "zod";
import { loggerOf } from "../logger.ts";
import { authenticate } from "./access.ts";
import type { HttpEnv } from "./env.ts";
import { addJobRoutes } from "./job_routes.ts";
import { type Invalid, notFound, Problem } from "./problem.ts";
import type { Services } from "./services.ts";
import { addSubscribeRoute } from "./subscribe_route.ts";
import { addSyncRoutes } from "./sync_routes.ts";

/** Most bytes of a request's body. */
const BODY_BYTES_MAX = 1024 * 1024;

/** @param version of this program, for the OpenAPI document */
export function httpApp(services: Services, version: string): OpenAPIHono<HttpEnv> {
  const logger = loggerOf("http");
  const app = new OpenAPIHono<HttpEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(result.target, result.error as ZodError);
    },
  });

  app.use(async (context, next) => {
    const id = randomUUID();
    context.set("requestId", id);
    await next();
    context.res.headers.set("X-Request-Id", id);
  });
  app.use(methodNotAllowed({
    app,
    onMethodNotAllowed: ({ req }, allowed) => {
      const allow = allowed.join(", ");
      const detail = `Cannot ${req.method} ${req.path}: it knows ${allow}`;
      return new Problem("method-not-allowed", detail, {}, { Allow: allow }).response();
    },
  }));
  app.use("/v1/*", authenticate(services.keys));
  app.use("/v1/*", async ({ req }, next) => {
    const type = req.header("Content-Type");
    // A runtime may show an empty stream where a request has no body; its headers tell.
    const length = req.header("Content-Length") ?? "0";
    const empty = length === "0" && req.header("Transfer-Encoding") === undefined;
    if (!empty && !/^application\/json\s*(;|$)/i.test(type ?? "")) {
      const given = type === undefined ? "no type" : `"${type}"`;
      throw new Problem("unsupported-media-type", `The body has ${given}; send application/json`);
    }
    await next();
  });
  app.use(
    "/v1/*",
    bodyLimit({
      maxSize: BODY_BYTES_MAX,
      onError: () => {
        throw new Problem("body-too-large", `A body may have at most ${BODY_BYTES_MAX} bytes`);
      },
    }),
  );

  addSyncRoutes(app, services);
  addJobRoutes(app, services);
  addSubscribeRoute(app, services);

  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "synctail",
      version,
      description: "tail -f for sync jobs: what a running sync is doing, live.",
      license: { name: "MIT" },
    },
  });
  app.get("/healthz", (context) => context.json({ status: "ok" }));

  app.notFound(() => notFound().response());
  app.onError((error, context) => {
    if (error instanceof Problem) return error.response();
    if (error instanceof HTTPException && error.status < 500) {
      return new Problem("invalid-request", error.message).response();
    }
    logger.error("request failed: {error}", { error, request_id: context.get("requestId") });
    const detail = "The request was not carried out; the server's log says why, by X-Request-Id";
    return new Problem("internal-fault", detail).response();
  });
  return app;
}

/** What zod found, in words, each with its place. */
function invalid(target: string, error: ZodError): Problem {
  const errors = error.issues.flatMap((issue): Invalid[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) =>
        placed(target, [...issue.path, key], "this is not known here")
      );
    }
    return [placed(target, issue.path, issue.message)];
  });
  const [first] = errors;
  const where = first.pointer ?? `?${first.parameter}`;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return new Problem("invalid-request", `${where}: ${first.detail}${more}`, { errors });
}

function placed(target: string, path: readonly PropertyKey[], detail: string): Invalid {
  const parts = path.map(String);
  if (target !== "json") return { parameter: parts.join("."), detail };
  const escaped = parts.map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1"));
  return { pointer: escaped.map((part) => `/${part}`).join(""), detail };
}
