import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { makeDataDirectory, whyPlanted } from "../../src/log/data_directory.ts";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

/** Only root can make files that are another user's. */
const options = { skip: process.getuid?.() !== 0 };
const NOBODY = 65_534;
const ID = "770e8400-e29b-41d4-a716-446655440002";

/** A directory in which everybody may write, as for temporary files. */
function writtenByAll(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const place = join(path, "place");
  mkdirSync(place);
  chmodSync(place, 0o1777);
  return place;
}

function givenAway(path: string): void {
  lchownSync(path, NOBODY, NOBODY);
}

test(
  "whyPlanted() suspects only what another user has put where everybody may write",
  options,
  (t) => {
    const place = writtenByAll(t);
    const own = makeDataDirectory(join(place, "own"));
    const planted = join(place, "planted");
    const link = join(place, "link");
    const beneath = join(own, "beneath");
    for (const path of [planted, beneath]) mkdirSync(path);
    chmodSync(own, 0o775); // many may write there, but not everybody
    symlinkSync(own, link);
    for (const path of [planted, beneath, link]) givenAway(path);

    const paths = [own, beneath, join(place, "none"), "/", "/etc/passwd/none", planted, link];
    const reasons = paths.map((path) => ["", "/", "/."].map((end) => whyPlanted(path + end)));

    const words = (path: string) => `another user has put "${path}" where everybody may write`;
    assert.deepEqual(reasons.slice(0, 5), Array(5).fill(Array(3).fill(undefined)));
    assert.deepEqual(reasons.slice(5), [
      [words(planted), words(`${planted}/`), words(`${planted}/.`)],
      [words(link), words(`${link}/`), words(`${link}/.`)],
    ]);
  },
);

test("whyPlanted() trusts root, who can write anywhere", options, (t) => {
  const place = writtenByAll(t);
  const [ofRoot, ofOther] = [join(place, "root"), join(place, "other")];
  for (const path of [ofRoot, ofOther]) mkdirSync(path);
  givenAway(ofOther);
  const { getuid } = process;
  t.after(() => void (process.getuid = getuid));
  process.getuid = () => NOBODY - 1;

  const [root, other] = [ofRoot, ofOther].map(whyPlanted);

  assert.equal(root, undefined);
  assert.match(other ?? "", /^another user has put /);
});

test(
  "no command writes into a data directory that another user has planted, and exec runs its program",
  options,
  async (t) => {
    const place = writtenByAll(t);
    const [data, precious] = [join(place, ".synctail"), join(place, "..", "precious")];
    writeFileSync(precious, "precious");
    mkdirSync(data);
    writeFileSync(join(data, "server.json"), JSON.stringify({ url: "http://127.0.0.1:9", pid: 1 }));
    symlinkSync(precious, join(data, "cli-default.key"));
    givenAway(data);
    const ended = (...args: string[]) =>
      startProgram.toEnd(t, { command: ["env", "-C", place, ...OWN], args });

    const commands = [
      await ended("serve", "--port", "0"),
      await ended("keys", "create"),
      await ended("watch", ID),
      await ended("exec", "--flush"),
    ];
    const schema = { type: "SCHEMA", stream: "s", schema: {}, key_properties: ["id"] };
    const record = { type: "RECORD", stream: "s", record: { id: 1 } };
    const lines = [schema, record].map((line) => JSON.stringify(line));
    const program = ["printf", "%s\\n", ...lines]; // what it says would be kept, too
    const exec = await ended("exec", "--format", "singer", "n", "--", ...program);

    for (const { code, stderr } of commands) {
      assert.notEqual(code, 0);
      assert.match(
        stderr,
        /another user has put ".*\.synctail" where everybody may write; --data names one elsewhere, /,
      );
    }
    assert.deepEqual([exec.code, exec.stdout], [0, `${lines.join("\n")}\n`]);
    assert.match(exec.stderr, /no server can be had: .* another user has put/);
    assert.match(exec.stderr, /is not kept: .* another user has put/);
    assert.equal(readFileSync(precious, "utf8"), "precious");
    assert.deepEqual(readdirSync(data).sort(), ["cli-default.key", "server.json"]);
  },
);

test(
  "a data directory below one that others may not write is taken, whoever the disk says it belongs to",
  options,
  async (t) => {
    const below = join(writtenByAll(t), "below");
    const data = join(below, "data");
    mkdirSync(data, { recursive: true });
    for (const path of [below, data]) givenAway(path); // as NFS does with what root makes

    const { code, stderr } = await startProgram.toEnd(t, {
      args: ["keys", "create", "--data", data],
    });

    assert.equal(code, 0, stderr);
  },
);

test(
  "a synctail.json that another user has planted starts no program unless it is named",
  options,
  async (t) => {
    const place = writtenByAll(t);
    const file = join(place, "synctail.json");
    const source = { type: "command", format: "lines", command: ["touch", join(place, "started")] };
    writeFileSync(file, JSON.stringify({ syncs: [{ name: "n", source }] }));
    const ended = (...args: string[]) =>
      startProgram.toEnd(t, { command: ["env", "-C", place, ...OWN], args });

    const own = await ended("check");
    givenAway(file);
    const refused = [await ended("run", "n"), await ended("check"), await ended("keys", "list")];
    const started = existsSync(join(place, "started"));
    const named = await startProgram.toEnd(t, {
      command: ["env", "-C", place, "SYNCTAIL_CONFIG=synctail.json", ...OWN],
      args: ["run", "n"],
    });

    assert.equal(own.code, 0, own.stderr);
    for (const { code, stderr } of refused) {
      assert.deepEqual([code, stderr], [
        2,
        'synctail: another user has put "synctail.json" where everybody may write; ' +
        "SYNCTAIL_CONFIG=synctail.json takes it all the same\n",
      ]);
    }
    assert.equal(started, false);
    assert.equal(named.code, 0, named.stderr);
    assert.ok(existsSync(join(place, "started")));
  },
);
