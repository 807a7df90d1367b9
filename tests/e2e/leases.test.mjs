// SPDX-License-Identifier: Apache-2.0
// The provider's credentials on the real program: leases, their end, what a crash in the middle
// leaves, what others do to the account, and the gate's own identity.
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { gated, messages, sha256, simAdminKey, start, until } from "./house.mjs";

const only = { skip: !gated && "needs the gate" };
const project = "proj_simulated";
const accountsPath = "/v1/organization/projects/*/service_accounts";
const patience = 30_000;

// The configuration with `lease` in the place of the static key.
const leased = (lease) => (text, house) => text.replace(
  "    api_key: ${env:E2E_PROVIDER_KEY}\n", `    lease: {${lease(house)}}\n`);
const serviceAccount = leased(() => `mode: service_account, admin_key: "\${env:E2E_ADMIN_KEY}", `
  + `project: ${project}, instance: e2e, life: 1h, drain: 10s`);

// A gate and a provider that takes only what it handed out itself.
async function open(options) {
  const house = await start({
    provider: ["--strict-keys"], env: { E2E_ADMIN_KEY: simAdminKey }, ...options,
  });
  house.admin = new OpenAI({
    adminAPIKey: simAdminKey, baseURL: `${house.simURL}/v1`, maxRetries: 0,
  }).admin.organization;
  return house;
}

