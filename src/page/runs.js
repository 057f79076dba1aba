// @ts-check
/** What the page can do with a sync or a job: run, cancel, copy a command. */
import { ask, failure, Refused, urlOf } from "./api.js";
import { h } from "./dom.js";
import { notice } from "./notices.js";

/** @typedef {import("./view.d.ts").Place} Place */

/** @param {Place} place */
export function mayRun({ session }) {
  return session.scopes.includes("run");
}

/**
 * Runs a sync and goes to the new job.
 *
 * @param {Place} place
 * @param {{ readonly id: string, readonly name: string }} sync
 */
export async function runSync(place, sync) {
  try {
    const job = await ask("POST", `v1/sync/${encodeURIComponent(sync.id)}/run`);
    place.go(`job/${job.id}`);
  } catch (cause) {
    if (cause instanceof Refused && cause.status === 401) return place.signedOut(cause.message);
    const running = cause instanceof Refused ? cause.problem.job_id : undefined;
    if (typeof running === "string") {
      const link = h("a", { href: `job/${running}` }, "Show it");
      return notice(`${sync.name} is running already.`, link);
    }
    notice(failure(`Cannot run ${sync.name}`, cause));
  }
}

/** Asks whether to cancel, then cancels. @param {Place} place @param {string} id @param {string} name */
export function cancelJob(place, id, name) {
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "cancel-title" });
  const cancel = async () => {
    dialog.close();
    try {
      await ask("POST", `v1/sync/job/${id}/cancel`);
    } catch (cause) {
      if (cause instanceof Refused && cause.status === 401) return place.signedOut(cause.message);
      notice(failure(`Cannot cancel ${name}`, cause));
    }
  };
  dialog.append(
    h("h2", { id: "cancel-title" }, `Cancel this run of ${name}?`),
    h("p", {}, "What it has written so far stays."),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Let it run"),
      h("button", { type: "button", class: "danger", onclick: cancel }, "Cancel the run"),
    ),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    // A job that has ended meanwhile has no button any more that could get the focus back.
    if (!place.root.contains(document.activeElement)) place.root.focus({ preventScroll: true });
  });
  place.root.append(dialog); // it goes with the job's page
  dialog.showModal();
}

/** Copies the command that shows a job's stream in a terminal. @param {string} id of the job */
export async function copyCurl(id) {
  const url = urlOf(`v1/sync/job/${id}/subscribe`);
  const line = `curl -N -H "Authorization: Bearer $SYNCTAIL_KEY" '${url}'`;
  const copied = await copy(line);
  notice(copied ? "Copied. It takes the key from $SYNCTAIL_KEY." : `Copy this: ${line}`);
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https, or where it was refused, there is no clipboard API: the older way is used.
    const focused = document.activeElement; // which the field takes
    const field = h("textarea", { class: "unseen", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    return done;
  }
}
