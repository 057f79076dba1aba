/** Answers for people: HTML, with headers under which nothing but our own files can run. */

/** No inline code, no inline styles, nothing from elsewhere, and no frame around it. */
const POLICY = {
  "default-src": "'none'",
  "script-src": "'self'",
  "style-src": "'self'",
  "connect-src": "'self'",
  "img-src": "'self' data:",
  "base-uri": "'self'",
  "form-action": "'self'",
  "frame-ancestors": "'none'",
};

/** The headers of every page. */
export function pageHeaders(): Record<string, string> {
  const directives = Object.entries(POLICY);
  return {
    "Content-Security-Policy": directives.map(([name, value]) => `${name} ${value}`).join("; "),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
  };
}

/** A page. @param text whole, and with everything from outside in it escaped */
export function html(text: string, status = 200): Response {
  const headers = { "Content-Type": "text/html; charset=utf-8", ...pageHeaders() };
  return new Response(text, { status, headers });
}

/** Text as it may stand in HTML, in quotes too. */
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
