// SPDX-License-Identifier: Apache-2.0
// The end of a gate and the next beginning: what runs ends whole or is told, and nothing is lost.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import OpenAI from "openai";
import { collect, gated, messages, start, until } from "./house.mjs";

const only = { skip: !gated };
const patientMs = 30_000;
let house;
afterEach(() => house?.stop());

const drain = (time) => ({
  configure: (text) => text.replace("http:\n", `http:\n  timeouts: {drain: ${time}}\n`),
});
const chat = (model, options = {}) =>
  house.client().chat.completions.create({ model, messages, ...options });

// A stream whose first piece has come, and how it ends.
async function begin(model) {
  const stream = await chat(model, { stream: true });
  const running = { begun: false, ended: false, endedAt: null };
  const read = async () => {
    const seen = { finish: null, pieces: 0 };
    for await (const chunk of stream) {
      running.begun = true;
      seen.pieces += 1;
      seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    }
    return seen;
  };
  running.seen = read().finally(() => {
    running.ended = true;
    running.endedAt = Date.now();
  });
  running.seen.catch(() => {});
  await until("the stream begins", () => running.begun, patientMs);
  return running;
}

// Tries to connect; false when nobody listens.
const accepts = (port) => new Promise((answer) => {
  const socket = connect(port, "127.0.0.1");
  socket.once("connect", () => (socket.destroy(), answer(true)));
  socket.once("error", () => answer(false));
});

const refused = () => until("new connections are refused",
  async () => !(await accepts(house.gatePort)), patientMs);

test("running streams end whole, new connections are refused, the exit is 0", only, async () => {
  house = await start();
  const models = Array.from({ length: 10 }, (_, i) => `sim-delay-80+chunks-${50 + i}`);
  const streams = await Promise.all(models.map(begin));
  const slow = chat("sim-latency-2500"); // asked, and not yet answered
  slow.catch(() => {});
  await until("it has gone up", async () => (await house.requests()).length === 11, patientMs);

  house.gate.process.kill("SIGTERM");
  await refused();
  assert.ok(streams.every((each) => !each.ended), "the streams were too short to prove anything");
  await assert.rejects(chat("gpt-5.5"), OpenAI.APIConnectionError);

  for (const [i, each] of streams.entries()) {
    const { finish, pieces } = await each.seen;
    assert.equal(finish, "stop", models[i]);
    assert.equal(pieces, 52 + i, models[i]);
  }
  assert.ok((await slow).choices[0].message.content);
  const last = Date.now();
  assert.equal(await house.gate.ended, 0);
  assert.ok(Date.now() - last < 10_000, "it waited for nothing");
  await house.command("audit", "verify");
  const calls = await house.calls();
  assert.deepEqual(calls.map((call) => [call.model, call.status, call.error]).sort(),
    [...models, "sim-latency-2500"].map((model) => [model, 200, null]).sort());
});

test("idle and half-begun connections do not hold up the stop", only, async () => {
  house = await start(drain("25s"));
  const idle = connect(house.gatePort, "127.0.0.1");
  const agent = new Agent({ keepAlive: true });
  await new Promise((resolve, reject) => request(
    { port: house.gatePort, host: "127.0.0.1", path: "/v1/models", agent,
      headers: { authorization: `Bearer ${house.key}` } },
    (answer) => answer.resume().on("end", resolve)).on("error", reject).end());
  const half = connect(house.gatePort, "127.0.0.1");
  half.write("POST /v1/chat/completions HTTP/1.1\r\nho");
  for (const socket of [idle, half]) socket.on("error", () => {});
  await until("both are accepted", async () => {
    const page = await (await fetch(`${house.adminURL}/metrics`)).text();
    return /^sallyport_connections_open [3-9]/m.test(page);
  }, patientMs);
  const from = Date.now();
  house.gate.process.kill("SIGTERM");
  assert.equal(await house.gate.ended, 0);
  assert.ok(Date.now() - from < 15_000, "it waited for connections without a request");
  for (const socket of [idle, half]) socket.destroy();
  agent.destroy();
});

test("a stream longer than the drain time is told shutting_down, and recorded", only, async () => {
  house = await start(drain("1s"));
  const long = await begin("sim-slow");
  const raw = house.fetch("/v1/responses", {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "sim-slow", input: "x", stream: true }),
  }).then((answer) => answer.text());
  raw.catch(() => {});
  const unanswered = chat("sim-hang-30000").then(() => null, (error) => error);
  await until("all are up", async () => (await house.requests()).length === 3, patientMs);

  house.gate.process.kill("SIGTERM");
  const from = Date.now();
  const error = await long.seen.then(() => null, (failure) => failure);
  assert.ok(error instanceof OpenAI.APIError, `${error}`);
  assert.equal(error.code, "shutting_down");
  assert.ok(long.endedAt - from >= 900, `cut after ${long.endedAt - from} ms, not after a second`);
  const event = (await raw).trimEnd().split("\n\n").at(-1);
  assert.match(event, /"code":"shutting_down"/);
  const late = await unanswered;
  assert.deepEqual([late.status, late.code], [503, "shutting_down"]);
  assert.equal(await house.gate.ended, 0);
  assert.ok(Date.now() - from < 15_000, "it did not end soon after the drain time");

  await house.command("audit", "verify");
  const calls = await house.calls();
  assert.deepEqual(calls.map((call) => call.error), Array(3).fill("shutting_down"));
  assert.deepEqual(calls.map((call) => call.status).sort(), [200, 200, 503]);
  await until("the provider is let go",
    async () => (await house.requests()).every((asked) => asked.client_left), patientMs);
});