async function all(list) {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

const accounts = (house) => all(house.admin.projects.serviceAccounts.list(project));
const upstream = async (house) =>
  JSON.parse(await house.command("upstream", "list", "--json")).data[0];
const hasLease = (house) => until("there is a lease", async () => {
  house.gate.check();
  return (await upstream(house)).provider_key_id;
}, patience);

// What the command says, and how it ends.
async function run(house, ...args) {
  try {
    return { code: 0, out: await house.command(...args) };
  } catch (error) {
    return { code: error.code, out: error.stdout, errors: error.stderr };
  }
}

async function rotate(house, ...options) {
  const { code, out, errors } = await run(house, "upstream", "rotate", "--json", ...options);
  assert.ok(out.startsWith("{"), errors);
  return { code, ...JSON.parse(out) };
}

const ask = (house, options = {}) =>
  house.client().chat.completions.create({ model: "gpt-4o", messages, ...options });

// GET over the admin socket, where the operator's own user is let in.
function overSocket(house, path) {
  return new Promise((answer, fail) => {
    const asked = request({ socketPath: join(house.folder, "admin.sock"), path }, (response) => {
      let text = "";
      response.on("data", (bytes) => (text += bytes));
      response.on("end", () => answer({ status: response.statusCode, body: JSON.parse(text) }));
    });
    asked.on("error", fail);
    asked.end();
  });
}

const clearFaults = (house) => fetch(`${house.simURL}/sim/faults`, { method: "DELETE" });

// One account, which is the lease in use, and nothing left to delete.
async function settled(house) {
  const now = await upstream(house);
  const there = await accounts(house);
  return there.length === 1 && now.pending_deletions === 0 && now.provider_key_id !== "" && now;
}

describe("a lease", only, () => {
  let house;
  let first;
  before(async () => {
    house = await open({ configure: serviceAccount });
    first = await hasLease(house);
  });
  after(() => house?.stop());

  test("is made at the start, and calls pass with its key", async () => {
    const said = await ask(house);
    assert.ok(said.usage.total_tokens > 0);
    const [account] = await accounts(house);
    assert.match(account.name, /^sallyport-e2e-1$/);
    const [key] = await all(house.admin.projects.apiKeys.list(project));
    assert.equal(key.id, first);
    assert.equal((await house.calls()).at(-1).provider_key_id, first);
    const probe = (await house.requests("/v1/models")).at(-1);
    const chat = (await house.requests("/v1/chat/completions")).at(-1);
    const shown = ({ headers }) => headers.find(([name]) => name === "authorization")[1];
    assert.equal(shown(chat), shown(probe), "the key that was tested is the one that is used");
    assert.ok(!shown(chat).includes(sha256(house.key)), "the client's key never goes up");
  });

  test("is replaced by command; its death is measured, and who did it is on record", async () => {
    await house.simulate("settings", { alive_calls: 2 });
    const done = await rotate(house, "--drain", "0s");
    assert.equal(done.code, 0);
    assert.equal(done.state, "done");
    assert.equal(done.old_key_id, first);
    assert.notEqual(done.new_key_id, first);
    assert.deepEqual(done.steps.map(({ name, ok }) => [name, ok]), [
      ["create", true], ["test", true], ["swap", true], ["drain", true], ["delete", true],
      ["verify", true],
    ]);
    assert.ok(done.time_to_death_ms >= 400, `two probes were answered: ${done.time_to_death_ms}`);
    const { status, body } = await overSocket(house, "/admin/v1/upstreams");
    assert.equal(status, 200);
    assert.equal(body.data[0].rotation.time_to_death_ms, done.time_to_death_ms, "the API as well");
    assert.equal(body.data[0].provider_key_id, done.new_key_id);
    assert.equal((await accounts(house)).length, 1);
    await ask(house);
    assert.equal((await house.calls()).at(-1).provider_key_id, done.new_key_id);

    const records = await house.records();
    const act = records.find((one) => one.action === "upstream.rotate");
    assert.match(act.actor, /^local:/);
    const dead = records.find((one) => one.action === "lease.dead");
    assert.equal(dead.provider_key_id, first);
    assert.equal(dead.actor, act.actor);
    assert.equal(dead.detail.time_to_death_ms, done.time_to_death_ms);
    await house.simulate("settings", { alive_calls: 0 });
  });

  for (const stream of [false, true]) {
    test(`that is refused because it was just replaced: asked once more, stream ${stream}`, async () => {
      const old = (await upstream(house)).provider_key_id;
      await house.simulate("faults", {
        path: "/v1/chat/completions", behave: "error-401, latency-6000",
      });
      const asked = (await house.requests("/v1/chat/completions")).length;
      const answer = ask(house, { stream, user: `stream ${stream}` });
      await until("the call is at the provider", async () =>
        (await house.requests("/v1/chat/completions")).length > asked);
      const done = await rotate(house, "--drain", "0s");
      assert.equal(done.state, "done");
      const said = await answer;
      if (stream) for await (const chunk of said) assert.ok(chunk.id);
      await until("it is on record", async () => {
        const call = (await house.calls()).at(-1);
        return call.asked_again === "credential_replaced"
          && call.provider_key_id === done.new_key_id && call.status === 200;
      });
      assert.notEqual(done.new_key_id, old);
      const calls = (await house.requests("/v1/chat/completions")).slice(asked);
      assert.deepEqual(calls.map(({ status }) => status), [401, 200]);
      assert.equal(calls[0].body_sha256, calls[1].body_sha256);
    });
  }

  test("that is refused while it is the newest: one ask, and 502", async () => {
    await house.simulate("faults", { path: "/v1/chat/completions", behave: "error-401" });
    await assert.rejects(ask(house), (error) => error.status === 502
      && error.code === "upstream_auth_failed");
    await ask(house);
  });

  test("shows in the metrics and as ready", async () => {
    const page = await (await fetch(`${house.adminURL}/metrics`)).text();
    const value = (name) => Number(new RegExp(`^${name}{upstream="simulation"} (\\S+)$`, "m")
      .exec(page)?.[1]);
    assert.equal(value("sallyport_credential_usable"), 1);
    assert.ok(Math.abs(Date.now() / 1000 - value("sallyport_credential_issued_seconds")) < 60);
    assert.ok(Math.abs(Date.now() / 1000 - value("sallyport_credential_rotation_started_seconds"))
      < 60);
    assert.equal(value("sallyport_credential_pending_deletions"), 0);
    assert.equal(value("sallyport_upstream_asked_again_total"), 2);
    const ready = await fetch(`${house.adminURL}/readyz`);
    assert.equal(ready.status, 200);
    assert.match(await house.command("status"), /OK +credential\.simulation: key_/);
  });
});

// Whatever the Admin API does, calls pass, and in the end there is one account.
describe("the Admin API fails", only, () => {
  let house;
  before(async () => {
    house = await open({ configure: serviceAccount });
    await hasLease(house);
  });
  after(() => house?.stop());

  const create = { method: "POST", path: accountsPath };
  const remove = { method: "DELETE", path: `${accountsPath}/*` };
  const cases = [
    { why: "create: too fast", faults: [{ ...create, behave: "error-429-rate, retry-after-1" }] },
    { why: "create: down", faults: [{ ...create, behave: "error-503" }], fails: "create",
      absent: true },
    { why: "create: done, and the answer is lost",
      faults: [{ ...create, behave: "error-500, after-effect" }], fails: "create" },
    { why: "create: the account is made, its key is not",
      faults: [{ ...create, behave: "no-key" }], fails: "create" },
    { why: "create: forbidden", faults: [{ ...create, behave: "error-403" }], fails: "create" },
    { why: "test: the new key is not known at once",
      faults: [{ method: "GET", path: "/v1/models", behave: "error-401", times: 2 }] },
    { why: "delete: too fast", faults: [{ ...remove, behave: "error-429-rate" }] },
    { why: "delete: down for a while", faults: [{ ...remove, behave: "error-503", times: 3 }] },
    { why: "delete: done, and the answer is lost",
      faults: [{ ...remove, behave: "drop-after" }] },
    { why: "verify: the probe is not answered",
      faults: [{ method: "GET", path: "/v1/models", behave: "error-503", skip: 1, times: 2 }] },
  ];
  for (const { why, faults, fails, absent } of cases) {
    test(why, async () => {
      await clearFaults(house);
      const old = (await upstream(house)).provider_key_id;
      for (const fault of faults) await house.simulate("faults", fault);
      const done = await rotate(house, "--drain", "0s");
      assert.equal(done.code, fails ? 1 : 0, JSON.stringify(done));
      assert.equal(done.state, fails ? "failed" : "done");
      assert.equal(done.steps.find(({ ok }) => !ok)?.name, fails);
      const now = await upstream(house);
      assert.equal(now.provider_key_id === old, Boolean(fails), "a failure leaves the one before");
      assert.match(now.trouble, fails ? new RegExp(`^${fails} failed: `) : /^$/);
      await ask(house);
      // One that may have been made is looked for a while: nothing is left over of the others.
      if (absent) assert.equal((await accounts(house)).length, 1);
      else await until("one account", async () => (await accounts(house)).length === 1, patience);
    });
  }
});

// A stream that goes on until its client leaves it, or its process dies.
async function openStream(house) {
  const left = new AbortController();
  const stream = await house.client().chat.completions.create(
    { model: "sim-chunks-2000+delay-50", messages, stream: true }, { signal: left.signal });
  await stream[Symbol.asyncIterator]().next();
  return left;
}

test("in an incident no key before is left to its streams", only, async () => {
  const house = await open({ configure: serviceAccount });
  try {
    const first = await hasLease(house);
    const stream = await openStream(house);
    await run(house, "upstream", "rotate", "--drain", "10m", "--no-wait");
    await until("the second key is in use", async () =>
      (await upstream(house)).provider_key_id !== first, patience);
    const done = await rotate(house, "--drain", "0s");
    assert.equal(done.state, "done");
    assert.equal(done.earlier.length, 1);
    assert.equal(done.earlier[0].provider_key_id, first);
    assert.equal(done.earlier[0].dead, true);
    assert.ok(done.earlier[0].time_to_death_ms >= 0);
    const keys = await all(house.admin.projects.apiKeys.list(project));
    assert.deepEqual(keys.map(({ id }) => id), [done.new_key_id]);
    stream.abort();
  } finally {
    await house.stop();
  }
});

test("an upstream that is renamed keeps its deletions; one that is gone is told", only, async () => {
  const house = await open({ configure: serviceAccount });
  try {
    const first = await hasLease(house);
    house.gate.process.kill("SIGKILL");
    await house.gate.ended;
    house.text = house.text.replace("- name: simulation\n", "- name: renamed\n");
    await writeFile(house.config, house.text);
    await house.serve();
    await hasLease(house);
    const now = await until("one lease is left", () => settled(house), patience);
    assert.equal(now.upstream, "renamed");
    assert.notEqual(now.provider_key_id, first);
    house.gate.process.kill("SIGKILL");
    await house.gate.ended;
    house.text = house.text.replace("instance: e2e,", "instance: moved,")
      .replace("- name: renamed\n", "- name: third\n");
    await writeFile(house.config, house.text);
    await house.serve();
    await until("it is told", async () => (await house.records("--kind", "provider")).some((one) =>
      one.error === "lease_orphan" && one.provider_key_id === now.provider_key_id), patience);
    const doctor = JSON.parse((await run(house, "doctor", "--json")).out);
    const found = doctor.checks.find(({ name }) => name === "leases");
    assert.equal(found.health, "FAIL");
    assert.match(found.what, /upstream renamed/);
  } finally {
    await house.stop();
  }
});

describe("kill -9 in the middle of a rotation", only, () => {
  const stepIs = (name) => async (house) => {
    const { rotation } = await upstream(house);
    return rotation?.trigger === "request" && rotation.steps.some((step) => step.name === name);
  };
  const cases = [
    { why: "while the account is being made", fault: {
      method: "POST", path: accountsPath, behave: "hang-60000" },
      reached: async (house) => (await accounts(house)).length === 2 },
    { why: "while the deletion fails", fault: {
      method: "DELETE", path: `${accountsPath}/*`, behave: "error-503", times: 0 },
      reached: stepIs("drain") },
    { why: "while the old key is still accepted", alive: 10_000, reached: stepIs("delete") },
  ];
  for (const { why, fault, alive, reached } of cases) {
    test(why, async () => {
      const house = await open({ configure: serviceAccount });
      try {
        await hasLease(house);
        if (fault) await house.simulate("faults", fault);
        if (alive) await house.simulate("settings", { alive_calls: alive });
        const before = (await upstream(house)).provider_key_id;
        await run(house, "upstream", "rotate", "--drain", "0s", "--no-wait");
        await until("the rotation is in the middle", () => reached(house), patience);
        assert.equal((await upstream(house)).rotation.state, "running");
        house.gate.process.kill("SIGKILL");
        await house.gate.ended;
        await clearFaults(house);
        await house.simulate("settings", { alive_calls: 0 });
        await house.serve();
        await hasLease(house);
        await ask(house);
        const now = await until("one lease is left", () => settled(house), patience);
        assert.notEqual(now.provider_key_id, before);
        const keys = await all(house.admin.projects.apiKeys.list(project));
        assert.deepEqual(keys.map(({ id }) => id), [now.provider_key_id]);
        const records = await house.records();
        const found = records.filter((one) => one.action === "lease.found");
        assert.ok(found.length >= 1, "what was left is told");
        for (const { detail } of found) {
          assert.ok(records.some((one) => one.action === "lease.dead"
            && one.detail.lease === detail.lease), `${detail.lease} is proved dead`);
        }
      } finally {
        await house.stop();
      }
    });
  }
});

// CRC-32C, as the journal's lines have it (docs/journal.md).
function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}

