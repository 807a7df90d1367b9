// SPDX-License-Identifier: Apache-2.0
// A real gate and an OTLP receiver that knows the encoding's rules: lowerCamelCase, 64-bit integers
// as text, ids in hex, enumerations as numbers, and a partial success that is never sent again.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { start, until } from "../e2e/house.mjs";
import { token, unpacked } from "./receivers.mjs";

const limitMs = 30_000;

class Otlp {
  taken = { logs: [], spans: [] };
  metrics = new Map();
  complaints = [];
  faults = []; // of requests with logs, one each

  async listen() {
    this.server = createServer((request, answer) => {
      const pieces = [];
      request.on("data", (piece) => pieces.push(piece));
      request.on("end", () => this.receive(request, answer, unpacked(request, Buffer.concat(pieces), true).toString("utf8")));
    });
    await new Promise((ready) => this.server.listen(0, "127.0.0.1", ready));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  close() {
    return new Promise((closed) => this.server.close(closed));
  }

  receive(request, answer, body) {
    const say = (status, text, headers = {}) => answer.writeHead(status, headers).end(text);
    if (request.headers.authorization !== `Bearer ${token}`) return say(401, "");
    if (request.headers["content-type"] !== "application/json") this.complaints.push("type");
    const signal = { "/v1/logs": "resourceLogs", "/v1/traces": "resourceSpans", "/v1/metrics": "resourceMetrics" }[request.url];
    if (!signal) return say(404, "");
    const fault = request.url === "/v1/logs" ? this.faults.shift() : undefined;
    if (fault === "slow") return say(429, "", { "retry-after": "1" });
    if (fault === "busy") return say(503, "");
    if (fault === "error") return say(500, "");
    if (fault === "page") return say(200, "<html>");
    try {
      const root = JSON.parse(body);
      assert.deepEqual(Object.keys(root), [signal]);
      this.check(root);
      this.take(request.url, root[signal][0], fault);
    } catch (error) {
      this.complaints.push(error.message);
      return say(400, "");
    }
    if (fault !== "partial") return say(200, "{}", { "content-type": "application/json" });
    return say(200, '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}');
  }

  check(value, name = "") {
    if (Array.isArray(value)) return value.forEach((one) => this.check(one, name));
    if (typeof value === "object" && value !== null) {
      return Object.entries(value).forEach(([key, one]) => {
        assert.match(key, /^[a-z][A-Za-z0-9]*$/, `member ${key}`);
        this.check(one, key);
      });
    }
    if (/(UnixNano|^intValue|^count|^bucketCounts)$/.test(name)) assert.match(value, /^-?\d+$/, name);
    if (name === "traceId") assert.match(value, /^[0-9a-f]{32}$/);
    if (name === "spanId") assert.match(value, /^[0-9a-f]{16}$/);
    if (["kind", "code", "severityNumber", "aggregationTemporality"].includes(name)) assert.ok(Number.isInteger(value), name);
    if (name === "doubleValue" || name === "asDouble") assert.equal(typeof value, "number");
    assert.notEqual(value, null, name);
  }

  take(path, { resource, ...scopes }, fault) {
    assert.ok(resource.attributes.some(({ key, value }) => key === "service.name" && value.stringValue === "sallyport"));
    const [scope] = Object.values(scopes)[0];
    const flat = ({ attributes, ...rest }) => ({
      ...rest,
      ...Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
    });
    if (path === "/v1/logs" && fault !== "partial") this.taken.logs.push(...scope.logRecords.map(flat));
    if (path === "/v1/traces") this.taken.spans.push(...scope.spans.map(flat));
    if (path === "/v1/metrics") for (const one of scope.metrics) this.metrics.set(one.name, one);
  }
}

const gateWith = (receiver, more = "") => start({
  env: { SINK_BEARER: `Bearer ${token}` },
  more: `notify:
  - {name: one, type: otlp, url: "${receiver.url}", token: "\${env:SINK_BEARER}", allow: [127.0.0.0/8],
     begin: beginning, batch_wait: 100ms, timeout: 2s${more}, options: {metrics: 5s}}
`,
});
const sink = async (house) => JSON.parse(await house.command("sinks", "list", "--json")).data[0];
const settled = (house) => until("all is sent", async () => (await sink(house)).behind === 0, limitMs);

test("every record is a log record, every call a span, and metrics come", async () => {
  const receiver = await new Otlp().listen();
  receiver.faults = ["slow", undefined, "busy", undefined, "page", undefined, "error"];
  const house = await gateWith(receiver, ", batch_records: 10");
  try {
    const client = house.client();
    for (let i = 0; i < 15; i += 1) {
      await client.chat.completions.create({ model: "gpt-4o-mini", messages: [{ role: "user", content: "canary-7319" }] });
      await house.fetch("/v1/models", { key: null });
    }
    await settled(house);
    const records = await house.records();
    const ids = new Set(receiver.taken.logs.map((log) => log["sallyport.audit.id"].split(":").at(-1)));
    for (const { seq } of records) assert.ok(ids.has(String(seq)), `record ${seq} is missing`);
    const calls = records.filter(({ kind, endpoint }) => kind === "request" && endpoint === "POST /v1/chat/completions");
    const spans = new Map(receiver.taken.spans.map((span) => [span["sallyport.request_id"], span]));
    assert.equal(spans.size, calls.length);
    for (const call of calls) {
      const span = spans.get(call.request_id);
      assert.equal(span.name, "chat gpt-4o-mini");
      assert.equal(span["gen_ai.usage.input_tokens"], String(call.tokens_input));
      const logs = receiver.taken.logs.filter(({ traceId }) => traceId === span.traceId);
      assert.ok(logs.some((log) => log.eventName === "sallyport.request"));
    }
    await until("metrics are pushed", () => receiver.metrics.has("gen_ai.client.token.usage"), limitMs);
    for (const name of ["sallyport_requests", "sallyport_journal_records", "sallyport_sink_sent"]) {
      assert.ok(receiver.metrics.get(name)?.sum.dataPoints.length > 0, name);
    }
    assert.deepEqual(receiver.complaints, []);
    assert.ok(!JSON.stringify([receiver.taken, [...receiver.metrics]]).includes("canary-7319"), "a prompt left the gate");
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("a partial success is not sent again; its records are dead letters", async () => {
  const receiver = await new Otlp().listen();
  receiver.faults = ["partial"];
  const house = await gateWith(receiver);
  try {
    await house.fetch("/v1/models");
    await settled(house);
    const { dead } = await sink(house);
    assert.ok(dead > 0);
    const letters = (await readFile(join(house.folder, "journal/sinks/one.dead"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(letters.length, dead);
    assert.match(letters[0].reason, /1 of these \d+ were rejected: too old/);
    const again = new Set(receiver.taken.logs.map((log) => log["sallyport.audit.id"]));
    for (const { id } of letters) assert.ok(!again.has(id), `${id} was sent again`);
    assert.deepEqual(receiver.complaints, []);
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("kill -9 during delivery, otlp: nothing lost, at most one batch twice each time, same ids", async (t) => {
  const rounds = Number(process.env.SALLYPORT_KILL_ROUNDS ?? 3);
  const receiver = await new Otlp().listen();
  const house = await gateWith(receiver, ", batch_records: 10");
  const ids = () => receiver.taken.logs.map((log) => log["sallyport.audit.id"]);
  const repeats = () => ids().length - new Set(ids()).size;
  const call = () => house.fetch("/v1/models");
  try {
    const after = []; // one kill, until the next
    for (let round = 0; round < rounds; round += 1) {
      // Once more where a connection was that of the gate which was killed.
      await Promise.all(Array.from({ length: 20 }, () => call().catch(call)));
      const before = receiver.taken.logs.length;
      await until("a delivery is under way", () => receiver.taken.logs.length > before, limitMs);
      house.gate.process.kill("SIGKILL");
      await house.gate.ended;
      after.push(repeats() - after.reduce((sum, one) => sum + one, 0));
      await house.serve();
    }
    await settled(house);
    after.push(repeats() - after.reduce((sum, one) => sum + one, 0));
    const worst = Math.max(...after);
    assert.deepEqual(receiver.complaints, []);
    const sent = new Set(ids().map((id) => Number(id.split(":").at(-1))));
    const records = await house.records();
    for (const { seq } of records) assert.ok(sent.has(seq), `record ${seq} is missing`);
    assert.ok(worst <= 10, `${worst} records twice after one kill`);
    t.diagnostic(`${rounds} rounds: ${records.length} records, ${repeats()} twice, at most ${worst} after one kill`);
  } finally {
    await house.stop();
    await receiver.close();
  }
});
