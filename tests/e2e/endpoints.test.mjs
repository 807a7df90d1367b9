// SPDX-License-Identifier: Apache-2.0
// The other endpoint families, and what HTTP asks of a gateway: HEAD, queries, unknown paths.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { toFile } from "openai";
import { gated, onlyGated, sha256, start } from "./house.mjs";

let house;
let openai;
before(async () => {
  house = await start();
  openai = house.client();
});
after(() => house.stop());

test("embeddings: base64 on the wire, numbers for the caller", async () => {
  const answer = await openai.embeddings.create({
    model: "text-embedding-3-small", input: ["one", "zwei", "三"],
  });
  assert.equal(answer.data.length, 3);
  assert.equal(answer.data[2].embedding.length, 1536);
  assert.ok(answer.data[0].embedding.every((x) => Math.abs(x) <= 1));
  assert.ok(answer.usage.total_tokens > 0);
  const plain = await openai.embeddings.create({
    model: "text-embedding-3-small", input: "one", encoding_format: "float", dimensions: 8,
  });
  assert.equal(plain.data[0].embedding.length, 8);
});

test("a file: up, listed, read back, deleted", async () => {
  await house.forget();
  const bytes = Buffer.concat([Buffer.from("{\"a\":1}\n世界\r\n"), Buffer.alloc(300_000, 7)]);
  const made = await openai.files.create({
    file: await toFile(bytes, "data.jsonl"), purpose: "assistants",
  });
  assert.equal(made.bytes, bytes.length);
  assert.equal(made.filename, "data.jsonl");
  const listed = [];
  for await (const file of openai.files.list()) listed.push(file.id);
  assert.deepEqual(listed, [made.id]);
  const content = Buffer.from(await (await openai.files.content(made.id)).arrayBuffer());
  assert.equal(sha256(content), sha256(bytes));
  assert.equal((await openai.files.retrieve(made.id)).id, made.id);
  assert.equal((await openai.files.delete(made.id)).deleted, true);
  await assert.rejects(openai.files.retrieve(made.id), { status: 404 });
  const methods = (await house.requests()).map((request) => request.method);
  assert.deepEqual(methods, ["POST", "GET", "GET", "GET", "DELETE", "GET"]);
});

test("a file of 20 MB", async () => {
  const bytes = Buffer.alloc(20 << 20, "0123456789abcdef");
  const made = await openai.files.create({ file: await toFile(bytes, "big"), purpose: "user_data" });
  const content = Buffer.from(await (await openai.files.content(made.id)).arrayBuffer());
  assert.equal(sha256(content), sha256(bytes));
  await openai.files.delete(made.id);
});

test("an upload that breaks off never reaches the provider whole", onlyGated, async () => {
  await house.forget();
  const answer = await house.fetch("/v1/files", {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=B" },
    body: "--B\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n",
  });
  assert.equal(answer.status, 400);
  assert.equal((await answer.json()).error.type, "invalid_request_error");
  assert.deepEqual(await house.requests(), []);
});

