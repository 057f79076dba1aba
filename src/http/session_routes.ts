/** Sign-in of browsers: a key or a one-use link is exchanged for a cookie. */
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";
import { type Session, SESSION_MS } from "../auth/sessions.ts";
import { refuse } from "./access.ts";
import { json, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { cookieName, requireSameOrigin } from "./same_origin.ts";
import { SessionBodySchema, SessionSchema } from "./schemas.ts";
import type { Services } from "./services.ts";

const openRoute = createRoute({
  method: "post",
  path: "/v1/session",
  operationId: "signIn",
  summary: "Sign a browser in: exchange an API key or a sign-in link for a cookie",
  security: [],
  request: { body: { ...json(SessionBodySchema, "One of both"), required: true } },
  responses: {
    200: json(SessionSchema, "Signed in; the cookie is HttpOnly and SameSite=Strict"),
    ...problems("invalid-request", "forbidden"),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/session",
  operationId: "getSession",
  summary: "Who asks, and what they may; renews the cookie of a session",
  ...KEYED,
  responses: { 200: json(SessionSchema, "Who asks"), ...problems("forbidden") },
});

const endRoute = createRoute({
  method: "delete",
  path: "/v1/session",
  operationId: "signOut",
  summary: "Sign the browser out; its streams end",
  ...KEYED,
  responses: { 204: { description: "Signed out" }, ...problems("forbidden") },
});

/** Headers of which every browser sends at least one. */
const BY_PAGES = ["Origin", "Sec-Fetch-Site"];

/** Signing in, asking who is signed in, signing out. */
export function addSessionRoutes(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { authenticator, origin, stallAfterMs } = services;
  const { sessions } = authenticator.parts;

  const originOf = ({ req, env }: Context<HttpEnv>) => origin.of(req.raw, env);
  const set = async (context: Context<HttpEnv>, session: Session) => {
    const url = originOf(context);
    setCookie(context, cookieName(url), await sessions.cookie(session), {
      httpOnly: true,
      sameSite: "Strict",
      secure: url.startsWith("https:"),
      path: `${origin.prefix}/`,
      maxAge: SESSION_MS / 1000,
    });
  };
  const who = (context: Context<HttpEnv>) => {
    const { tenant, scopes } = context.get("principal");
    return { tenant, scopes: [...scopes], stall_after_s: stallAfterMs / 1000 };
  };

  app.openapi(openRoute, async (context) => {
    // Else a page elsewhere could sign the browser in as somebody else. A program sends neither.
    if (BY_PAGES.some((name) => context.req.header(name) !== undefined)) {
      requireSameOrigin(context, origin);
    }
    const session = authenticator.signIn(context.req.valid("json"));
    const principal = session && authenticator.parts.keys.principalOf(session.keyId);
    if (!principal) {
      return refuse(
        "link" in context.req.valid("json")
          ? "The sign-in link has expired or was used before; `synctail link` prints another"
          : "The API key is not known here, or it was revoked",
      );
    }
    context.set("principal", principal);
    await set(context, session);
    return context.json(who(context), 200);
  });

  app.openapi(getRoute, async (context) => {
    const session = context.get("session");
    if (session) await set(context, session);
    context.header("Cache-Control", "no-store");
    return context.json(who(context), 200);
  });

  app.openapi(endRoute, (context) => {
    const session = context.get("session");
    if (session) sessions.end(session);
    deleteCookie(context, cookieName(originOf(context)), { path: `${origin.prefix}/` });
    return context.body(null, 204);
  });
}
