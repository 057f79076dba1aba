/** The page's files, inside the program: what is imported as text is also in the binary. */
import app from "./app.js" with { type: "text" };
import docs from "./docs.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import notFound from "./not_found.html" with { type: "text" };
import shell from "./shell.html" with { type: "text" };
import style from "./style.css" with { type: "text" };
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly text: string;
}

/** The page itself; `{{base}}` and `{{assets}}` are to be filled in. */
export const SHELL = asText(shell);

/** What people see where there is nothing; to be filled in likewise. */
export const NOT_FOUND = asText(notFound);

const SCRIPTS = {
  "app.js": app,
  "docs.js": docs,
  "uplot.js": uplot,
};

const STYLES = {
  "style.css": style,
  "uplot.css": uplotStyle,
};

/** Everything that the page loads, by name. */
export const ASSETS: Readonly<Record<string, Asset>> = {
  ...typed(SCRIPTS, "text/javascript; charset=utf-8"),
  ...typed(STYLES, "text/css; charset=utf-8"),
  ...typed({ "icon.svg": icon }, "image/svg+xml"),
};

function typed(files: Readonly<Record<string, unknown>>, type: string): Record<string, Asset> {
  return Object.fromEntries(
    Object.entries(files).map(([name, file]) => [name, { type, text: asText(file) }]),
  );
}

/** Type checkers may take a text import for the module or the markup itself. */
export function asText(file: unknown): string {
  if (typeof file === "string") return file;
  throw new TypeError("Cannot read a file of the page: it was not imported as text");
}
