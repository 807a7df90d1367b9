// SPDX-License-Identifier: Apache-2.0
// What can happen to a stream: the client leaves, the provider dies, many at once, the key dies.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { collect, gated, messages, onlyGated, start, until } from "./house.mjs";

let house;
let openai;
before(async () => {
  house = await start();
  openai = house.client();
});
after(() => house.stop());

const stream = (client, model, signal) =>
  client.chat.completions.create({ model, messages, stream: true }, { signal });

const last = async () => (await house.requests("/v1/chat/completions")).at(-1);

test("the first piece arrives while the rest is not yet said", async () => {
  const began = Date.now();
  const seen = await stream(openai, "sim-delay-100+chunks-20");
  for await (const chunk of seen) {
    assert.ok(chunk.id);
    assert.ok(Date.now() - began < 1_500, "the stream was held back");
    break;
  }
});

test("a client that leaves a stream is noticed upstream within two seconds", async () => {
  await house.forget();
  const leaving = new AbortController();
  const seen = await stream(openai, "sim-slow", leaving.signal);
  let pieces = 0;
  await assert.rejects(async () => {
    for await (const chunk of seen) {
      assert.ok(chunk);
      pieces += 1;
      if (pieces === 3) leaving.abort();
    }
    throw new Error("ended as if nothing had happened");
  }, /abort|ended/i);
  const left = await until("the provider sees that the client left",
    async () => (await last()).client_left && last(), 2_000);
  assert.ok(left.pieces < 20, `${left.pieces} pieces were made for nobody`);
});

test("a client that leaves before the first byte", async () => {
  await house.forget();
  const leaving = new AbortController();
  const asked = openai.chat.completions.create(
    { model: "sim-hang-30000", messages }, { signal: leaving.signal });
  await until("the request is up", async () => (await last()) !== undefined);
  leaving.abort();
  await assert.rejects(asked, OpenAI.APIUserAbortError);
  await until("the provider sees that the client left",
    async () => (await last()).client_left, 2_000);
});

test("fifty streams at once, each whole and its own", async () => {
  const models = Array.from({ length: 50 }, (_, i) => `sim-delay-20+split-utf8+chunks-${20 + i}`);
  const all = await Promise.all(models.map(async (model) => collect(await stream(openai, model))));
  all.forEach((seen, i) => {
    assert.equal(seen.finish, "stop", models[i]);
    assert.equal(seen.chunks.length, 22 + i, models[i]);
    assert.ok(seen.chunks.every((chunk) => chunk.model === models[i]), "streams were mixed up");
    assert.ok(!seen.text.includes("\ufffd"), models[i]);
  });
});

for (const model of ["sim-die-midstream", "sim-die-in-event", "sim-no-done"]) {
  test(`a provider that ends early is told as an error: ${model}`, onlyGated, async () => {
    const seen = await stream(openai, model);
    await assert.rejects(() => collect(seen), OpenAI.APIError);
    const [call] = await house.calls("--model", model);
    assert.ok(call.error, "the record has no error");
  });
}

test("a response stream that breaks off ends with an error of its own dialect", onlyGated, async () => {
  const answer = await house.fetch("/v1/responses", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "sim-die-midstream", input: "x", stream: true }),
  });
  const text = await answer.text();
  const event = text.trimEnd().split("\n\n").at(-1);
  const data = JSON.parse(/^data: (.*)$/m.exec(event)[1]);
  assert.equal(data.type, "error");
  assert.equal(typeof data.message, "string");
});

test("the provider's own error in a stream goes through", async () => {
  const seen = await stream(openai, "sim-error-midstream");
  await assert.rejects(() => collect(seen), OpenAI.APIError);
});

test("an answer that is not a stream and breaks off is not taken for whole", async () => {
  await assert.rejects(
    openai.chat.completions.create({ model: "sim-die-midstream", messages }));
});

test("an upstream that hangs up before its answer", async () => {
  const error = await openai.chat.completions.create({ model: "sim-die-before-head", messages })
    .then(() => null, (failure) => failure);
  assert.ok(error);
  if (gated) assert.equal(error.status, 502);
});

test("a key revoked in the middle of its streams: cut within a second", onlyGated, async () => {
  const apiKey = await house.createKey("short_lived");
  const client = house.client({ apiKey });
  await house.forget();
  const streams = await Promise.all([1, 2, 3].map(() => stream(client, "sim-slow")));
  const response = await client.responses.create({ model: "sim-slow", input: "x", stream: true });
  let begun = 0;
  let revokedAt = Infinity;
  const ends = [...streams, response].map(async (each) => {
    let first = true;
    try {
      for await (const piece of each) {
        assert.ok(piece);
        if (first) begun += 1;
        first = false;
      }
      return { error: null, at: Date.now() };
    } catch (error) {
      return { error, at: Date.now() };
    }
  });
  await until("all streams have begun", () => begun === 4);
  await house.command("keys", "revoke", "short_lived");
  revokedAt = Date.now();
  for (const end of ends) {
    const { error, at } = await end;
    assert.ok(error instanceof OpenAI.APIError, `no error event: ${error}`);
    assert.ok(at - revokedAt < 1_000, `cut after ${at - revokedAt} ms`);
  }
  await until("the provider is let go",
    async () => (await house.requests()).every((request) => request.client_left), 2_000);
  const refused = await house.fetch("/v1/models", { key: apiKey });
  assert.equal(refused.status, 401);
  const calls = await house.calls("--key", "short_lived");
  assert.equal(calls.filter((call) => call.error === "key_revoked").length, 4);
});

test("an expired key ends its stream too", onlyGated, async () => {
  const apiKey = await house.createKey("brief", "--life", "2s");
  const seen = await stream(house.client({ apiKey }), "sim-slow");
  const began = Date.now();
  await assert.rejects(() => collect(seen), OpenAI.APIError);
  assert.ok(Date.now() - began < 4_000, `cut after ${Date.now() - began} ms`);
});
