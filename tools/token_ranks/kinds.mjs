// SPDX-License-Identifier: Apache-2.0
// Asks the tiktoken package itself which kind each code point is of, and prints kinds.txt:
//   node tools/token_ranks/kinds.mjs >tools/token_ranks/kinds.txt
// tests/tokens/compare.mjs calls it too and compares, so that a newer package with newer Unicode
// tables cannot pass unnoticed. After each kind's name with a colon come its runs of code points in
// base 36: the gap since the last run's end and, unless it is one code point, ":" and its length.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The names that pack_ranks.cc knows. What is in none of them is "other".
export const kinds = {
  upper: "[\\p{Lu}\\p{Lt}]",
  lower: "\\p{Ll}",
  letter: "[\\p{Lm}\\p{Lo}]",
  mark: "\\p{M}",
  number: "\\p{N}",
  newline: "[\\r\\n]",
  space: "[\\s--[\\r\\n]]",
};

function everyCodePoint() {
  const parts = [];
  for (let c = 0; c < 0x110000; c += 1) {
    if (c < 0xd800 || c > 0xdfff) parts.push(String.fromCodePoint(c));
  }
  return parts.join("");
}

export function kindTable(Tiktoken) {
  // Only the 256 bytes are tokens, so what is encoded can be read back byte for byte.
  const bytes = Array.from({ length: 256 }, (_, i) => Buffer.from([i]).toString("base64"));
  const ranks = "! 0 " + bytes.join(" ");
  const all = everyCodePoint();
  const parts = Object.entries(kinds).map(([name, pattern]) => {
    const encoder = new Tiktoken(ranks, {}, pattern);
    const matched = Buffer.from(Uint8Array.from(encoder.encode_ordinary(all))).toString("utf8");
    encoder.free();
    return wrapped([name + ":", ...runs(Array.from(matched, (c) => c.codePointAt(0)))]);
  });
  return parts.join("");
}

function wrapped(words) {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1).length + word.length > 98) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines.join("\n") + "\n";
}

function runs(points) {
  const out = [];
  let end = 0;
  for (let i = 0; i < points.length; ) {
    let j = i + 1;
    while (j < points.length && points[j] === points[j - 1] + 1) j += 1;
    out.push((points[i] - end).toString(36) + (j - i > 1 ? ":" + (j - i).toString(36) : ""));
    end = points[j - 1] + 1;
    i = j;
  }
  return out;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { Tiktoken } = createRequire(import.meta.url)("tiktoken");
  process.stdout.write(kindTable(Tiktoken));
}
