// SPDX-License-Identifier: Apache-2.0
// What tokenizer_bench.cc does, with the npm package tiktoken; for bench/tokenizer/run.
//   node tiktoken.mjs ROUNDS FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { get_encoding } = createRequire(new URL("../../tools/token_ranks/kinds.mjs", import.meta.url))(
  "tiktoken");
const nanoseconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
const resident = () => Math.round(process.memoryUsage().rss / 1024);
const [rounds, ...files] = process.argv.slice(2);
const before = resident();
const start = nanoseconds();
const encoders = { o200k_base: get_encoding("o200k_base") };
encoders.o200k_base.encode_ordinary("The first count of a process.");
console.log(`start ${nanoseconds() - start}`);
encoders.cl100k_base = get_encoding("cl100k_base");
for (const file of files) {
  const text = readFileSync(file, "utf8");
  for (const [name, encoder] of Object.entries(encoders)) {
    let best = null;
    let tokens = 0;
    for (let round = 0; round < Number(rounds); round += 1) {
      const begin = nanoseconds();
      tokens = encoder.encode_ordinary(text).length;
      const took = nanoseconds() - begin;
      if (best === null || took < best) best = took;
    }
    console.log(`count ${file} ${name} ${Buffer.byteLength(text)} ${tokens} ${best}`);
  }
}
console.log(`grew ${resident() - before}`);
