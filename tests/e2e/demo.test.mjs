// SPDX-License-Identifier: Apache-2.0
// The demonstration is a test of the whole, too: it fails when one of its chapters does not happen.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { binary } from "./house.mjs";

const run = promisify(execFile);

test("the demonstration tells its chapters and shows a whole journal", async () => {
  const { stdout } = await run(binary, ["demo"], { timeout: 60_000 });
  for (const chapter of ["1. The gate is open", "2. A key is made", "3. A call passes",
    "4. The same as a stream", "5. A wrong key: 401", "6. A stream begins", "cut after",
    "7. The next call with that key: 401", "whole: "]) {
    assert.ok(stdout.includes(chapter), `${chapter}\n${stdout}`);
  }
  assert.ok(!stdout.includes("went wrong"), stdout);
});

test("with --json stdout has the journal alone", async () => {
  const { stdout, stderr } = await run(binary, ["demo", "--json"], { timeout: 60_000 });
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const calls = lines.filter((line) => (line.kind ?? "request") === "request");
  assert.deepEqual(calls.map((call) => call.status), [200, 200, 401, 200, 401]);
  assert.equal(calls[3].error, "key_revoked");
  assert.ok(stderr.includes("3. A call passes"));
  assert.ok(!/sk-sp1-[0-9A-Za-z]{12}-[0-9A-Za-z]{6}/.test(stdout + stderr), "a whole key was shown");
});
