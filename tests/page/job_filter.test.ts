import assert from "node:assert/strict";
import { test } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { filterFrom, matcher, NO_FILTER, queryOf } = await pageFile("job_filter.js");

test("filterFrom() reads the filter that queryOf() has written", () => {
  const filter = { status: "active", sync: "docs", tag: "a b", text: "50 %" };

  const query = queryOf(filter);

  assert.equal(`${query}`, "status=active&sync=docs&tag=a+b&q=50+%25");
  assert.deepEqual(filterFrom(query), filter);
});

test("queryOf() names nothing that filters nothing", () => {
  assert.equal(`${queryOf(NO_FILTER)}`, "");
  assert.deepEqual(filterFrom(new URLSearchParams()), NO_FILTER);
});

test("filterFrom() leaves out a status that there is not, and keeps the rest", () => {
  const query = new URLSearchParams({ status: "toString", tag: "nightly" });

  assert.deepEqual(filterFrom(query), { ...NO_FILTER, tag: "nightly" });
});

test("matcher() finds a tag with half a surrogate pair by what an address makes of it", () => {
  const job = { tags: ["cut \ud83d"] };
  const { tag } = filterFrom(queryOf({ ...NO_FILTER, tag: job.tags[0] }));

  assert.deepEqual([matcher({ ...NO_FILTER, tag })(job), tag], [true, "cut \ufffd"]);
});
