// @ts-check
/** After a reload the page comes back to where it was scrolled to; browsers do not wait for a list. */

/** Where the address and the place of before are kept, for this tab alone. */
const KEY = "synctail.scroll";
/** How long it is waited until the view is as high again, in milliseconds. */
const WAIT_MS = 10_000;
/** How long what comes above it then may not move it, in milliseconds. */
const SETTLE_MS = 1_000;
/** What people do who scroll by themselves. */
const ACTS = ["wheel", "keydown", "pointerdown"];

/** @param {HTMLElement} root which the views fill */
export function scrollBack(root) {
  const before = kept();
  addEventListener("pagehide", () => keep(`${scrollY} ${location.href}`));
  const [entry] = performance.getEntriesByType("navigation");
  const reloaded =
    /** @type {PerformanceNavigationTiming | undefined} */ (entry)?.type === "reload";
  const [, y = "0", href] = /^(\S+) (.*)$/.exec(before) ?? [];
  if (!reloaded || Number(y) === 0) return;
  const grown = new ResizeObserver(() => {
    if (location.href !== href) return stop();
    scrollTo(0, Number(y)); // or to the end, where the view is shorter than before
    if (back || scrollY < Number(y)) return;
    back = true;
    clearTimeout(timer);
    timer = setTimeout(stop, SETTLE_MS);
  });
  let back = false;
  let timer = setTimeout(stop, WAIT_MS);
  for (const act of ACTS) addEventListener(act, stop, { passive: true });
  grown.observe(root);

  function stop() {
    clearTimeout(timer);
    grown.disconnect();
    for (const act of ACTS) removeEventListener(act, stop);
  }
}

function kept() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // the browser keeps nothing for this site
  }
}

/** @param {string} place */
function keep(place) {
  try {
    sessionStorage.setItem(KEY, place);
  } catch {
    // As above.
  }
}