test("everything that was answered is in the journal, however hard the stop", only, async () => {
  house = await start(drain("2s"));
  const answered = [];
  let stopped = false;
  const load = Array.from({ length: 8 }, async () => {
    while (!stopped) {
      try {
        const { response } = await chat("sim-chunks-5").withResponse();
        answered.push(response.headers.get("x-request-id"));
      } catch (error) {
        if (error instanceof OpenAI.APIConnectionError) return;
        assert.equal(error.code, "shutting_down");
      }
    }
  });
  await until("there is load", () => answered.length >= 50, patientMs);
  house.gate.process.kill("SIGTERM");
  assert.equal(await house.gate.ended, 0);
  stopped = true;
  await Promise.all(load);
  await house.command("audit", "verify");
  const recorded = new Set((await house.calls()).flatMap(
    (call) => [call.request_id, call.upstream_request_id]));
  assert.deepEqual(answered.filter((id) => !recorded.has(id)), []);
});

test("keys, revocations and the admin token survive a restart", only, async () => {
  house = await start();
  const token = await until("the admin token is shown",
    () => /Admin token[^:]*: (\S+)/.exec(house.gate.errors)?.[1]);
  const dead = await house.createKey("revoked-before");
  await house.command("keys", "revoke", "revoked-before");
  const listed = () => fetch(`${house.adminURL}/admin/v1/keys`, {
    headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.json());
  const before = await listed();
  for (const how of ["SIGTERM", "SIGKILL"]) {
    house.gate.process.kill(how);
    await house.gate.ended;
    await house.serve();
    assert.deepEqual(await listed(), before, how);
    assert.ok(!house.gate.errors.includes("Admin token"), `after ${how} a new token is shown`);
    assert.ok((await chat("gpt-5.5")).id, how);
    assert.equal((await house.fetch("/v1/models", { key: dead })).status, 401, how);
    await house.command("audit", "verify");
  }
  assert.match(await house.command("keys", "list", "--all"), /revoked-before/);
});

test("a second gate on the same journal refuses to start and harms nothing", only, async () => {
  house = await start();
  const elsewhere = join(house.folder, "second.yaml");
  const other = (text) => text.replace(`:${house.gatePort}"`, ':0"')
    .replace(`:${house.adminPort}"`, ':0"').replace("admin.sock", "second.sock");
  await writeFile(elsewhere, other(await readFile(house.config, "utf8")));
  for (const config of [elsewhere, house.config]) {
    const second = house.second(config);
    const late = setTimeout(() => second.process.kill("SIGKILL"), patientMs);
    assert.equal(await second.ended, 1);
    clearTimeout(late);
    assert.match(second.errors, /cannot open the journal: .*(another|in use|locked)/i);
    assert.ok(!second.errors.includes("Admin token"));
  }
  assert.ok((await chat("gpt-5.5")).id, "the first gate suffered");
  const seen = await collect(await chat("sim-chunks-20", { stream: true }));
  assert.equal(seen.finish, "stop");
  await house.createKey("after-the-second"); // the socket is still the first one's
  await house.command("audit", "verify");
});

// The threads of a gate share its port, and the system would let another gate share it too.
test("a gate of other files does not share the port of a running one", only, async () => {
  house = await start();
  const config = join(house.folder, "second.yaml");
  await writeFile(config, house.text.replace(`:${house.adminPort}"`, ':0"')
    .replace("admin.sock", "second.sock").replace("/journal", "/second-journal")
    .replace("sallyport.db", "second.db"));
  const second = house.second(config);
  const late = setTimeout(() => second.process.kill("SIGKILL"), patientMs);
  assert.equal(await second.ended, 1);
  clearTimeout(late);
  assert.match(second.errors, new RegExp(`cannot open the gate: .*:${house.gatePort}: .*in use`));
  assert.doesNotMatch(second.errors, /Sanitizer/, "its doors were open already");
  const asked = await Promise.all(Array.from({ length: 20 }, () => house.fetch("/v1/models")));
  assert.ok(asked.every((answer) => answer.status === 200), "the first gate suffered");
});
