import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonFault } from "../../src/cli/json_fault.ts";

/** `line:column found, expected` of texts that are no JSON. */
const FAULTS: readonly (readonly [string, string])[] = [
  ['{"a": 1,}', '1:9 "}", no comma before "}"'],
  ["[1, 2,\n]", '2:1 "]", no comma before "]"'],
  ['{"a" 1}', '1:6 "1", ":"'],
  ['{"a": 1 "b": 2}', '1:9 "\\"", "," or "}"'],
  ["{'a': 1}", '1:2 "\'", a name in double quotes'],
  ["{a: 1}", '1:2 "a", a name in double quotes'],
  ["// words\n{}", '1:1 "/", a value'],
  ['{"a": "b', '1:7 "\\"", a string that ends on its line, with valid escapes'],
  ['{"a": "C:\\data"}', '1:7 "\\"", a string that ends on its line, with valid escapes'],
  ["[01]", '1:2 "01", a value'],
  ["[1.]", '1:2 "1", a value'],
  ["[NaN]", '1:2 "NaN", a value'],
  ["{} {}", '1:4 "{", nothing more'],
  ["[[", "1:3 the end of the file, a value"],
  ["[1,\r\n 2 😀]", '2:4 "😀", "," or "]"'],
];

test("jsonFault() finds where a text stops being JSON", () => {
  for (const [text, told] of FAULTS) {
    assert.throws(() => JSON.parse(text), SyntaxError, text);
    const fault = jsonFault(text);
    assert.ok(fault, text);
    assert.equal(`${fault.line}:${fault.column} ${fault.found}, ${fault.expected}`, told);
  }
});

test("jsonFault() finds a member that an object names twice", () => {
  const told = [
    '{"a": 1,\n"a": 2}',
    '{"a": {"b": 1}, "b": {"\\u0062": 1, "b": 2}}',
    '[{"a": 1}, {"a": 2}]',
  ].map((text) => {
    JSON.parse(text);
    const fault = jsonFault(text);
    return fault && `${fault.line}:${fault.column} ${fault.expected}`;
  });

  assert.deepEqual(told, [
    '2:1 no second "a" in the object',
    '1:36 no second "b" in the object',
    undefined,
  ]);
});

test("jsonFault() finds nothing where JSON.parse() finds nothing", () => {
  const texts = [
    "{}",
    " [ ] ",
    '"\\u00e9\\n\\"/\x7f"',
    "-0.5e+3",
    '{"a": [true, null, {"b": "c"}]}\n',
  ];

  for (const text of texts) {
    JSON.parse(text);
    assert.equal(jsonFault(text), undefined, text);
  }
});
