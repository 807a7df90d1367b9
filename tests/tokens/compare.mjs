// SPDX-License-Identifier: Apache-2.0
// Are our tokens those of the npm package tiktoken, id by id? Both encodings, with and without
// special tokens: our own texts (texts/), every code point in several places, tables of what the
// splitting patterns treat specially, long runs, and 20,000 random strings of a fixed seed.
//   node tests/tokens/compare.mjs ENCODE_LINES      (built from encode_lines.cc)
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { kindTable } from "../../tools/token_ranks/kinds.mjs";

const here = new URL(".", import.meta.url);
const tools = new URL("../../tools/token_ranks/", here);
const { Tiktoken, get_encoding } = createRequire(new URL("kinds.mjs", tools))("tiktoken");
const encodings = ["o200k_base", "cl100k_base"];
const reportedMax = 10;

// --- the texts

const pairs = ["'s", "'S", "'t", "'T", "'re", "'RE", "'rE", "'ve", "'VE", "'m", "'M", "'ll", "'LL",
  "'lL", "'d", "'D", "'\u017f", "\u2019s", "'\u212a", "'\u0130", "'l", "'r", "'v", "'", "''s"];
const pieces = [
  " ", "  ", "   ", "\n", "\r", "\r\n", "\n\n", "\t", "\u000b", "\f", "\u0085", "\u00a0", "\u1680",
  "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u180e", "\u200b", "\ufeff", "\u001c",
  "a", "b", "Z", "AB", "ab", "Abc", "aBC", "\u00e9", "\u00c9", "\u0130", "\u0131", "\u017f", "\u212a",
  "\u01c5", "\u1f88", "\u02b0", "\u00aa", "\u4e2d", "\u6587", "\u3042", "\ud55c", "\u0e01", "\u0e34",
  "\u0301", "\u0488", "\u093f", "\u20dd", "\ufe0f", "\u{e0100}", "1", "22", "333", "4444", "\u0665",
  "\u2167", "\u00bd", "\u00b2", "\u0be7", "\u{1d7d8}", "!", "!!", "/", "//", ".", "-", "_", "(", ")",
  "\u20ac", "\u2026", "\u3002", "\u300c", "\u{1f600}", "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}",
  "\u{1f1e9}\u{1f1ea}", "\u{1f44d}\u{1f3fd}", "\u{1f3f4}\u{e0067}\u{e007f}", "\u{10ffff}", "\ue000",
  "\u0378", "\u0000", "\u007f", "<|endoftext|>", "<|endofprompt|>", "<|fim_prefix|>", "<|", "|>",
  "<|endoftext", ...pairs,
];

function* ownTexts() {
  for (const name of readdirSync(new URL("texts/", here)).sort()) {
    const text = readFileSync(new URL("texts/" + name, here), "utf8");
    yield [name, text];
    for (const line of text.split("\n")) yield [name, line];
    yield [name + " with CR LF", text.replaceAll("\n", "\r\n")];
  }
}

// Every two of the pieces beside each other, and every piece between others.
function* neighbours() {
  for (const a of pieces) {
    yield ["alone", a];
    for (const b of pieces) yield ["two pieces", a + b];
    for (const [left, right] of [["a", "b"], ["A", "B"], [" ", " "], ["\n", "\n"], ["x ", " y"],
      ["\u0301", "\u0301"], ["1", "2"], ["!", "!"], ["AB", "cd"], ["\u4e2d", "\u6587"], ["'", "s"]]) {
      yield ["between", left + a + right];
    }
  }
}

function* everyCodePoint() {
  const block = 8192;
  for (let first = 0; first < 0x110000; first += block) {
    let between = "", lines = "";
    for (let c = first; c < first + block; c += 1) {
      if (c >= 0xd800 && c <= 0xdfff) continue;
      const character = String.fromCodePoint(c);
      between += "a" + character + "b ";
      lines += character + "\n";
    }
    const name = "code points from U+" + first.toString(16);
    yield [name + " between letters", between];
    if (/^[\p{Cn}\p{Co}\n]*$/u.test(lines)) continue;  // never seen, all of one kind
    yield [name + " alone in a line", lines];
    let upper = "";
    for (let c = first; c < first + block; c += 1) {
      if (c >= 0xd800 && c <= 0xdfff) continue;
      const character = String.fromCodePoint(c);
      if (/\p{Cn}|\p{Co}/u.test(character)) continue;
      upper += "A" + character + "'S" + character + character + " ";
    }
    yield [name + " after capitals", upper];
  }
}

