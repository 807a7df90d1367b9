// SPDX-License-Identifier: Apache-2.0
// The doors of the house: health, metrics, keys; who may, what is recorded, what is on which port.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { userInfo } from "node:os";
import { after, before, test } from "node:test";
import { gated, messages, start, until } from "./house.mjs";

let house;
let token;
before(async () => {
  if (!gated) return;
  house = await start();
  token = await until("the admin token is shown",
    () => /Admin token[^:]*: (\S+)/.exec(house.gate.errors)?.[1]);
});
after(() => house?.stop());

const only = { skip: !gated };

// `fetch` does not let a caller choose Host or Origin.
function ask(path, { method = "GET", headers = {}, body, port = house.adminPort } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path, method, headers, agent: false },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (piece) => (text += piece));
        answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text,
          json: () => JSON.parse(text) }));
      });
    asked.on("error", reject);
    asked.end(body);
  });
}

const withToken = (headers = {}) => ({ authorization: `Bearer ${token}`, ...headers });
const post = (path, value, headers = withToken()) => ask(path, {
  method: "POST", body: JSON.stringify(value),
  headers: { "content-type": "application/json", ...headers },
});
const code = (answer) => answer.json().error.code;

test("alive and ready, without a token", only, async () => {
  const alive = await ask("/health/liveliness");
  assert.deepEqual([alive.status, alive.text], [200, "alive\n"]);
  const ready = await ask("/health/readiness");
  assert.equal(ready.status, 200);
  const { status, checks } = ready.json();
  assert.equal(status, "ready");
  assert.deepEqual(checks.map(({ name, ok, essential }) => [name, ok, essential]),
    [["journal", true, true], ["key_store", true, true], ["clock", true, false],
      ["upstream.simulation", true, false]]);
  assert.equal((await ask("/health/readiness", { method: "POST" })).status, 405);
});

