/** The page's files, imported as text, so that the binary holds them too. */
import api from "./api.js" with { type: "text" };
import app from "./app.js" with { type: "text" };
import docs from "./docs.js" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import filterBar from "./filter_bar.js" with { type: "text" };
import followList from "./follow_list.js" with { type: "text" };
import homeView from "./home_view.js" with { type: "text" };
import icons from "./icons.js" with { type: "text" };
import jobFacts from "./job_facts.js" with { type: "text" };
import jobFilter from "./job_filter.js" with { type: "text" };
import jobHead from "./job_head.js" with { type: "text" };
import jobList from "./job_list.js" with { type: "text" };
import jobState from "./job_state.js" with { type: "text" };
import jobTotals from "./job_totals.js" with { type: "text" };
import jobView from "./job_view.js" with { type: "text" };
import jobsStore from "./jobs_store.js" with { type: "text" };
import linkState from "./link_state.js" with { type: "text" };
import listStream from "./list_stream.js" with { type: "text" };
import loading from "./loading.js" with { type: "text" };
import logPanel from "./log_panel.js" with { type: "text" };
import notices from "./notices.js" with { type: "text" };
import rateChart from "./rate_chart.js" with { type: "text" };
import runs from "./runs.js" with { type: "text" };
import runsStrip from "./runs_strip.js" with { type: "text" };
import scrollBack from "./scroll_back.js" with { type: "text" };
import signInView from "./sign_in_view.js" with { type: "text" };
import stream from "./stream.js" with { type: "text" };
import syncCards from "./sync_cards.js" with { type: "text" };
import syncView from "./sync_view.js" with { type: "text" };
import time from "./time.js" with { type: "text" };
import turns from "./turns.js" with { type: "text" };
import virtualList from "./virtual_list.js" with { type: "text" };
import words from "./words.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import notFound from "./not_found.html" with { type: "text" };
import shell from "./shell.html" with { type: "text" };
import style from "./style.css" with { type: "text" };
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly text: string;
}

/** The page itself; `{{base}}` and `{{assets}}` are to be filled in. */
export const SHELL = asText(shell);

/** What people see where there is nothing; to be filled in likewise. */
export const NOT_FOUND = asText(notFound);

const SCRIPTS = {
  "api.js": api,
  "app.js": app,
  "docs.js": docs,
  "dom.js": dom,
  "filter_bar.js": filterBar,
  "follow_list.js": followList,
  "home_view.js": homeView,
  "icons.js": icons,
  "job_facts.js": jobFacts,
  "job_filter.js": jobFilter,
  "job_head.js": jobHead,
  "job_list.js": jobList,
  "job_state.js": jobState,
  "job_totals.js": jobTotals,
  "job_view.js": jobView,
  "jobs_store.js": jobsStore,
  "link_state.js": linkState,
  "list_stream.js": listStream,
  "loading.js": loading,
  "log_panel.js": logPanel,
  "notices.js": notices,
  "rate_chart.js": rateChart,
  "runs.js": runs,
  "runs_strip.js": runsStrip,
  "scroll_back.js": scrollBack,
  "sign_in_view.js": signInView,
  "stream.js": stream,
  "sync_cards.js": syncCards,
  "sync_view.js": syncView,
  "time.js": time,
  "turns.js": turns,
  "virtual_list.js": virtualList,
  "words.js": words,
  "uplot.js": uplot,
};

const STYLES = {
  "style.css": style,
  "uplot.css": uplotStyle,
};

/** All files that the page loads, by name. */
export const ASSETS: Readonly<Record<string, Asset>> = {
  ...typed(SCRIPTS, "text/javascript; charset=utf-8"),
  ...typed(STYLES, "text/css; charset=utf-8"),
  ...typed({ "icon.svg": icon }, "image/svg+xml"),
};

function typed(files: Readonly<Record<string, unknown>>, type: string): Record<string, Asset> {
  return Object.fromEntries(
    Object.entries(files).map(([name, file]) => [name, { type, text: asText(file) }]),
  );
}

/** Type checkers may take a text import for the module or the markup itself. */
export function asText(file: unknown): string {
  if (typeof file === "string") return file;
  throw new TypeError("Cannot read a file of the page: it was not imported as text");
}
