// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The page: who is signed in, and which view is shown. */
import { ask, reasonOf, Refused } from "./api.js";
import { h } from "./dom.js";
import { forgetJobs, homeView } from "./home_view.js";
import { jobView } from "./job_view.js";
import { linkState } from "./link_state.js";
import { notice } from "./notices.js";
import { scrollBack } from "./scroll_back.js";
import { signInView } from "./sign_in_view.js";
import { syncView } from "./sync_view.js";
import { everySecond } from "./time.js";

/** @typedef {import("./wire.d.ts").Session} Session */
/** @typedef {import("./view.d.ts").View} View */

/** How often the session is renewed while the page is open, in milliseconds. */
const RENEW_MS = 30 * 60_000;
const RETRY_MS = 2_000;
/** Between two seconds, in milliseconds: the clock was set, or the machine slept. */
const JUMP_MS = 30_000;

const top = /** @type {HTMLElement} */ (document.getElementById("top"));
const root = /** @type {HTMLElement} */ (document.getElementById("view"));
const base = new URL(document.baseURI);
const link = linkState();
const who = h("span", { class: "who" });
const out = h(
  "button",
  { type: "button", class: "quiet", hidden: true, onclick: signOut },
  "Sign out",
);

/** @type {Session | undefined} */
let session;
/** @type {View | undefined} */
let view;

top.append(
  h("a", { href: "./", class: "brand" }, mark(), "synctail"),
  link.pill,
  h("span", { class: "grow" }),
  who,
  out,
);
root.before(link.banner, link.back);

/** @param {string} reason as the server gives it, or in words of our own */
function signedOut(reason) {
  session = undefined;
  forgetJobs();
  // Without its cookie the page is asked for a key, which is no help to a person.
  show(/^Send an API key/.test(reason) ? SESSION_ENDED : reason);
}

/** @param {Session} given */
function signedIn(given) {
  session = given;
  forgetJobs();
  show();
}

const SESSION_ENDED = "The session has ended; sign in again.";
const NO_READ = 'This key lacks the scope "read", so it can show nothing; use another.';

/** @param {string} [reason] for the view that asks for a sign-in */
function show(reason = "") {
  const focused = root.contains(document.activeElement);
  view?.leave();
  view = undefined;
  link.show({ kind: "none" });
  root.replaceChildren();
  out.hidden = !session;
  who.textContent = session ? session.tenant : "";
  if (!session?.scopes.includes("read")) {
    signInView(root, session ? NO_READ : reason, signedIn);
    return;
  }
  const given = session;
  /** An answer may come late. @param {string} reason */
  const ended = (reason) => session === given && signedOut(reason);
  const place = { root, session, link: link.show, go, signedOut: ended };
  const { pathname, searchParams } = new URL(location.href);
  const [kind, id, more] = pathname.slice(base.pathname.length).split("/").map(decode);
  if (kind === "job" && id && !more) view = jobView(place, id);
  else if (kind === "sync" && id && !more) view = syncView(place, id);
  else view = homeView(place, searchParams);
  if (focused) root.focus({ preventScroll: true }); // what had it went with the former view
}

/** @param {string} path */
function go(path) {
  history.pushState(null, "", new URL(path, base));
  show();
  scrollTo(0, 0);
  root.focus({ preventScroll: true });
}

/** The part, decoded; as it is where its escapes are invalid. @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // no job has such a name, and the server says so
  }
}

async function signOut() {
  try {
    await ask("DELETE", "v1/session");
    signedOut("You are signed out.");
  } catch (cause) {
    // The session is over, or was signed out in another tab.
    if (cause instanceof Refused && cause.status === 401) return signedOut("You are signed out.");
    notice(`Cannot sign out: ${reasonOf(cause)}`);
  }
}

/** Takes the secret of a sign-in link out of the address bar. */
function takeLink() {
  const secret = /^#link=(.+)$/.exec(location.hash)?.[1];
  if (secret !== undefined) history.replaceState(null, "", location.pathname + location.search);
  return secret;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;

/** @param {string} [secret] of a link that could not be used yet */
async function begin(secret) {
  clearTimeout(retry);
  secret = takeLink() ?? secret;
  let refusal = "";
  // Without cookies it would be used up for nothing.
  if (secret !== undefined && navigator.cookieEnabled) {
    try {
      return signedIn(await ask("POST", "v1/session", { link: secret }));
    } catch (cause) {
      if (!(cause instanceof Refused) || cause.status >= 500) return later(cause, secret);
      refusal = reasonOf(cause);
    }
  }
  try {
    session = await ask("GET", "v1/session");
    show();
    if (refusal !== "") notice(refusal);
  } catch (cause) {
    if (cause instanceof Refused && cause.status === 401) return signedOut(refusal);
    later(cause);
  }
}

/** @param {unknown} cause @param {string} [secret] of a link, which is still good */
function later(cause, secret) {
  view?.leave();
  view = undefined;
  const words = `${reasonOf(cause)}. Trying again.`;
  // Another element at each try would be read aloud each time.
  if (root.textContent !== words) {
    root.replaceChildren(h("p", { class: "lone", role: "status" }, words));
  }
  retry = setTimeout(begin, RETRY_MS, secret);
}

async function renew() {
  const before = session;
  try {
    /** @type {Session} */
    const given = await ask("GET", "v1/session");
    // The browser may have signed in, also as somebody else, in another tab.
    const same = String(Object.values(given)) === String(Object.values(before ?? {}));
    if (session === before && !same) signedIn(given);
  } catch (cause) {
    const ended = cause instanceof Refused && cause.status === 401;
    if (ended && before && session === before) signedOut(cause.message);
    // Otherwise the server is away, which the view's own stream tells.
  }
}

function mark() {
  const image = h("img", { alt: "", width: 20, height: 20 });
  image.src = new URL("icon.svg", import.meta.url).href;
  return image;
}

document.addEventListener("click", (event) => {
  const { target, button, metaKey, ctrlKey, shiftKey, altKey, defaultPrevented } = event;
  const anchor = target instanceof Element ? target.closest("a") : null;
  if (!anchor || button !== 0 || metaKey || ctrlKey || shiftKey || altKey || defaultPrevented) {
    return;
  }
  const own = anchor.origin === base.origin && anchor.pathname.startsWith(base.pathname);
  if (!own || anchor.target !== "" || !session) return;
  const path = anchor.pathname.slice(base.pathname.length);
  if (path !== "" && !/^(job|sync)\//.test(path)) return;
  event.preventDefault();
  go(`./${path}${anchor.search}`);
});
addEventListener("popstate", () => show());
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#link=")) begin();
});
let tickMs = Date.now();
document.addEventListener("visibilitychange", () => {
  tickMs = Date.now();
  if (!document.hidden) renew();
});
everySecond(() => {
  const beforeMs = tickMs;
  tickMs = Date.now();
  if (Math.abs(tickMs - beforeMs) > JUMP_MS) renew(); // the answer tells the time, too
});
setInterval(renew, RENEW_MS);
scrollBack(root);
begin();
