/** Answers for people: HTML, with headers under which nothing but our own files can run. */

import { createHash } from "node:crypto";
import { notFound } from "./problem.ts";

/** Files of a page, under the digest of all of them. */
export interface Files {
  readonly digest: string;
  readonly files: Readonly<Record<string, { readonly type: string; readonly text: string }>>;
}

/** No inline code, no inline styles, nothing from elsewhere, and no frame around it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** The headers of every page. */
const HEADERS = {
  "Content-Security-Policy": POLICY,
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cache-Control": "no-cache",
};

/** A page. @param text the whole page, with all text from outside escaped */
export function html(text: string, status = 200): Response {
  const headers = { "Content-Type": "text/html; charset=utf-8", ...HEADERS };
  return new Response(text, { status, headers });
}

/** A digest for the path of files, so that a page never mixes cached files of two versions. */
export function digestOf(parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("base64url").slice(0, 16);
}

/**
 * The file of that name. Under the digest of this version it may be cached for good. During an
 * upgrade a page of another version may ask with its digest: that answer must not be cached.
 *
 * @throws {Problem} when there is none of that name
 */
export function fileAnswer(
  { files, digest }: Files,
  asked: { readonly digest: string; readonly name: string },
): Response {
  const file = Object.hasOwn(files, asked.name) ? files[asked.name] : undefined;
  if (!file) throw notFound();
  const cache = asked.digest === digest ? "public, max-age=31536000, immutable" : "no-cache";
  const headers = { ...HEADERS, "Content-Type": file.type, "Cache-Control": cache };
  return new Response(file.text, { headers });
}

/** The text escaped for HTML, also inside quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * The template with each `{{name}}` replaced, escaped. In text, `deno fmt` puts blanks around names.
 *
 * @throws {TypeError} for a name without a value
 */
export function filled(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{\{ ?(\w+) ?\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`Cannot fill "${name}" in: it has no value`);
    return escapeHtml(value);
  });
}

/** Whether a person with a browser asks, and not a program. */
export function wantsHtml(request: Request): boolean {
  return /\btext\/html\b/i.test(request.headers.get("Accept") ?? "");
}
