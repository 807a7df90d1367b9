// SPDX-License-Identifier: Apache-2.0
// SIGHUP: what is new counts from the next request on, what runs goes on, and what is wrong changes
// nothing.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { collect, gated, messages, simKey, start, until } from "./house.mjs";

const patientMs = 20_000;
let house;
let other; // a second provider, to tell the upstreams apart
let openai;
let original;
before(async () => {
  if (!gated) return;
  house = await start();
  other = await start();
  openai = house.client();
  original = house.text;
});
after(async () => {
  await house?.stop();
  await other?.stop();
});
beforeEach(async () => {
  if (!gated || house.text === original) return;
  await change(original);
  await settled(async () => (await status("gpt-5.5")) === 200);
});

const only = { skip: !gated };
const chat = (model, options = {}) =>
  openai.chat.completions.create({ model, messages, ...options });
const status = (model) => chat(model).then(() => 200, (error) => error.status);
const settled = (found) => until("the new configuration counts", found, patientMs);

async function change(text) {
  const said = await house.reload(text);
  assert.match(said, /config\.reloaded/);
  house.text = text;
}

// A stream of a few seconds, begun; `whole()` says how it ended.
async function begin(model = "sim-delay-80+chunks-60") {
  const stream = await chat(model, { stream: true });
  const running = { ended: false };
  const seen = collect(stream).finally(() => (running.ended = true));
  seen.catch(() => {});
  running.whole = async () => {
    const { finish, chunks } = await seen;
    assert.equal(finish, "stop");
    assert.equal(chunks.length, 62);
  };
  return running;
}

test("other models are allowed: for new requests, not for a running stream", only, async () => {
  const running = await begin();
  assert.equal(await status("gpt-4o"), 200);
  await change(`${original}policy:\n  models: {allow: ["gpt-5*"]}\n`);
  await settled(async () => (await status("gpt-4o")) === 403);
  assert.ok(!running.ended, "the stream was too short to prove anything");
  assert.equal(await status("gpt-5.5"), 200);
  const refused = await chat("sim-echo").catch((error) => error);
  assert.equal(refused.code, "model_not_allowed");
  await running.whole();
});

test("another provider: a running stream ends where it began", only, async () => {
  await house.forget();
  await other.forget();
  const running = await begin();
  await change(original.replace(`:${house.simPort}/v1`, `:${other.simPort}/v1`));
  await settled(async () =>
    (await status("gpt-5.5")) === 200 && (await other.requests()).length > 0);
  assert.ok(!running.ended, "the stream was too short to prove anything");
  // Each connection is one of a thread: all of them must have changed.
  await until("every thread asks the new one", async () => {
    const { length: asked } = await other.requests();
    await Promise.all(Array.from({ length: 20 }, () => chat("gpt-5.5")));
    return (await other.requests()).length === asked + 20;
  }, patientMs);
  await running.whole();
  const [streamed] = await house.requests();
  assert.ok(!streamed.client_left, "the stream was cut");
});

test("the provider's key in a file: a new one is sent after the signal", only, async () => {
  const file = join(house.folder, "provider-key");
  await writeFile(file, `${simKey}\n`);
  await change(original.replace("${env:E2E_PROVIDER_KEY}", `file:${file}`));
  assert.equal(await status("gpt-5.5"), 200);
  await writeFile(file, "sk-retired\n");
  await change(house.text);
  await settled(async () => (await status("gpt-5.5")) === 502);
  assert.equal((await chat("gpt-5.5").catch((error) => error)).code, "upstream_auth_failed");
  await writeFile(file, `${simKey}\n`);
  await change(house.text);
  await settled(async () => (await status("gpt-5.5")) === 200);
  for (const key of [simKey, "sk-retired"]) assert.ok(!house.gate.errors.includes(key));
});