// The journal of a gate that ran so long ago: only then may minutes of the past be compared.
async function makeOlder(house, milliseconds) {
  const folder = join(house.folder, "journal", "seg");
  for (const name of (await readdir(folder)).filter((one) => one.endsWith(".jsonl"))) {
    const lines = (await readFile(join(folder, name), "utf8")).split("\n").filter(Boolean);
    const older = lines.map((line) => {
      const text = line.slice(0, line.lastIndexOf(',"crc":"')).replace(
        /"timestamp_utc":"([^"]+)"/, (_, time) =>
          `"timestamp_utc":"${new Date(Date.parse(time) - milliseconds).toISOString()}"`);
      return `${text},"crc":"${crc32c(Buffer.from(text))}"}\n`;
    });
    await writeFile(join(folder, name), older.join(""));
  }
  // To the signatures that is a forgery, as it should be.
  await house.command("audit", "accept-state", "--new-origin");
}

describe("what others do to the account", only, () => {
  let house;
  let stranger;
  const used = Math.floor(Date.now() / 60_000) * 60 - 600;
  before(async () => {
    house = await open({
      configure: (text, of) => `${serviceAccount(text, of)}
provider: {admin_url: "${of.simURL}/v1", admin_key: "\${env:E2E_ADMIN_KEY}",
  projects: [${project}], audit_log: {every: 5s}, keys: {every: 10s},
  retention: zero_data_retention}
meter: {reconcile: {every: 10s, lag: 0s}}
`,
    });
    await hasLease(house);
    await (await house.fetch("/v1/models")).text();
    await house.gate.stop();
    await makeOlder(house, 40 * 60_000);
    stranger = await house.simulate("keys", { ip: "198.51.100.7", email: "eve@example.com" });
    await house.simulate("usage", {
      api_key_id: stranger.id, model: "gpt-4o", input_tokens: 700, output_tokens: 300, at: used,
    });
    await house.serve();
    await hasLease(house);
  });
  after(() => house?.stop());

  const told = (what, wanted) => until(what, async () => {
    house.gate.check();
    return (await house.records("--kind", "provider")).find(wanted);
  }, patience);

  test("the table tells a stranger's use of a key, and the exit code as well", async () => {
    const { code, out } = await run(house, "usage", "reconcile", "--json");
    assert.equal(code, 3, out);
    const table = JSON.parse(out);
    assert.equal(table.bypass, true);
    const row = table.data.find((one) => one.provider_key_id === stranger.id);
    assert.deepEqual(row, {
      provider_key_id: stranger.id, known: false, verdict: "gateway_bypass", excess_tokens: 1000,
      provider: { input: 700, output: 300, requests: 1 }, gate: { input: 0, output: 0, requests: 0 },
      uncertain: { requests: 0, tokens_max: 0, batch_tokens: 0 },
    });
    const own = table.data.find((one) => one.known);
    assert.equal(own.verdict, "agrees");
    assert.match((await run(house, "usage", "reconcile")).out, /1000 +0 +1000 +0 +gateway_bypass/);
  });

  test("it becomes a record with amount and window, once", async () => {
    const event = await told("the bypass is on record", (one) => one.error === "gateway_bypass"
      && one.provider_key_id === stranger.id);
    assert.equal(event.action, "usage.reconcile");
    assert.equal(event.detail.excess_tokens, 1000);
    assert.equal(event.detail.provider.input, 700);
    assert.ok(Date.parse(event.detail.from) <= used * 1000);
    assert.ok(Date.parse(event.detail.to) > used * 1000);
    await told("another round", (one) => one.action === "usage.reconcile" && one.seq > event.seq
      && !one.error);
    const again = (await house.records("--kind", "provider")).filter(
      (one) => one.error === "gateway_bypass" && one.provider_key_id === stranger.id);
    assert.equal(again.length, 1);
  });

  test("the provider's audit log is on record: who, and from where", async () => {
    const event = await told("the key's making", (one) => one.action === "api_key.created"
      && one.provider_key_id === stranger.id);
    assert.equal(event.actor, "eve@example.com");
    assert.equal(event.ip, "198.51.100.7");
    assert.ok(await told("our own acts", (one) => one.action === "service_account.created"));
  });

  test("keys nobody knows and another retention are findings", async () => {
    const event = await told("the stranger's key", (one) => one.error === "unknown_provider_key");
    assert.equal(event.provider_key_id, stranger.id);
    const retention = await told("the retention", (one) => one.error === "retention_differs");
    assert.match(retention.detail.found, /organization: modified_abuse_monitoring/);
  });

  test("an admin key that nobody knows is a finding; our own is not", async () => {
    const made = await house.admin.adminAPIKeys.create({ name: "planted" });
    const event = await told("the admin key", (one) => one.error === "unknown_admin_key");
    assert.equal(event.provider_key_id, made.id);
    assert.equal(event.detail.name, "planted");
    const found = (await house.records("--kind", "provider")).filter(
      (one) => one.error === "unknown_admin_key");
    assert.deepEqual(found.map((one) => one.provider_key_id), [made.id]);
    await told("its making", (one) => one.action === "tenant.admin_api_key.created"
      && one.provider_key_id === made.id);
  });
});

