// @ts-check
/** The form to sign in. */
import { ask, reasonOf } from "./api.js";
import { h, setText } from "./dom.js";

/** @typedef {import("./wire.d.ts").Session} Session */

const NO_COOKIES = "This browser keeps no cookies for this page, so it cannot sign in. " +
  "Allow them, then sign in.";

/**
 * @param {HTMLElement} root
 * @param {string} reason why one has to sign in; empty for none
 * @param {(session: Session) => void} signedIn
 */
export function signInView(root, reason, signedIn) {
  document.title = "Sign in - synctail";
  const key = h("input", {
    type: "password",
    id: "key",
    name: "key",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
    placeholder: "st_\u2026",
    "aria-describedby": "sign-in-words",
  });
  const words = h("p", { id: "sign-in-words", class: "sign-in-words", role: "alert" });
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h(
    "form",
    { class: "sign-in", onsubmit: signIn },
    h("h1", {}, "Sign in"),
    words,
    h("label", { for: "key" }, "API key"),
    key,
    button,
    h(
      "p",
      { class: "hint" },
      "Or run ",
      h("code", {}, "synctail link"),
      " on the server's machine and open what it prints.",
    ),
  );
  const why = navigator.cookieEnabled ? reason : NO_COOKIES;
  setText(words, why === "" ? undefined : why);
  root.append(form);
  key.focus();

  /** @param {Event} event */
  async function signIn(event) {
    event.preventDefault();
    if (!navigator.cookieEnabled) return setText(words, NO_COOKIES);
    setText(words, undefined); // the same words again are read aloud only where they went before
    key.focus(); // the button, which may have it, is disabled
    button.disabled = true;
    try {
      signedIn(await ask("POST", "v1/session", { key: key.value.trim() }));
    } catch (cause) {
      setText(words, reasonOf(cause));
      key.select();
    } finally {
      button.disabled = false;
    }
  }
}
