/** Files of the page, run outside a browser. They are checked with a browser's types, not with ours. */

/** What a file of the page exports. */
// deno-lint-ignore no-explicit-any -- JavaScript
export async function pageFile(name: string): Promise<any> {
  return await import(new URL(`../../src/page/${name}`, import.meta.url).href);
}