// The rules of OpenMetrics 1.0 that a scraper trips over.
function readMetrics(text) {
  assert.ok(text.endsWith("\n# EOF\n"), "it does not end with # EOF");
  const families = new Map();
  const samples = new Map();
  let family;
  for (const line of text.split("\n").slice(0, -2)) {
    const meta = /^# (TYPE|HELP|UNIT) ([a-z][a-z0-9_]*) (.+)$/.exec(line);
    if (meta) {
      if (meta[1] !== "TYPE") continue;
      assert.ok(!families.has(meta[2]), `twice: ${meta[2]}`);
      family = { name: meta[2], type: meta[3] };
      families.set(family.name, family);
      continue;
    }
    const sample = /^([a-z][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)(?: # (\{.*\} \S+ \d+\.\d{3}))?$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    const [, name, labels = "", value, exemplar] = sample;
    if (exemplar) assert.match(exemplar, /^\{request_id="req_[0-9A-Za-z]+"\} /, "only buckets have one");
    assert.ok(!exemplar || name.endsWith("_bucket"), line);
    const suffixes = { counter: ["_total"], gauge: [""], histogram: ["_bucket", "_sum", "_count"] };
    assert.ok(suffixes[family.type].some((suffix) => name === family.name + suffix),
      `${name} in the ${family.type} ${family.name}`);
    assert.ok(Number.isFinite(Number(value)), line);
    assert.ok(!samples.has(name + labels), `twice: ${name}${labels}`);
    samples.set(name + labels, Number(value));
  }
  return { families, samples };
}

test("the metrics are OpenMetrics, and they count", only, async () => {
  const before = readMetrics((await ask("/metrics")).text);
  await house.client().chat.completions.create({ model: "gpt-5.5", messages });
  assert.equal((await house.fetch("/v1/models", { key: "sk-wrong" })).status, 401);
  const page = await ask("/metrics");
  assert.equal(page.status, 200);
  assert.match(page.headers["content-type"], /^application\/openmetrics-text; *version=1\.0\.0/);
  const { samples, families } = readMetrics(page.text);
  const grown = (name) => samples.get(name) - before.samples.get(name);
  assert.equal(grown('sallyport_requests_total{status="2xx"}'), 1);
  assert.equal(grown('sallyport_requests_total{status="4xx"}'), 1);
  assert.equal(grown('sallyport_upstream_calls_total{upstream="simulation"}'), 1);
  assert.equal(samples.get("sallyport_journal_accepting"), 1);
  assert.equal(families.get("sallyport_journal_sync_seconds").type, "histogram");
  for (const secret of [house.key, token, "Grüße"]) assert.ok(!page.text.includes(secret));
  const manual = await readFile(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  for (const [family, { type }] of families) {
    assert.ok(manual.includes(`\n| \`${family}\` | ${type} |`), `docs/metrics.md says nothing of ${family}`);
  }
});

test("keys: nobody without the token, and refusals are recorded", only, async () => {
  const attempts = [{}, { authorization: "Bearer wrong" }, { authorization: `Basic ${token}` },
    { authorization: `Bearer ${token}x` }, { authorization: `Bearer ${house.key}` },
    { "x-api-key": token }];
  for (const headers of attempts) {
    for (const path of ["/admin/v1/keys", "/admin/v1/status", "/admin/v1/keys/e2e", "/nothing"]) {
      const answer = await ask(path, { headers });
      assert.deepEqual([answer.status, code(answer)], [401, "invalid_admin_token"], path);
    }
    const made = await post("/admin/v1/keys", { name: "thief" }, headers);
    assert.equal(made.status, 401);
    assert.equal((await post("/admin/v1/keys/e2e/revoke", {}, headers)).status, 401);
  }
  const keys = (await ask("/admin/v1/keys", { headers: withToken() })).json().data;
  assert.deepEqual(keys.map((key) => [key.name, key.status]), [["e2e", "active"]]);
  // Of a flood the first of each second stand one by one, the others in one record: none is lost.
  const refused = await until("each refusal is counted", async () => {
    const records = (await house.records("--kind", "admin"))
      .filter((record) => record.action === "admin.refused");
    const count = records.reduce((sum, record) => sum + (record.repeated ?? 1), 0);
    return count === attempts.length * 6 && records;
  });
  for (const record of refused) {
    assert.equal(record.error, "invalid_admin_token");
    assert.equal(record.ip, "127.0.0.1");
    assert.ok(!JSON.stringify(record).includes(token));
  }
});

test("a foreign Host or any Origin is refused, token or not", only, async () => {
  const hosts = ["evil.example", `evil.example:${house.adminPort}`, "127.0.0.1.evil.example",
    "localhost.evil.example", "169.254.169.254", "[::ffff:1.2.3.4]"];
  for (const host of hosts) {
    for (const path of ["/admin/v1/keys", "/metrics", "/health/readiness"]) {
      const answer = await ask(path, { headers: withToken({ host }) });
      assert.ok([400, 403].includes(answer.status), `${host} ${path}: ${answer.status}`);
      if (answer.status === 403) assert.equal(code(answer), "forbidden_host");
    }
  }
  for (const host of ["localhost", `LOCALHOST:${house.adminPort}`, "127.0.0.1", "[::1]:1"]) {
    const answer = await ask("/admin/v1/status", { headers: withToken({ host }) });
    assert.equal(answer.status, 200, host);
  }
  const page = await ask("/admin/v1/keys", { headers: withToken({ origin: "http://localhost" }) });
  assert.deepEqual([page.status, code(page)], [403, "forbidden_origin"]);
});

test("the doors of the house are not on the data port, nor the gate on theirs", only, async () => {
  await house.forget();
  for (const path of ["/admin/v1/keys", "/admin/v1/status", "/metrics", "/health/readiness",
    "/health/liveliness", "/v1/../admin/v1/keys", "/v1/%2e%2e/admin/v1/keys"]) {
    for (const headers of [{}, withToken(), { authorization: `Bearer ${house.key}` }]) {
      const answer = await ask(path, { port: house.gatePort, headers });
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
      assert.ok(code(answer), path);
    }
  }
  assert.equal((await house.requests()).length, 0, "the provider was asked for it");
  const chat = { model: "gpt-5.5", messages };
  for (const headers of [withToken(), { authorization: `Bearer ${house.key}` }]) {
    const answer = await post("/v1/chat/completions", chat, headers);
    assert.ok([401, 404].includes(answer.status), `${answer.status}`);
  }
  assert.equal((await house.requests()).length, 0, "the admin port passed a call on");
});

test("a key is made, works, and dies; each act is a record with actor and ip", only, async () => {
  const made = await post("/admin/v1/keys", { name: "over-http", owner: "ops", life: "1h" });
  assert.equal(made.status, 201);
  const { key, kid, expires_at: expires } = made.json();
  assert.ok(Math.abs(Date.parse(expires) - Date.now() - 3_600_000) < 60_000, expires);
  assert.equal((await house.fetch("/v1/models", { key })).status, 200);
  const again = await post("/admin/v1/keys", { name: "over-http" });
  assert.deepEqual([again.status, code(again)], [409, "name_taken"]);
  const shown = await ask("/admin/v1/keys/over-http", { headers: withToken() });
  assert.equal(shown.status, 200);
  assert.ok(!shown.text.includes(key), "the key is shown a second time");
  const revoked = await post("/admin/v1/keys/over-http/revoke", { why: "a test" });
  const { durable, recorded, data } = revoked.json();
  assert.deepEqual([revoked.status, durable, recorded, data[0].status],
    [200, true, true, "revoked"]);
  assert.equal((await house.fetch("/v1/models", { key })).status, 401);

  await house.createKey("over-socket");
  await house.command("keys", "revoke", "over-socket");
  const acts = (await house.records("--kind", "admin"))
    .filter((record) => record.api_key_id?.startsWith("over-"));
  const seen = acts.map(({ api_key_id: id, action, actor, ip }) => [id, action, actor, ip || null]);
  assert.deepEqual(seen, [
    ["over-http", "key.create", "admin_token", "127.0.0.1"],
    ["over-http", "key.revoke", "admin_token", "127.0.0.1"],
    ["over-socket", "key.create", `local:${userInfo().username}`, null],
    ["over-socket", "key.revoke", `local:${userInfo().username}`, null]]);
  assert.ok(acts.slice(0, 2).every((record) => record.kid === kid));
  assert.ok(!JSON.stringify(acts).includes(key));
});

test("a mistyped limit is no key", only, async () => {
  const wrong = [{ name: "m", model: ["gpt-5*"] }, { name: "m", life: "1000h" },
    { name: "m", life: "0s" }, { name: "" }, { name: "a/b" }, { name: "m", models: "gpt-5*" },
    [], 7];
  for (const spec of wrong) {
    const answer = await post("/admin/v1/keys", spec);
    assert.deepEqual([answer.status, code(answer)], [400, "invalid_key_spec"],
      JSON.stringify(spec));
  }
  const twice = await ask("/admin/v1/keys", { method: "POST", body: '{"name":"m","name":"n"}',
    headers: withToken({ "content-type": "application/json" }) });
  assert.equal(twice.status, 400);
  const form = await ask("/admin/v1/keys", { method: "POST", body: '{"name":"m"}',
    headers: withToken({ "content-type": "text/plain" }) });
  assert.equal(form.status, 415);
  assert.equal((await ask("/admin/v1/keys/m", { headers: withToken() })).status, 404);
});

test("a key's limits on models and endpoints hold", only, async () => {
  const { key } = (await post("/admin/v1/keys", {
    name: "limited", models: ["gpt-5*"], endpoints: ["POST /v1/chat/completions"] })).json();
  await house.forget();
  const chat = (model) => house.fetch("/v1/chat/completions", { key, method: "POST",
    headers: { "content-type": "application/json" }, body: JSON.stringify({ model, messages }) });
  assert.equal((await chat("gpt-5.5")).status, 200);
  const refused = [[await chat("gpt-4o"), "model_not_allowed"],
    [await house.fetch("/v1/models", { key }), "endpoint_not_allowed"],
    [await house.fetch("/v1/chat/completions/x", { key }), "endpoint_not_allowed"]];
  for (const [answer, expected] of refused) {
    assert.equal(answer.status, 403);
    assert.equal((await answer.json()).error.code, expected);
    assert.equal(answer.headers.get("x-should-retry"), "false");
  }
  assert.equal((await house.requests()).length, 1, "a refused call went up");
});

test("a key dies when its life is over", only, async () => {
  const { key } = (await post("/admin/v1/keys", { name: "mayfly", life: "1s" })).json();
  const first = await house.fetch("/v1/models", { key });
  const began = Date.now();
  const answer = await until("the key expires", async () => {
    const asked = await house.fetch("/v1/models", { key });
    return asked.status !== 200 && asked;
  }, 20_000);
  assert.equal(answer.status, 401);
  assert.equal((await answer.json()).error.code, "invalid_api_key");
  if (first.status === 200) assert.ok(Date.now() - began < 10_000);
  const shown = (await ask("/admin/v1/keys/mayfly", { headers: withToken() })).json();
  assert.equal(shown.status, "expired");
  const dead = (await house.calls()).at(-1);
  assert.deepEqual([dead.status, dead.api_key_id], [401, null]);
});
