// SPDX-License-Identifier: Apache-2.0
// Chat and responses through the SDK: whole, streamed, split inside characters.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { collect, gated, messages, onlyGated, start } from "./house.mjs";

let house;
let openai;
before(async () => {
  house = await start();
  openai = house.client();
});
after(() => house.stop());

test("a chat completion", async () => {
  const answer = await openai.chat.completions.create({ model: "gpt-5.5", messages });
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, "gpt-5.5");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.ok(answer.choices[0].message.content.length > 0);
  assert.equal(answer.usage.total_tokens,
    answer.usage.prompt_tokens + answer.usage.completion_tokens);
  assert.match(answer._request_id, /^req_/);
});

test("the body goes up as it was sent", async () => {
  await house.forget();
  const body = `{"model" : "gpt-5.5",\t"messages":[{"role":"user","content":"\\u00fc ü 世界"}]}`;
  const answer = await house.fetch("/v1/chat/completions", {
    method: "POST", body, headers: { "content-type": "application/json" },
  });
  assert.equal(answer.status, 200);
  const [seen] = await house.requests("/v1/chat/completions");
  const { sha256 } = await import("./house.mjs");
  assert.equal(seen.body_sha256, sha256(body));
});

test("two choices, cut by max_completion_tokens", async () => {
  const answer = await openai.chat.completions.create({
    model: "gpt-5.5", messages, n: 2, max_completion_tokens: 3,
  });
  assert.equal(answer.choices.length, 2);
  assert.deepEqual(answer.choices.map((choice) => choice.finish_reason), ["length", "length"]);
});

test("a tool call, whole and streamed", async () => {
  const whole = await openai.chat.completions.create({ model: "sim-tools", messages });
  assert.equal(whole.choices[0].message.tool_calls[0].function.name, "get_weather");
  const stream = await openai.chat.completions.create({ model: "sim-tools", messages, stream: true });
  let args = "";
  for await (const chunk of stream) {
    args += chunk.choices[0]?.delta?.tool_calls?.[0]?.function?.arguments ?? "";
  }
  assert.deepEqual(JSON.parse(args), { city: "Zürich" });
});

for (const model of ["gpt-5.5", "sim-split-utf8+chunks-60", "sim-crlf", "sim-comments"]) {
  test(`a chat stream says what the whole answer says: ${model}`, async () => {
    const stream = await openai.chat.completions.create({ model, messages, stream: true });
    const seen = await collect(stream);
    assert.equal(seen.finish, "stop");
    assert.ok(!seen.text.includes("\ufffd"), "a character was broken");
    assert.ok(seen.text.endsWith("."), "the end is missing");
    assert.equal(seen.chunks[0].choices[0].delta.role, "assistant");
  });
}

test("usage comes when the client asked for it", async () => {
  const stream = await openai.chat.completions.create({
    model: "sim-chunks-8", messages, stream: true, stream_options: { include_usage: true },
  });
  const seen = await collect(stream);
  assert.equal(seen.usages.length, 1);
  assert.equal(seen.usages[0].completion_tokens, 8);
  assert.deepEqual(seen.chunks.at(-1).choices, []);
  assert.ok(seen.chunks.slice(0, -1).every((chunk) => chunk.usage === null));
});

test("a client that did not ask sees no usage, and the record has the tokens", onlyGated, async () => {
  await house.forget();
  const stream = await openai.chat.completions.create({
    model: "sim-chunks-9", messages, stream: true,
  });
  const seen = await collect(stream);
  assert.deepEqual(seen.usages, []);
  assert.ok(seen.chunks.every((chunk) => !("usage" in chunk)), "a null usage was left behind");
  assert.ok(seen.chunks.every((chunk) => chunk.choices.length > 0), "the extra chunk was left");
  const calls = await house.calls("--model", "sim-chunks-9");
  assert.equal(calls.length, 1);
  assert.equal(calls[0].tokens_output, 9);
  assert.ok(calls[0].tokens_input > 0);
});

test("a response", async () => {
  const answer = await openai.responses.create({ model: "gpt-5.5", input: "Grüße, 世界" });
  assert.equal(answer.status, "completed");
  assert.ok(answer.output_text.length > 0);
  assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens);
});

test("an incomplete response is still a 200", async () => {
  const answer = await openai.responses.create({
    model: "gpt-5.5", input: "Hello", max_output_tokens: 2,
  });
  assert.equal(answer.status, "incomplete");
  assert.equal(answer.incomplete_details.reason, "max_output_tokens");
});

for (const model of ["gpt-5.5", "sim-split-utf8+chunks-60", "sim-tools"]) {
  test(`a response stream: ${model}`, async () => {
    const stream = await openai.responses.create({ model, input: "Hello", stream: true });
    const events = [];
    for await (const event of stream) events.push(event);
    assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, i) => i));
    assert.equal(events[0].type, "response.created");
    const last = events.at(-1);
    assert.equal(last.type, "response.completed");
    assert.ok(last.response.usage.output_tokens > 0);
    const kind = model === "sim-tools" ? "function_call_arguments" : "output_text";
    const deltas = events.filter((event) => event.type === `response.${kind}.delta`);
    const text = deltas.map((event) => event.delta).join("");
    const done = events.find((event) => event.type === `response.${kind}.done`);
    assert.equal(text, done.text ?? done.arguments);
    assert.ok(!text.includes("\ufffd"));
  });
}

test("the older completions, streamed", async () => {
  const stream = await openai.completions.create({
    model: "gpt-3.5-turbo-instruct", prompt: "Once", stream: true, max_tokens: 5,
  });
  let pieces = 0;
  for await (const chunk of stream) {
    if (chunk.choices.length > 0) pieces += 1;
    if (gated) assert.ok(!("usage" in chunk));
  }
  assert.equal(pieces, 5);
});

test("an answer of 4 MB, and a stream of as much", async () => {
  const bytes = 4 << 20;
  const whole = await openai.chat.completions.create({ model: `sim-big-${bytes}`, messages });
  assert.equal(whole.choices[0].message.content.length, bytes);
  const seen = await collect(
    await openai.chat.completions.create({ model: `sim-big-${bytes}`, messages, stream: true }));
  assert.equal(seen.text.length, bytes);
});

test("a body of 8 MB", async () => {
  await house.forget();
  const content = "ü".repeat(4 << 20);
  const answer = await openai.chat.completions.create({
    model: "gpt-5.5", messages: [{ role: "user", content }],
  });
  assert.equal(answer.usage.prompt_tokens > 2_000_000, true);
  const [seen] = await house.requests("/v1/chat/completions");
  assert.ok(seen.body_bytes > 8 << 20);
});
