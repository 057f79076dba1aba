/** A router that remembers what it found for a path: a worker posts to one path for hours. */
import type { Result, Router } from "hono/router";
import { TrieRouter } from "hono/router/trie-router";

/** Most paths that are remembered; all are forgotten when there is one more. */
export const REMEMBERED_MAX = 2_000;
/** A path of more characters is looked up each time. */
const LENGTH_MAX = 200;

/** Answers as Hono's TrieRouter. Looking a path up there takes a tenth of a post. */
export class RememberingRouter<Handler> implements Router<Handler> {
  readonly name = "RememberingRouter";
  readonly #router = new TrieRouter<Handler>();
  readonly #found = new Map<string, Result<Handler>>();

  add(method: string, path: string, handler: Handler): void {
    this.#found.clear();
    this.#router.add(method, path, handler);
  }

  match(method: string, path: string): Result<Handler> {
    if (path.length > LENGTH_MAX) return this.#router.match(method, path);
    const asked = `${method} ${path}`;
    let result = this.#found.get(asked);
    if (!result) {
      if (this.#found.size >= REMEMBERED_MAX) this.#found.clear();
      this.#found.set(asked, result = this.#router.match(method, path));
    }
    return result;
  }
}
