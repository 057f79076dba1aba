/** What has been opened so far, to be closed in the opposite order. */
export class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];

  push(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** Closes all, even when closing one fails. @throws the first failure, at the end */
  async closeAll(): Promise<void> {
    let failed: { readonly cause: unknown } | undefined;
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (cause) {
        failed ??= { cause };
      }
    }
    if (failed) throw failed.cause;
  }
}