test("a smaller body_bytes_max: 413 for the next request", only, async () => {
  const long = [{ role: "user", content: "x".repeat(64 * 1024) }];
  const ask = () => openai.chat.completions.create({ model: "gpt-5.5", messages: long });
  const running = await begin();
  await ask();
  await change(original.replace("http:\n", "http:\n  body_bytes_max: 16KiB\n"));
  const error = await settled(() => ask().then(() => null, (failure) => failure));
  assert.equal(error.status, 413);
  assert.equal(await status("gpt-5.5"), 200);
  await running.whole();
});

test("a field that needs a restart keeps its value, and the log names it", only, async () => {
  const said = await house.reload(original.replace("http:\n", "http:\n  threads: 7\n"));
  assert.match(said, /config\.needs_restart.*http\.threads/);
  assert.equal(await status("gpt-5.5"), 200);
  house.text = null; // the file is not what it was
});

// Each stands in a file that would also bring a smaller limit, to show that no part is taken.
const literal = "sk-proj-literal-canary-0123456789abcdef";
const wrong = {
  "an unknown field": [(text) => text.replace("http:\n", "http:\n  body_byte_max: 16KiB\n"),
    /sallyport\.yaml:3:3: http\.body_byte_max: .*body_bytes_max/],
  "a field that stands there twice": [(text) => `audit: {path: /nowhere}\n${text}`,
    /sallyport\.yaml:15:1: duplicate field .*audit/],
  "a secret written out": [(text) => text.replace("${env:E2E_PROVIDER_KEY}", literal),
    /sallyport\.yaml:11:14: /],
  "a short secret": [(text) => text.replace("${env:E2E_PROVIDER_KEY}", "literal-canary"),
    /sallyport\.yaml:11:14: upstream\[0\]\.api_key: /],
  "a reference to nothing": [(text) => text.replace("E2E_PROVIDER_KEY", "E2E_NOT_SET"),
    /sallyport\.yaml:11:14: upstream\[0\]\.api_key: /],
  "no YAML at all": [() => "version: [1\n", /sallyport\.yaml:\d+:\d+: /],
  "an empty file": [() => "", /sallyport\.yaml/],
};

for (const [what, [spoil, where]] of Object.entries(wrong)) {
  test(`a file that is wrong changes nothing and says where: ${what}`, only, async () => {
    const running = await begin("sim-delay-10+chunks-60");
    const said = await house.reload(
      spoil(original.replace("http:\n", "http:\n  body_bytes_max: 1KiB\n")));
    assert.match(said, /config\.reload_failed/);
    assert.ok(!said.includes("config.reloaded"));
    assert.match(said, where);
    assert.ok(!house.logs().includes("literal-canary"), "the secret is in the log");
    const long = [{ role: "user", content: "x".repeat(2_000) }];
    assert.ok((await openai.chat.completions.create({ model: "gpt-5.5", messages: long })).id);
    await running.whole();
  });
}

test("a hundred signals under load: no request fails", only, async () => {
  await house.reload(original);
  let stop = false;
  let asked = 0;
  const failures = [];
  const variants = [original, original.replace("http:\n", "http:\n  body_bytes_max: 8MiB\n")];
  const load = Array.from({ length: 8 }, async (_, i) => {
    while (!stop) {
      const options = { stream: i % 2 === 0 };
      asked += 1;
      await chat("sim-chunks-10", options)
        .then((answer) => options.stream && collect(answer).then(({ finish, chunks }) => {
          assert.equal(finish, "stop");
          assert.equal(chunks.length, 12);
        }))
        .catch((error) => failures.push(error));
    }
  });
  for (let i = 0; i < 100; i += 1) {
    assert.match(await house.reload(variants[i % 2]), /config\.reloaded/);
  }
  // Signals that come faster than they are handled melt into one; none may be the last one lost.
  for (let i = 0; i < 100; i += 1) house.gate.process.kill("SIGHUP");
  stop = true;
  await Promise.all(load);
  assert.deepEqual(failures.map(String), []);
  assert.ok(asked >= 50, `only ${asked} requests`);
  await change(original);
  await house.command("audit", "verify");
});
