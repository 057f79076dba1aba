import assert from "node:assert/strict";
import { test } from "node:test";
import { LineSplitter } from "../../../src/sources/process/line_splitter.ts";

/** What each chunk gives, and what the end does; cut lines are marked. */
function split(chunks: readonly (string | number[])[], bytesMax?: number): string[][] {
  const splitter = new LineSplitter(bytesMax);
  const texts = (lines: readonly { text: string; cut: boolean }[]) =>
    lines.map(({ text, cut }) => cut ? `${text} (cut)` : text);
  const given = chunks.map((chunk) => texts(splitter.push(Uint8Array.from(Buffer.from(chunk)))));
  return [...given, texts(splitter.end())];
}

test("LineSplitter.push() gives whole lines only, wherever chunks end", () => {
  assert.deepEqual(split(["one\ntw", "o\n", "\nthree"]), [["one"], ["two"], [""], ["three"]]);
  assert.deepEqual(split(["a\r\nb\r", "\nc\n"]), [["a", "b"], ["c"], []]);
  assert.deepEqual(split([""]), [[], []]);
  assert.deepEqual(split(["a\r", "", "\nb\n"]), [["a"], [], ["b"], []]);
});

test("LineSplitter.push() keeps a character together that two chunks share", () => {
  const [first, second] = [[...Buffer.from("gr\u00fc\u{1f600}")].slice(0, 5), [0x9f, 0x98, 0x80]];

  assert.deepEqual(split([first, second, "\n"]), [[], [], ["gr\u00fc\u{1f600}"], []]);
});

test("LineSplitter.push() puts U+FFFD for bytes that are no UTF-8", () => {
  assert.deepEqual(split([[0x61, 0xff, 0xc3, 0x0a]]), [["a\ufffd\ufffd"], []]);
});

for (const order of ["little", "big"]) {
  test(`LineSplitter reads UTF-16 that begins with a mark of its order (${order} endian)`, () => {
    const bytes = Buffer.from("\ufeffone\r\ngr\u00fc\u{1f600}\u0a0d\nlast", "utf16le");
    if (order === "big") bytes.swap16();

    const lines = ["one", "gr\u00fc\u{1f600}\u0a0d", "last"];
    assert.deepEqual(split([[...bytes]]), [lines.slice(0, 2), lines.slice(2)]);
    assert.deepEqual(split([...bytes].map((byte) => [byte])).flat(), lines);
  });
}

test("LineSplitter gives half a mark, and half a character of UTF-16, as U+FFFD", () => {
  assert.deepEqual(split([[0xff]]), [[], ["\ufffd"]]);
  assert.deepEqual(split([[0xff], [0x61, 0x0a]]), [[], ["\ufffda"], []]);
  assert.deepEqual(split([[0xff, 0xfe, 0x61, 0x00, 0x62]]), [[], ["a\ufffd"]]);
});

test("LineSplitter.push() gives only the newest of what is written over in one chunk", () => {
  assert.deepEqual(split(["1%\r2%\r3%\r"]), [["3%"], []]);
  assert.deepEqual(split(["1%\r2%\rdone\nnext\r"]), [["done", "next"], []]);
  assert.deepEqual(split(["\r1%", "\r2%", "\r\r3%\n"]), [[], ["1%"], ["3%"], []]);
});

test("LineSplitter.push() gives a line that ends with CR CR LF, as a terminal ends lines of CR LF", () => {
  assert.deepEqual(split(["one\r\r\ntwo\r\r\n\r\r\n"]), [["one", "two", ""], []]);
  assert.deepEqual(split(["1%\r2%\r\r\n", "one\r", "\r\n"]), [["2%"], ["one"], [""], []]);
});

test("LineSplitter.push() tells the states of a progress bar from lines, and halves of CR LF", () => {
  const bars = (...chunks: string[]) => {
    const splitter = new LineSplitter();
    return chunks.flatMap((chunk) => splitter.push(Uint8Array.from(Buffer.from(chunk))))
      .flatMap(({ text, bar }) => bar ? [text] : []);
  };

  assert.deepEqual(bars("start\n1%\r2%\r", "3%\r", "\r4", "%\r5%\n"), ["2%", "3%"]);
  assert.deepEqual(bars("one\r\ntwo\r", "\nthree\r\r\n1%\r2%\r3"), ["2%"]);
  assert.deepEqual(bars("one\r", "\ntwo\r", "\n"), ["one"]);
});

test("LineSplitter.push() cuts a long line at the limit, once, and loses no other", () => {
  assert.deepEqual(split(["12345", "6", "78", "9\nab\n", "12345\n"], 5), [
    [],
    ["12345 (cut)"],
    [],
    ["ab"],
    ["12345"],
    [],
  ]);
  assert.deepEqual(split(["1234567\nx\n1234567"], 5), [["12345 (cut)", "x", "12345 (cut)"], []]);
  assert.deepEqual(split(["1234567\r1\r"], 5), [["12345 (cut)", "1"], []]);
});

test("LineSplitter.push() cuts no character in two", () => {
  for (const most of [3, 4, 5]) {
    assert.deepEqual(split(["ab\u{1f600}cd\n"], most), [["ab (cut)"], []]);
  }
  assert.deepEqual(split(["ab\u{1f600}cd\n"], 6), [["ab\u{1f600} (cut)"], []]);
  assert.deepEqual(split(["\u00fc\u00fc\u00fc\n"], 4), [["\u00fc\u00fc (cut)"], []]);
});

test("LineSplitter.push() joins long chunks too", () => {
  const long = "x".repeat(100_000);

  assert.deepEqual(split(["a", `${long}\n`, long]), [[], [`a${long}`], [], [long]]);
});

for (const from of [Uint8Array, Buffer]) {
  test(`LineSplitter holds nothing of a ${from.name} that its giver uses again`, () => {
    const splitter = new LineSplitter();
    const chunk = from.from(Buffer.from("ab"));

    splitter.push(chunk);
    chunk.fill(0x78);

    assert.deepEqual(splitter.push(Uint8Array.from([0x0a])), [{ text: "ab", cut: false }]);
  });
}

test("LineSplitter.push() joins a line that comes byte by byte, up to the limit", () => {
  const bytesMax = 10_000;
  const splitter = new LineSplitter(bytesMax);
  const text = "grün ".repeat(bytesMax / 6).padEnd(bytesMax - 1_666, ".");
  const bytes = Buffer.from(`${text}\n${text}more\n`);

  const lines = [...bytes].flatMap((byte) => splitter.push(Uint8Array.of(byte)));

  assert.deepEqual(lines, [{ text, cut: false }, { text, cut: true }]);
});