test("calls that told no usage are no bypass, and do not hide one", only, async () => {
  const ago = 40 * 60;
  const house = await open({
    configure: (text, of) => `${serviceAccount(text, of)}
provider: {admin_url: "${of.simURL}/v1", admin_key: "\${env:E2E_ADMIN_KEY}", projects: [${project}]}
meter: {reconcile: {every: 1h, lag: 0s}}
`,
  });
  try {
    const key = await hasLease(house);
    (await openStream(house)).abort();
    await until("the hang-up is on record", async () => (await house.calls()).length === 1);
    await openStream(house);
    const used = Math.floor(Date.now() / 60_000) * 60 - ago;
    house.gate.process.kill("SIGKILL");
    await house.gate.ended;
    await house.serve();  // mends the journal
    await hasLease(house);
    await house.gate.stop();
    await makeOlder(house, ago * 1000);
    const spend = (tokens, requests) => house.simulate("usage", {
      api_key_id: key, model: "gpt-4o", input_tokens: tokens, output_tokens: 0, at: used + 60,
      num_model_requests: requests,
    });
    await spend(252, 2);
    await house.serve();
    await hasLease(house);
    const compare = async () => {
      const time = (seconds) => new Date(seconds * 1000).toISOString();
      const { code, out } = await run(house, "usage", "reconcile", "--json", "--from",
        time(used + 60), "--to", time(used + 180));
      return { code, row: JSON.parse(out).data.find((one) => one.provider_key_id === key) };
    };
    const ordinary = await compare();
    assert.equal(ordinary.row.verdict, "uncertain", JSON.stringify(ordinary));
    assert.equal(ordinary.code, 0);
    assert.equal(ordinary.row.excess_tokens, 252);
    assert.equal(ordinary.row.uncertain.requests, 2, "the hang-up and what the kill left");
    await spend(7, 1);  // one small call more than we made
    const stranger = await compare();
    assert.equal(stranger.row.verdict, "gateway_bypass", JSON.stringify(stranger));
    assert.equal(stranger.code, 3);
  } finally {
    await house.stop();
  }
});

