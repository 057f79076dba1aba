/** The HTTP surface: routes, problems and the OpenAPI document, from one definition. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import { getPath } from "hono/utils/url";
import type { ZodError } from "zod";
import { DamagedJobError, UnknownJobError } from "../log/log_errors.ts";
import { loggerOf } from "../logger.ts";
import { asksForStream, authenticate, requireScope } from "./access.ts";
import { metricsAnswer } from "./metrics.ts";
import type { HttpEnv } from "./env.ts";
import { invalidJson, invalidNames } from "./invalid.ts";
import { addDocsRoutes } from "./docs_routes.ts";
import { HeadAnswers } from "./head_answers.ts";
import { addHealthRoutes } from "./health_routes.ts";
import { addHistoryRoute } from "./history_route.ts";
import { addJobRoutes } from "./job_routes.ts";
import { addJobsSubscribeRoute } from "./jobs_subscribe_route.ts";
import { limitRequests } from "./limit_requests.ts";
import { addLogRoutes } from "./log_routes.ts";
import { addNotifyRoutes } from "./notify_routes.ts";
import { openInTurns } from "./open_in_turns.ts";
import { requestLines } from "./request_lines.ts";
import { wantsHtml } from "./page_answer.ts";
import { addPageRoutes, notFoundPage } from "./page_routes.ts";
import { fileProblem, storageProblem } from "./post_problem.ts";
import { notFound, Problem } from "./problem.ts";
import { addProblemRoutes } from "./problem_routes.ts";
import { readBodies } from "./read_bodies.ts";
import { RememberingRouter } from "./remembering_router.ts";
import type { Services } from "./services.ts";
import { addSessionRoutes } from "./session_routes.ts";
import { addSubscribeRoute, streamAnswer } from "./subscribe_route.ts";
import { addSyncRoutes } from "./sync_routes.ts";
import { addTicketRoute } from "./ticket_route.ts";
import { addWorkerRoutes } from "./worker_routes.ts";

/** Matches URLs whose path may change when `.`, `..` or a backslash is resolved. */
const DOTS = /\/(\.|%2e)|\\/i;

/** The headers that pages elsewhere may send (CORS). */
const CORS_HEADERS = [
  "authorization",
  "x-api-key",
  "last-event-id",
  "content-type",
  "synctail-tenant",
  "producer-id",
  "producer-epoch",
  "producer-seq",
];

/** @param version of this program, for the OpenAPI document */
export function httpApp(services: Services, version: string): OpenAPIHono<HttpEnv> {
  const logger = loggerOf("http");
  const { authenticator, origin, corsOrigins, metrics, viewers } = services;
  const app = new OpenAPIHono<HttpEnv>({
    router: new RememberingRouter(),
    getPath: (request) => origin.pathOf(getPath(resolved(request))),
    defaultHook: (result) => {
      if (result.success) return;
      const error = result.error as ZodError; // the validators of this app are zod's
      if (result.target === "json") throw invalidJson(error);
      throw invalidNames(error, result.target === "header" ? "header" : "parameter");
    },
  });

  const heads = new HeadAnswers();
  heads.answerIn(app);
  openInTurns(app);
  app.use(requestLines(services, heads));
  app.use(async (context, next) => {
    const { req, env } = context;
    if (origin.accepts(req.raw, env)) return await next();
    const host = origin.hostOf(req.raw, env);
    throw new Problem(
      "misdirected",
      `Cannot answer for the host "${host}": name it by --allowed-hosts or --public-url`,
    );
  });
  if (corsOrigins.length > 0) {
    // Never with credentials: a cookie is good for this server's own page alone.
    app.use(cors({
      origin: (from) => corsOrigins.includes("*") || corsOrigins.includes(from) ? from : null,
      allowMethods: ["GET", "HEAD", "POST", "DELETE"],
      allowHeaders: CORS_HEADERS,
      exposeHeaders: ["X-Request-Id", "Location", "Retry-After"],
      maxAge: 600,
    }));
  }
  app.use(methodNotAllowed({
    app,
    onMethodNotAllowed: ({ req }, allowed) => {
      const allow = allowed.join(", ");
      const detail = `Cannot ${req.method} ${req.path}: it knows ${allow}`;
      return new Problem("method-not-allowed", detail, {}, { Allow: allow }).response(
        origin.prefix,
      );
    },
  }));
  app.use("/v1/*", authenticate(authenticator, origin));
  app.use("/v1/*", limitRequests(services));
  app.use("/v1/*", readBodies(services));

  addSyncRoutes(app, services);
  addJobRoutes(app, services);
  addSubscribeRoute(app, services);
  addJobsSubscribeRoute(app, services);
  addWorkerRoutes(app, services);
  addLogRoutes(app, services);
  addHistoryRoute(app, services);
  addSessionRoutes(app, services);
  addTicketRoute(app, services);
  addNotifyRoutes(app, services);
  addPageRoutes(app, services);

  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
  const document = {
    openapi: "3.1.0",
    info: {
      title: "synctail",
      version,
      description: "tail -f for sync jobs: what a running sync is doing, live.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: origin.prefix || "/" }],
  };
  app.doc31("/openapi.json", document);
  addDocsRoutes(app, services);
  addProblemRoutes(app, services, () => app.getOpenAPI31Document(document));
  addHealthRoutes(app, services);
  if (!services.metricsElsewhere) {
    app.get("/metrics", authenticate(authenticator, origin), async (context) => {
      requireScope(context, "metrics");
      return await metricsAnswer(metrics);
    });
  }

  app.notFound(({ req }) =>
    !req.path.startsWith("/v1/") && wantsHtml(req.raw)
      ? notFoundPage(origin.prefix)
      : notFound().response(origin.prefix)
  );
  app.onError((error, context) => {
    const problem = error instanceof Problem ? error : storageProblem(error);
    if (problem) {
      const { code, cause } = problem;
      if (code === "storage-fault" && cause instanceof Error) {
        logger.error("{reason}", { reason: cause.message });
      }
      return problem.response(origin.prefix);
    }
    // The job was there when access to it was checked, and was removed meanwhile.
    if (error instanceof UnknownJobError) return notFound().response(origin.prefix);
    if (error instanceof HTTPException && error.status < 500) {
      return new Problem("invalid-request", error.message).response(origin.prefix);
    }
    logger.error("request failed: {error}", { error, request_id: context.get("requestId") });
    if (asksForStream(context.req) && !(error instanceof DamagedJobError)) {
      metrics.faulted();
      // The fault may pass, and EventSource would give up for good on a 500.
      return streamAnswer(context, viewers, () => viewers.turnAway());
    }
    const ofFile = fileProblem(error);
    if (ofFile) return ofFile.response(origin.prefix);
    const detail = error instanceof DamagedJobError
      ? `${error.message}. DELETE removes it`
      : "The request was not carried out; the server's log says why, by X-Request-Id";
    return new Problem("internal-fault", detail).response(origin.prefix);
  });
  return app;
}

/** Resolves `.` and `..` in the path: Bun has done so already, Deno leaves them as sent. */
function resolved(request: Request): Request {
  const { url } = request;
  return DOTS.test(url) && URL.canParse(url) ? new Request(new URL(url)) : request;
}
