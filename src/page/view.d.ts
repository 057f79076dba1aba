/** The views of the page, and what they are given. */
import type { Session } from "./wire.d.ts";

/** A part of the page that can be left for another one. */
export interface View {
  readonly leave: () => void;
}

/** What every view is given. */
export interface Place {
  /** Empty; the view fills it. */
  readonly root: HTMLElement;
  readonly session: Session;
  /** Shows how the view's stream is doing. */
  readonly link: (state: LinkState) => void;
  /** Goes to an address below the base, such as `job/…`. */
  readonly go: (path: string) => void;
  /** The right has ended: asks for another sign-in, with the reason. */
  readonly signedOut: (reason: string) => void;
}

/** How a stream is doing. `heardMs` is by the browser's clock, 0 where nothing was heard yet. */
export interface LinkState {
  readonly kind: "none" | "connecting" | "live" | "lost" | "offline" | "resting" | "over";
  readonly heardMs?: number;
}
