/** A viewer on a bare socket, which reads when a test says so. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { SseParser } from "./sse_parser.ts";

export class RawViewer {
  readonly socket: Socket;
  readonly #chunks: Uint8Array[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {}); // it is reset when it is cut off
  }

  /** Asks for the stream, and reads nothing of the answer. */
  static async open(url: string, key: string, lastEventId = "0"): Promise<RawViewer> {
    const { hostname, port, pathname, search } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    const viewer = new RawViewer(socket);
    await once(socket, "connect");
    socket.pause();
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
        `Authorization: Bearer ${key}\r\nLast-Event-ID: ${lastEventId}\r\n\r\n`,
    );
    return viewer;
  }

  /** Reads until the connection is closed. */
  async drain(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
    this.socket.on("data", (bytes) => this.#chunks.push(bytes));
    this.socket.resume();
    if (!this.socket.closed) await closed;
  }

  /** The body as far as it came, in whole chunks. */
  text(): string {
    return new TextDecoder().decode(bodyOf(Buffer.concat(this.#chunks)));
  }

  /** Whether the body came to its end, instead of being broken off. */
  whole(): boolean {
    return Buffer.concat(this.#chunks).toString("latin1").endsWith("\r\n0\r\n\r\n");
  }

  /** The ids of the whole frames that it has read, in their order. */
  ids(): string[] {
    const parser = new SseParser();
    const ids: string[] = [];
    for (const { lastEventId } of parser.push(bodyOf(Buffer.concat(this.#chunks)))) {
      if (lastEventId !== "" && lastEventId !== ids.at(-1)) ids.push(lastEventId);
    }
    return ids;
  }
}

/** What is whole of a chunked body (RFC 9112 section 7.1). */
function bodyOf(answer: Buffer): Uint8Array {
  let at = answer.indexOf("\r\n\r\n") + 4;
  const parts: Uint8Array[] = [];
  for (;;) {
    const end = answer.indexOf("\r\n", at);
    const length = Number.parseInt(answer.toString("latin1", at, end), 16);
    if (end < 0 || !(length > 0)) return Buffer.concat(parts);
    parts.push(answer.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}
