/** Cookies, and the requests that may ride on them. */
import type { Context } from "hono";
import type { HttpEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import type { PublicOrigin } from "./public_origin.ts";

/**
 * Name of the session's cookie at that origin. Cookies do not tell ports apart, so the name does:
 * otherwise two servers on one machine would sign each other out.
 */
export function cookieName(origin: string): string {
  const { port, protocol } = new URL(origin);
  return `synctail_${port || (protocol === "https:" ? "443" : "80")}`;
}

/**
 * A browser sends the cookie with requests of any page. So one that changes something must come
 * from a page of this origin, by Sec-Fetch-Site (Fetch Metadata) or by Origin.
 *
 * @throws {Problem} forbidden
 */
export function requireSameOrigin(context: Context<HttpEnv>, origin: PublicOrigin): void {
  const { req, env } = context;
  if (req.header("Sec-Fetch-Site") === "same-origin") return;
  const own = origin.of(req.raw, env);
  if (req.header("Origin") === own) return;
  const given = req.header("Origin") ?? req.header("Sec-Fetch-Site");
  throw new Problem(
    "forbidden",
    `Cannot ${req.method} by cookie from ${given === undefined ? "no page" : `"${given}"`}: only ` +
      `pages of ${own}, this server's own address, may; send an API key instead`,
  );
}
