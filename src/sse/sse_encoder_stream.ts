/** From items to the bytes of Server-Sent Events, as a Web Stream. */
import { encodeFrames, type SseFrame } from "./frame.ts";

const utf8 = new TextEncoder();

/** The bytes of some frames, one after another. @throws as encodeFrames */
export function frameBytes(...frames: readonly SseFrame[]): Uint8Array {
  return utf8.encode(encodeFrames(frames));
}

/**
 * Encodes each item as one chunk holding all of its frames, so that they arrive together or not
 * at all. One chunk out for each item in, in order.
 *
 * An item that cannot be encoded errors both sides of the stream.
 */
export class SseEncoderStream<Item> extends TransformStream<Item, Uint8Array> {
  /** @param framesOf the frames of one item, at least one */
  constructor(framesOf: (item: Item) => readonly SseFrame[]) {
    super({
      transform(item, controller) {
        controller.enqueue(frameBytes(...framesOf(item)));
      },
    });
  }
}