test("speech is the provider's bytes", async () => {
  const answer = await openai.audio.speech.create({
    model: "gpt-4o-mini-tts", voice: "alloy", input: "Hello, 世界",
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(answer.headers.get("content-type"), "audio/mpeg");
  assert.equal(bytes.subarray(0, 3).toString(), "ID3");
  const again = await openai.audio.speech.create({
    model: "gpt-4o-mini-tts", voice: "alloy", input: "Hello, 世界",
  });
  assert.equal(sha256(Buffer.from(await again.arrayBuffer())), sha256(bytes));
});

test("a transcription, whole and streamed", async () => {
  const file = () => toFile(Buffer.alloc(64_000, 1), "speech.mp3");
  const whole = await openai.audio.transcriptions.create({
    file: await file(), model: "gpt-4o-transcribe",
  });
  assert.ok(whole.text.length > 0);
  assert.equal(whole.usage.type, "tokens");
  const timed = await openai.audio.transcriptions.create({ file: await file(), model: "whisper-1" });
  assert.equal(timed.usage.type, "duration");
  const stream = await openai.audio.transcriptions.create({
    file: await file(), model: "gpt-4o-transcribe", stream: true,
  });
  const events = [];
  for await (const event of stream) events.push(event);
  assert.equal(events.at(-1).type, "transcript.text.done");
  const deltas = events.filter((event) => event.type === "transcript.text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), events.at(-1).text);
});

test("images: base64, with usage; streamed", async () => {
  const answer = await openai.images.generate({ model: "gpt-image-1", prompt: "A gate", n: 2 });
  assert.equal(answer.data.length, 2);
  assert.equal(Buffer.from(answer.data[0].b64_json, "base64").subarray(1, 4).toString(), "PNG");
  assert.ok(answer.usage.total_tokens > 0);
  const stream = await openai.images.generate({
    model: "gpt-image-1", prompt: "A gate", stream: true, partial_images: 2,
  });
  const types = [];
  for await (const event of stream) types.push(event.type);
  assert.deepEqual(types, ["image_generation.partial_image", "image_generation.partial_image",
    "image_generation.completed"]);
});

test("moderations", async () => {
  const answer = await openai.moderations.create({ input: ["peace", "kill"] });
  assert.deepEqual(answer.results.map((result) => result.flagged), [false, true]);
});

test("models", async () => {
  const ids = [];
  for await (const model of openai.models.list()) ids.push(model.id);
  assert.ok(ids.includes("gpt-5.5"));
  assert.equal((await openai.models.retrieve("gpt-5.5")).id, "gpt-5.5");
  await assert.rejects(openai.models.retrieve("gpt-nonexistent"), { status: 404 });
});

test("an unknown path gets the provider's own 404", async () => {
  for (const [method, path] of [["GET", "/v1/nothing"], ["POST", "/v1/new/thing"],
    ["PATCH", "/v1/chat/completions/x"]]) {
    const body = method === "GET" ? undefined : "{}";
    const headers = body ? { "content-type": "application/json" } : {};
    const answer = await house.fetch(path, { method, body, headers });
    assert.equal(answer.status, 404, path);
    const { error } = await answer.json();
    assert.equal(error.message, `Invalid URL (${method} ${path})`);
  }
});

test("HEAD has the head of GET and no body", async () => {
  const head = await house.fetch("/v1/models", { method: "HEAD" });
  const get = await house.fetch("/v1/models");
  assert.equal(head.status, 200);
  assert.equal(head.headers.get("content-length"), get.headers.get("content-length"));
  assert.equal((await head.arrayBuffer()).byteLength, 0);
  assert.ok((await get.arrayBuffer()).byteLength > 0);
});

test("a query string arrives as it was sent", async () => {
  await house.forget();
  const query = "limit=3&after=file-a%2Bb&order=desc&metadata[x]=%E4%B8%96";
  const answer = await house.fetch(`/v1/files?${query}`);
  assert.equal(answer.status, 200);
  await answer.arrayBuffer();
  const [seen] = await house.requests("/v1/files");
  assert.equal(seen.query, query);
});

test("what identifies the account stays in the house", onlyGated, async () => {
  const answer = await house.fetch("/v1/models");
  await answer.arrayBuffer();
  for (const name of ["openai-organization", "openai-project", "set-cookie", "cf-ray"]) {
    assert.equal(answer.headers.get(name), null, name);
  }
  assert.match(answer.headers.get("x-request-id"), /^req_/);
  assert.ok(gated);
});

test("headers: dropped, replaced, passed", onlyGated, async () => {
  await house.forget();
  const answer = await house.fetch("/v1/models", {
    headers: {
      "openai-organization": "org-of-the-client", "openai-project": "proj-of-the-client",
      "openai-beta": "assistants=v2", cookie: "a=b", "x-forwarded-for": "1.2.3.4",
      "x-sallyport-module": "billing",
    },
  });
  await answer.arrayBuffer();
  const [seen] = await house.requests("/v1/models");
  const headers = Object.fromEntries(seen.headers);
  for (const name of ["openai-organization", "openai-project", "cookie", "x-forwarded-for",
    "x-sallyport-module"]) {
    assert.equal(headers[name], undefined, name);
  }
  assert.equal(headers["openai-beta"], "assistants=v2");
});