describe("workload identity", only, () => {
  let house;
  let account;
  const issuer = "https://gate.example.com";
  before(async () => {
    house = await open({
      configure: leased((of) => `mode: workload_identity, token_url: "${of.simURL}/oauth/token", `
        + `identity_provider_id: idp-e2e, service_account_id: svc_acct_none, issuer: "${issuer}", `
        + `instance: e2e, key_file: ${of.folder}/identity.pem`),
    });
    account = await house.admin.projects.serviceAccounts.create(project, { name: "workload" });
  });
  after(() => house?.stop());
  const page = (path) => fetch(house.adminURL + path);

  test("while the exchange fails the gate is not ready, and says why", async () => {
    await until("the exchange was refused", async () =>
      (await upstream(house)).trouble.startsWith("exchange failed"), patience);
    const ready = await page("/readyz");
    assert.equal(ready.status, 503);
    const check = (await ready.json()).checks.find(({ name }) => name === "credential.simulation");
    assert.equal(check.ok, false);
    assert.match(check.detail, /^none; exchange failed: POST \/oauth\/token answered 401/);
    const status = await run(house, "status");
    assert.equal(status.code, 3);
    assert.match(status.out, /not ready\n(.*\n)*FAIL +credential\.simulation: none; exchange failed/);
    const doctor = await run(house, "doctor", "--json");
    assert.equal(doctor.code, 3);
    const found = JSON.parse(doctor.out).checks.find(
      ({ name }) => name === "server credential.simulation");
    assert.equal(found.health, "FAIL");
    assert.match(found.what, /exchange failed/);
    await assert.rejects(ask(house), (error) => error.status === 503
      && error.code === "upstream_credential_unavailable");
    assert.deepEqual(await house.requests("/v1/chat/completions"), [], "nothing is asked");
  });

  test("the public documents are there for whoever asks", async () => {
    const set = await page("/.well-known/jwks.json");
    assert.equal(set.status, 200);
    assert.equal(set.headers.get("cache-control"), "public, max-age=300");
    const text = await set.text();
    const [key] = JSON.parse(text).keys;
    assert.deepEqual(Object.keys(key).sort(), ["alg", "e", "kid", "kty", "n", "use"],
      "and nothing of the private part");
    assert.equal(text, (await house.command("upstream", "jwks")).trim());
    const about = await (await page("/.well-known/openid-configuration")).json();
    assert.equal(about.issuer, issuer);
    assert.equal(about.jwks_uri, `${issuer}/.well-known/jwks.json`);
    assert.deepEqual(about.id_token_signing_alg_values_supported, ["RS256"]);
    for (const [method, path] of [["POST", "/.well-known/jwks.json"], ["GET", "/.well-known/other"]]) {
      assert.equal((await fetch(house.adminURL + path, { method })).status, 401, method + path);
    }
  });

  test("with the key set at the provider, calls pass with an exchanged token", async () => {
    await house.gate.stop();
    house.text = house.text.replace("svc_acct_none", account.id);
    await writeFile(house.config, house.text);
    await house.simulate("identity_providers", {
      id: "idp-e2e", issuer, audience: "https://api.openai.com/v1",
      jwks: await house.command("upstream", "jwks"),
      mappings: [{ subject: "sallyport:e2e", service_account_id: account.id }],
    });
    await house.serve();
    await hasLease(house);
    assert.equal((await page("/readyz")).status, 200);
    const said = await ask(house);
    const call = (await house.calls()).at(-1);
    assert.equal(call.provider_key_id, account.id);
    assert.ok((await house.records()).some((one) => one.action === "identity.exchange"
      && !one.error && one.provider_key_id === account.id));
    const usage = await house.admin.usage.completions({
      start_time: Math.floor(Date.now() / 1000) - 120, bucket_width: "1m",
      group_by: ["user_id", "api_key_id"],
    });
    const [result] = usage.data.flatMap(({ results }) => results);
    assert.equal(result.user_id, account.id, "the provider tells it by service account");
    assert.equal(result.api_key_id, null);
    assert.equal(result.input_tokens, said.usage.prompt_tokens);
  });

  test("a rotation is one more exchange", async () => {
    const done = await rotate(house);
    assert.equal(done.code, 0);
    assert.deepEqual(done.steps.map(({ name, ok }) => [name, ok]), [["exchange", true]]);
    await ask(house);
  });
});

test("a gate without workload identity has no public documents", only, async () => {
  const house = await start();
  try {
    for (const path of ["jwks.json", "openid-configuration"]) {
      assert.equal((await fetch(`${house.adminURL}/.well-known/${path}`)).status, 401);
    }
    assert.equal((await fetch(`${house.adminURL}/readyz`)).status, 200, "a static key is there");
  } finally {
    await house.stop();
  }
});
