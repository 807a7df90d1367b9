// SPDX-License-Identifier: Apache-2.0
// One line a call with the mission's fields, and no secret anywhere it does not belong.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, gated, messages, sha256, simKey, start } from "./house.mjs";

const canary = "canary-text-7f3a91-世界";
let house;
before(async () => {
  if (gated) house = await start();
});
after(() => house?.stop());

const missionFields = ["timestamp_utc", "api_key_id", "endpoint", "model", "latency_ms",
  "tokens_input", "tokens_output", "ip", "geo", "status", "error", "metadata"];

test("one line a call, with the mission's fields first", { skip: !gated }, async () => {
  const openai = house.client();
  const whole = await openai.chat.completions.create({ model: "gpt-5.5", messages });
  await openai.embeddings.create({ model: "text-embedding-3-small", input: "x" });
  await openai.responses.create({ model: "gpt-5.5", input: "x" });
  await openai.models.list();
  await openai.chat.completions.create({ model: "sim-error-500", messages }).catch(() => {});
  await house.fetch("/v1/models", { key: "sk-wrong-000000000000" });
  const calls = await house.calls();
  assert.deepEqual(calls.map((call) => [call.status, call.model]), [
    [200, "gpt-5.5"], [200, "text-embedding-3-small"], [200, "gpt-5.5"], [200, null],
    [500, "sim-error-500"], [401, null]]);
  for (const call of calls) {
    assert.deepEqual(Object.keys(call).slice(0, missionFields.length), missionFields);
    assert.match(call.timestamp_utc, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(call.ip, "127.0.0.1");
    assert.ok(Number.isInteger(call.latency_ms));
  }
  const [chat] = calls;
  assert.equal(chat.api_key_id, "e2e");
  assert.ok(chat.endpoint.includes("/v1/chat/completions"));
  assert.equal(chat.tokens_input, whole.usage.prompt_tokens);
  assert.equal(chat.tokens_output, whole.usage.completion_tokens);
  assert.equal(chat.error, null);
  assert.match(chat.request_id, /^req_/);
  assert.equal(chat.upstream_request_id, whole._request_id);
  assert.equal(calls.at(-1).api_key_id, null);
  assert.ok(calls.at(-1).error);
  assert.ok(calls.at(-2).error);
});

test("an intent stands before every call that cost something", { skip: !gated }, async () => {
  const intents = await house.records("--kind", "intent");
  const calls = await house.calls();
  const asked = calls.filter((call) => call.status !== 401);
  assert.equal(intents.length, asked.length);
  for (const call of asked) {
    const intent = intents.find((record) => record.request_id === call.request_id);
    assert.ok(intent && intent.seq < call.seq, call.endpoint);
  }
});

test("the journal is whole", { skip: !gated }, async () => {
  await house.command("audit", "verify");
});

async function filesUnder(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test("no key and no text where they do not belong", { skip: !gated }, async () => {
  await house.forget();
  const openai = house.client();
  const said = await openai.chat.completions.create(
    { model: "sim-echo", messages: [{ role: "user", content: canary }] });
  assert.equal(said.choices[0].message.content, canary);
  await collect(await openai.chat.completions.create(
    { model: "sim-echo", messages: [{ role: "user", content: canary }], stream: true }));
  const answer = await house.fetch("/v1/models");
  const down = JSON.stringify([...answer.headers]) + (await answer.text());
  assert.ok(!down.includes(simKey + '"') && !down.includes(`Bearer ${simKey}`),
    "the provider's key came down");

  const seen = await house.requests();
  assert.equal(seen.length, 3);
  for (const request of seen) {
    const headers = Object.fromEntries(request.headers);
    assert.equal(headers.authorization, `Bearer sha256:${sha256(simKey)}`);
    assert.ok(!JSON.stringify(request).includes(house.key), "the client's key went up");
    assert.ok(!JSON.stringify(request).includes(sha256(house.key)), "the client's key went up");
  }
  const logs = house.logs();
  assert.ok(!logs.includes(house.key), "the key is in a log");
  assert.ok(!logs.includes("canary-text"), "a prompt is in a log");
  for (const file of await filesUnder(house.folder)) {
    const bytes = await readFile(file);
    assert.ok(!bytes.includes(house.key), `the key is in ${file}`);
    assert.ok(!bytes.includes("canary-text"), `a prompt is in ${file}`);
  }
});
