/** A streamed answer on a bare socket: Bun's fetch opens some hundred connections at once and no more. */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

export interface RawStream {
  readonly status: number;
  /** Throws where the connection breaks off before the end. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Asks for it. @throws {Error} where the connection breaks off before the headers are whole */
export async function rawStream(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<RawStream> {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => {}); // whoever reads is told by the end that is missing
  const destroy = () => void socket.destroy();
  signal.addEventListener("abort", destroy, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", destroy));
  const received = new Received(socket);
  const lines = Object.entries({ Host: `${hostname}:${port}`, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n`);
  const head = await received.upTo("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
  if (/^transfer-encoding: *chunked/im.test(head)) {
    return { status, body: chunks(received, socket) };
  }
  socket.destroy();
  return { status, body: (async function* () {})() };
}

/** RFC 9112 section 7.1. */
async function* chunks(received: Received, socket: Socket): AsyncGenerator<Uint8Array, void, void> {
  try {
    for (;;) {
      const length = Number.parseInt(await received.upTo("\r\n"), 16);
      if (length === 0) return;
      yield await received.bytes(length);
      await received.upTo("\r\n");
    }
  } finally {
    socket.destroy();
  }
}

/** What has come and was not taken yet. */
class Received {
  #bytes = Buffer.alloc(0);
  #over = false;
  #wake = () => {};

  constructor(socket: Socket) {
    socket.on("data", (more) => {
      this.#bytes = Buffer.concat([this.#bytes, more]);
      this.#wake();
    });
    for (const end of ["end", "close"]) {
      socket.once(end, () => {
        this.#over = true;
        this.#wake();
      });
    }
  }

  /** Up to that text, which is left out and passed over. */
  async upTo(end: string): Promise<string> {
    for (;;) {
      const at = this.#bytes.indexOf(end);
      if (at >= 0) return this.#take(at, end.length).toString("latin1");
      await this.#more();
    }
  }

  async bytes(count: number): Promise<Uint8Array> {
    while (this.#bytes.length < count) await this.#more();
    return this.#take(count, 0);
  }

  #take(count: number, passedOver: number): Buffer {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count + passedOver);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#over) throw new Error("The connection was broken off");
    await new Promise<void>((resolve) => this.#wake = resolve);
  }
}
