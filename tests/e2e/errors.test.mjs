// SPDX-License-Identifier: Apache-2.0
// Errors reach the SDK as its own classes; the gate's denials are not retried, the provider's may be.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { gated, messages, onlyGated, start } from "./house.mjs";

let house;
before(async () => {
  house = await start();
});
after(() => house.stop());

const ask = (client, model) => client.chat.completions.create({ model, messages });

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("it should have failed");
}

for (const [model, Class, status, code] of [
  ["sim-error-400", OpenAI.BadRequestError, 400, null],
  ["sim-error-context", OpenAI.BadRequestError, 400, "context_length_exceeded"],
  ["gpt-nonexistent", OpenAI.NotFoundError, 404, "model_not_found"],
  ["sim-error-429-rate", OpenAI.RateLimitError, 429, "rate_limit_exceeded"],
  ["sim-error-500", OpenAI.InternalServerError, 500, null],
  ["sim-error-503", OpenAI.InternalServerError, 503, "server_is_overloaded"],
]) {
  test(`${model} is the SDK's ${Class.name}`, async () => {
    const error = await errorOf(ask(house.client(), model));
    assert.ok(error instanceof Class, String(error));
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.match(error.requestID, /^req_/);
  });
}

test("a wrong key is refused and told nothing", async () => {
  await house.forget();
  const error = await errorOf(ask(house.client({ apiKey: "sk-wrong-0000000000000000" }), "gpt-5.5"));
  assert.ok(error instanceof OpenAI.AuthenticationError);
  assert.equal(error.code, "invalid_api_key");
  if (gated) {
    assert.ok(!error.message.includes("sk-wrong"), "the key is quoted");
    assert.equal(error.headers.get("x-should-retry"), "false");
    assert.deepEqual(await house.requests(), []);
  }
});

test("keys that cannot be ours, and none at all", onlyGated, async () => {
  await house.forget();
  const damaged = house.key.slice(0, -1) + (house.key.endsWith("0") ? "1" : "0");
  for (const key of [damaged, house.key.slice(0, 30), "x", null]) {
    const answer = await house.fetch("/v1/models", { key });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.get("x-should-retry"), "false");
    assert.match(answer.headers.get("x-request-id"), /^req_/);
    const text = await answer.text();
    assert.equal(JSON.parse(text).error.code, "invalid_api_key");
    if (key && key.length > 8) assert.ok(!text.includes(key));
  }
  assert.deepEqual(await house.requests(), []);
});

test("the SDK does not repeat what the gate refused", onlyGated, async () => {
  const before = (await house.calls("--status", "401")).length;
  const client = house.client({ apiKey: "sk-wrong-1111111111111111", maxRetries: 5 });
  await errorOf(ask(client, "gpt-5.5"));
  assert.equal((await house.calls("--status", "401")).length, before + 1);
});

test("the SDK repeats what the provider may answer next time", async () => {
  await house.forget();
  await errorOf(ask(house.client({ maxRetries: 2 }), "sim-error-500"));
  assert.equal((await house.requests("/v1/chat/completions")).length, 3);
});

test("a refused provider key is our fault, not the client's", onlyGated, async () => {
  const error = await errorOf(ask(house.client(), "sim-error-401"));
  assert.equal(error.status, 502);
  assert.ok(!error.message.includes("sk-proj"), "the provider's message went through");
  assert.equal(error.headers.get("x-should-retry"), "false");
});

for (const [why, body] of [
  ["not JSON", "{"],
  ["a number JSON does not have", `{"model":"gpt-5.5","messages":[],"n":01}`],
  ["a key twice", `{"model":"a","model":"gpt-5.5","messages":[]}`],
  ["a key twice under an escape", `{"model":"a","mo\\u0064el":"gpt-5.5","messages":[]}`],
]) {
  test(`a body that is refused before the provider sees it: ${why}`, onlyGated, async () => {
    await house.forget();
    const answer = await house.fetch("/v1/chat/completions", {
      method: "POST", body, headers: { "content-type": "application/json" },
    });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get("x-should-retry"), "false");
    const { error } = await answer.json();
    assert.equal(error.type, "invalid_request_error");
    assert.ok(error.code);
    assert.deepEqual(await house.requests(), []);
  });
}

test("a key of one endpoint and one model", onlyGated, async () => {
  const apiKey = await house.createKey("narrow", "--endpoint", "POST /v1/chat/completions",
    "--model", "gpt-5*");
  const client = house.client({ apiKey });
  await ask(client, "gpt-5.5");
  await house.forget();
  const model = await errorOf(ask(client, "gpt-4o"));
  assert.ok(model.status === 403 || model.status === 404, String(model));
  assert.equal(model.headers.get("x-should-retry"), "false");
  const endpoint = await errorOf(client.responses.create({ model: "gpt-5.5", input: "x" }));
  assert.equal(endpoint.status, 403);
  assert.deepEqual(await house.requests(), []);
});

// The last one here: afterwards the gate spares the provider.
test("a used-up quota is told once, then the gate does not ask again", async () => {
  await house.forget();
  const first = await errorOf(ask(house.client({ maxRetries: 2 }), "sim-error-429-quota"));
  assert.equal(first.code, gated ? first.code : "insufficient_quota");
  if (!gated) return;
  assert.ok(first.status === 429 || first.status === 503, String(first));
  await errorOf(ask(house.client(), "gpt-5.5"));
  assert.equal((await house.requests()).length, 1, "it was asked again");
});
