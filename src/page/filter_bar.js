// @ts-check
/** The fields by which a list of jobs is filtered. */
import { h } from "./dom.js";
import { STATUS_FILTERS } from "./job_filter.js";

/** @typedef {import("./job_filter.js").Filter} Filter */
/** @typedef {import("./wire.d.ts").Sync} Sync */

/**
 * A search field, and what a status, a sync and a tag are chosen by.
 *
 * @param {Filter} filter that it begins with
 * @param {(filter: Filter, typing?: boolean) => void} onChange
 */
export function filterBar(filter, onChange) {
  const text = h("input", {
    type: "search",
    id: "filter-text",
    placeholder: "Name, tag or id",
    value: filter.text,
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => tell(true),
    onchange: () => tell(), // it is left, maybe for a job, and coming back needs the address
  });
  const status = h(
    "select",
    { id: "filter-status", onchange: () => tell() },
    h("option", { value: "" }, "Any status"),
    ...Object.entries(STATUS_FILTERS).map(([value, words]) => h("option", { value }, words)),
  );
  const sync = h(
    "select",
    { id: "filter-sync", onchange: () => tell() },
    h("option", { value: "" }, "Any sync"),
    filter.sync !== "" && h("option", { value: filter.sync }, filter.sync),
  );
  status.value = filter.status;
  sync.value = filter.sync;
  let { tag } = filter;
  let listed = "";
  const tagBox = h(
    "button",
    {
      type: "button",
      class: "tag tag-filter",
      "aria-label": `Tag ${tag}: show all tags again`,
      hidden: tag === "",
      onclick() {
        tag = "";
        tagBox.hidden = true;
        sync.focus(); // the button, which had it, is gone
        tell();
      },
    },
    h("span", {}, tag),
    " \u00d7",
  );
  function tell(typing = false) {
    onChange({ status: status.value, sync: sync.value, tag, text: text.value }, typing);
  }
  const label = (/** @type {string} */ id, /** @type {string} */ words) =>
    h("label", { for: id, class: "unseen" }, words);
  return {
    node: h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      label("filter-text", "Filter by name, tag or id"),
      text,
      label("filter-status", "Status"),
      status,
      label("filter-sync", "Sync"),
      sync,
      tagBox,
    ),
    active: () => status.value !== "" || sync.value !== "" || tag !== "" || text.value !== "",
    /** @param {readonly Sync[]} items */
    syncs(items) {
      const chosen = items.find(({ id, name }) => id === sync.value || name === sync.value);
      const value = chosen?.id ?? sync.value;
      const options = [["", "Any sync"], ...items.map(({ id, name }) => [id, name])];
      if (value !== "" && !chosen) options.push([value, value]);
      const next = JSON.stringify(options); // elements of thousands of syncs would take long
      // Who chooses from options that are replaced loses the one that is pointed at.
      if (next === listed) return;
      listed = next;
      sync.replaceChildren(...options.map(([value, name]) => h("option", { value }, name)));
      sync.value = value;
    },
  };
}