// The npm package needs time in proportion to the square of a run's length.
function* longRuns() {
  const parts = ["a", "A", " ", "\n", "\r\n", "1", "!", "/", "\u4e2d", "\u0301", "ab", "aab", "ABc",
    "\u4e2dA", "aA", "xyz", "\u{1f600}", "\u0e01\u0e34", "=", "-", "\t", "\u00e9", "the", "ACGT"];
  for (const part of parts) {
    for (const size of [60, 64, 65, 66, 127, 128, 129, 1000, 2048, 2300, 4400]) {
      const run = part.repeat(Math.ceil(size / part.length));
      yield ["a long run", run];
      if (size < 2100) yield ["a long run", "q" + run + "z\n"];
    }
  }
  yield ["a very long run", "a".repeat(10_000)];
  yield ["a very long run", "\u4e2d\u6587".repeat(1_500)];
  const next = generator(7);
  for (let i = 0; i < 40; i += 1) {
    const letters = ["abcdefghijklmnopqrstuvwxyz", "ab", "etaoin", "ACGTacgt", "\u4e00\u4e8c\u4e09\u5341"]
      [i % 5];
    let text = "";
    for (let k = 0; k < 2200 + (next() % 2400); k += 1) text += letters[next() % letters.length];
    yield ["random letters without blanks", text];
  }
}

// xorshift32: the same numbers everywhere.
function generator(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

function* randomStrings(count, seed) {
  const next = generator(seed);
  const ranges = [[0x20, 0x7f], [0x20, 0x7f], [0x20, 0x7f], [0, 0x20], [0x80, 0x250], [0x300, 0x370],
    [0x370, 0x600], [0x900, 0xe80], [0x1e00, 0x2000], [0x2000, 0x2070], [0x3000, 0x3100],
    [0x4e00, 0x9fff], [0xac00, 0xd7a3], [0x10400, 0x10450], [0x1d400, 0x1d800], [0x1f300, 0x1fa00],
    [0, 0xd800], [0xe000, 0x110000]];
  for (let i = 0; i < count; i += 1) {
    let text = "";
    for (let k = 1 + (next() % 30); k > 0; k -= 1) {
      if (next() % 2 === 0) {
        text += pieces[next() % pieces.length];
      } else {
        const [low, high] = ranges[next() % ranges.length];
        text += String.fromCodePoint(low + (next() % (high - low)));
      }
    }
    yield ["random string " + i, text];
  }
}

// --- the comparison

async function ours(program, requests) {
  const child = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"] });
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  const ended = new Promise((resolve) => child.on("close", resolve));
  child.stdin.end(Buffer.concat(requests));
  const code = await ended;
  if (code !== 0) throw new Error(program + " ended with " + code);
  const all = Buffer.concat(chunks);
  return new Uint32Array(all.buffer, all.byteOffset, all.length / 4);
}

function request(encoding, special, text) {
  const bytes = Buffer.from(text, "utf8");
  const head = Buffer.alloc(6);
  head[0] = encoding;
  head[1] = special ? 1 : 0;
  head.writeUInt32LE(bytes.length, 2);
  return [head, bytes];
}

function differs(ids, theirs) {
  if (ids.length !== theirs.length) return true;
  return theirs.some((id, i) => ids[i] !== id);
}

async function main() {
  const program = process.argv[2];
  const failures = [];
  const table = readFileSync(new URL("kinds.txt", tools), "utf8");
  if (table !== kindTable(Tiktoken)) failures.push("kinds.txt is stale: see kinds.mjs");

  const cases = [];
  for (const group of [ownTexts(), neighbours(), everyCodePoint(), longRuns(),
    randomStrings(20_000, 20_260_821)]) {
    for (const [name, text] of group) {
      const special = text.includes("<|");
      for (const encoding of [0, 1]) {
        cases.push({ name, text, encoding, special: false });
        if (special) cases.push({ name, text, encoding, special: true });
      }
    }
  }
  const answers = await ours(program, cases.flatMap((c) => request(c.encoding, c.special, c.text)));
  const theirs = encodings.map((name) => get_encoding(name));
  let at = 0;
  for (const { name, text, encoding, special } of cases) {
    const [counted, size] = answers.subarray(at, at + 2);
    const ids = answers.subarray(at + 2, at + 2 + size);
    at += 2 + size;
    const encoder = theirs[encoding];
    const want = special ? encoder.encode(text, "all") : encoder.encode_ordinary(text);
    if (counted === size && !differs(ids, want)) continue;
    const shown = JSON.stringify(text.length > 100 ? text.slice(0, 100) + "..." : text);
    failures.push(`${encodings[encoding]}${special ? " with special tokens" : ""}, ${name}: ${shown} ` +
      `is ${want.length} tokens, counted ${counted}, encoded ${size}`);
  }
  if (at !== answers.length) failures.push("the program answered more than it was asked");
  for (const failure of failures.slice(0, reportedMax)) console.error(failure);
  console.log(`${cases.length - failures.length} passed, ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
