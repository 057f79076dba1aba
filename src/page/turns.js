// @ts-check
/** Which tabs hold a stream: over HTTP/1.1 all tabs of a browser share few connections. */

/**
 * Most tabs with a stream. Browsers open six connections to a server, for all tabs: with six
 * streams no page of it loads any more, and no button works.
 */
const TABS_MAX = 5;

/**
 * Has a hidden tab rest once TABS_MAX others were looked at, or opened, since it was itself. What
 * is seen counts as looked at last, also by tabs that are opened behind it, and never rests, so
 * windows side by side may still use all connections.
 */
export class Turns {
  #id = Math.random();
  /** Tabs with a stream that were looked at since this one. @type {Set<number>} */
  #later = new Set();
  #resting = false;
  /** Whether the other tabs were told that this one has a stream. */
  #told = false;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  #options;

  /**
   * @param {object} options
   * @param {() => void} options.rest
   * @param {() => void} options.wake the tab is looked at again
   */
  constructor(options) {
    this.#options = options;
    const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (
      performance.getEntriesByType("navigation")
    );
    if (/^h[23]/.test(navigation?.nextHopProtocol)) return; // HTTP/2 has room for all
    this.#channel = new BroadcastChannel("synctail streams");
    this.#channel.onmessage = ({ data }) => this.#heard(data);
    document.addEventListener("visibilitychange", this.#looked);
    addEventListener("pagehide", this.#left);
    this.#say(true);
  }

  get resting() {
    return this.#resting;
  }

  leave() {
    this.#left();
    this.#channel?.close();
    document.removeEventListener("visibilitychange", this.#looked);
    removeEventListener("pagehide", this.#left);
  }

  /** @param {{ id: number, streams: boolean, answer: boolean }} told */
  #heard({ id, streams, answer }) {
    if (!streams) return this.#later.delete(id);
    this.#later.add(id);
    if (!document.hidden && this.#told && !answer) this.#say(true, true);
    if (!document.hidden || this.#resting || this.#later.size < TABS_MAX) return;
    this.#resting = true;
    this.#left();
    this.#options.rest();
  }

  /** Somebody looks at it from now on, or did so until now; a page that is left is hidden, too. */
  #looked = () => {
    if (document.hidden && !this.#told) return;
    this.#later.clear();
    this.#say(true);
    if (!this.#resting) return;
    this.#resting = false;
    this.#options.wake();
  };

  #left = () => this.#say(false);

  /**
   * @param {boolean} streams whether this tab has a stream
   * @param {boolean} [answer] to another tab, and not to be answered
   */
  #say(streams, answer = false) {
    this.#told = streams;
    this.#channel?.postMessage({ id: this.#id, streams, answer });
  }
}
