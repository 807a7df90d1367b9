// SPDX-License-Identifier: Apache-2.0
// The official SDK's admin resources against the simulated provider: if the SDK reads what it
// answers, so does whatever is built for the real one.
import assert from "node:assert/strict";
import { createSign, generateKeyPairSync } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import OpenAI from "openai";
import { messages, simAdminKey, start } from "./house.mjs";

const project = "proj_simulated";
let house;
let admin;

before(async () => {
  house = await start({ alone: true });
  admin = new OpenAI({ adminAPIKey: simAdminKey, baseURL: house.baseURL, maxRetries: 0 });
});
after(() => house.stop());

const organization = () => admin.admin.organization;
const accounts = () => organization().projects.serviceAccounts;
const keys = () => organization().projects.apiKeys;
const withKey = (apiKey) => new OpenAI({ apiKey, baseURL: house.baseURL, maxRetries: 0 });
const seconds = () => Math.floor(Date.now() / 1000);

async function all(list) {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

async function status(promise) {
  try {
    await promise;
    return 200;
  } catch (error) {
    return error.status ?? error.constructor.name;
  }
}

describe("leases", () => {
  test("an account, its key, its end", async () => {
    const lease = await accounts().create(project, { name: "lease" });
    assert.equal(lease.object, "organization.project.service_account");
    assert.match(lease.api_key.value, /^sk-svcacct-/);
    const client = withKey(lease.api_key.value);
    assert.equal(await status(client.models.list()), 200);

    const known = await keys().retrieve(lease.api_key.id, { project_id: project });
    assert.equal(known.owner.service_account.id, lease.id);
    assert.ok(known.last_used_at >= known.created_at);
    assert.equal(await status(keys().delete(lease.api_key.id, { project_id: project })), 400);

    const gone = await accounts().delete(lease.id, { project_id: project });
    assert.deepEqual(gone, {
      object: "organization.project.service_account.deleted", id: lease.id, deleted: true,
    });
    assert.equal(await status(client.models.list()), 401);
  });

  test("an account alone, and a key for it", async () => {
    const account = await accounts().create(project, {
      name: "alone", create_service_account_only: true,
    });
    assert.equal(account.api_key, null);
    assert.equal(account.role, "none");
    const key = await accounts().apiKeys.create(account.id, { project_id: project, name: "later" });
    assert.equal(await status(withKey(key.value).models.list()), 200);
    assert.equal((await accounts().retrieve(account.id, { project_id: project })).name, "alone");
  });

  test("lists are read page by page", async () => {
    const made = [];
    for (let i = 0; i < 5; i += 1) {
      made.push((await accounts().create(project, { name: `page ${i}` })).id);
    }
    const listed = (await all(accounts().list(project, { limit: 2 }))).map(({ id }) => id);
    assert.deepEqual(listed.slice(-5), made);
    const owners = await all(keys().list(project, { limit: 3, owner_project_access: "any" }));
    assert.equal(new Set(owners.map(({ id }) => id)).size, owners.length);
  });
});

describe("failures", () => {
  const path = "/v1/organization/projects/*/service_accounts";
  beforeEach(() => fetch(`${house.simURL}/sim/faults`, { method: "DELETE" }));

  test("an error is the SDK's error, with its wait", async () => {
    await house.simulate("faults", { method: "POST", path, behave: "error-429-rate, retry-after-7" });
    await assert.rejects(accounts().create(project, { name: "n" }), (error) => {
      assert.equal(error.status, 429);
      assert.equal(error.code, "rate_limit_exceeded");
      assert.equal(error.headers.get("retry-after"), "7");
      return true;
    });
  });

  test("the answer is lost, before or after the effect", async () => {
    for (const [behave, more] of [["drop-before", 0], ["drop-after", 1]]) {
      const was = (await all(accounts().list(project))).length;
      await house.simulate("faults", { method: "POST", path, behave });
      assert.equal(await status(accounts().create(project, { name: "n" })), "APIConnectionError");
      assert.equal((await all(accounts().list(project))).length, was + more, behave);
    }
  });

  test("a deleted key answers for a while", async () => {
    const lease = await accounts().create(project, { name: "lease" });
    await house.simulate("faults", { method: "DELETE", path: `${path}/*`, behave: "flap-101" });
    await accounts().delete(lease.id, { project_id: project });
    const seen = [];
    for (let i = 0; i < 4; i += 1) {
      seen.push(await status(withKey(lease.api_key.value).models.list()));
    }
    assert.deepEqual(seen, [200, 401, 200, 401]);
  });

  test("wrong keys and wrong arguments", async () => {
    const data = new OpenAI({ adminAPIKey: house.key, baseURL: house.baseURL, maxRetries: 0 });
    assert.equal(await status(data.admin.organization.adminAPIKeys.list()), 401);
    assert.equal(await status(accounts().list(project, { limit: 101 })), 400);
    assert.equal(await status(accounts().list("proj_unknown")), 404);
  });
});

test("admin keys rotate", async () => {
  const next = await organization().adminAPIKeys.create({ name: "next", expires_in_seconds: 3600 });
  assert.equal(next.expires_at, next.created_at + 3600);
  const client = new OpenAI({ adminAPIKey: next.value, baseURL: house.baseURL, maxRetries: 0 });
  const listed = await all(client.admin.organization.adminAPIKeys.list({ limit: 1 }));
  assert.ok(listed.some(({ id }) => id === next.id));
  const gone = await client.admin.organization.adminAPIKeys.delete(next.id);
  assert.equal(gone.deleted, true);
  assert.equal(await status(client.admin.organization.adminAPIKeys.list()), 401);
});

test("usage and costs by key are what the answers told", async () => {
  const lease = await accounts().create(project, { name: "metered" });
  const client = withKey(lease.api_key.value);
  const said = await client.chat.completions.create({ model: "gpt-4o", messages });
  const query = {
    start_time: seconds() - 60, bucket_width: "1m", api_key_ids: [lease.api_key.id],
    group_by: ["api_key_id", "model"],
  };
  const usage = await organization().usage.completions(query);
  const [result, ...others] = usage.data.flatMap(({ results }) => results);
  assert.deepEqual(others, []);
  assert.equal(result.input_tokens, said.usage.prompt_tokens);
  assert.equal(result.output_tokens, said.usage.completion_tokens);
  assert.equal(result.api_key_id, lease.api_key.id);
  assert.equal(result.model, "gpt-4o");

  const costs = await organization().usage.costs({
    start_time: seconds() - 60, api_key_ids: [lease.api_key.id],
  });
  const usd = (said.usage.prompt_tokens * 2.5 + said.usage.completion_tokens * 10) / 1e6;
  const paid = costs.data.flatMap(({ results }) => results).map(({ amount }) => amount.value);
  assert.ok(Math.abs(paid.reduce((sum, value) => sum + value, 0) - usd) < 1e-12);
});

test("an aborted stream is billed for what was generated", async () => {
  const lease = await accounts().create(project, { name: "aborted" });
  const stream = await withKey(lease.api_key.value).chat.completions.create({
    model: "sim-chunks-1000+delay-20", messages, stream: true,
  });
  let seen = 0;
  for await (const chunk of stream) {
    seen += chunk.choices[0]?.delta?.content ? 1 : 0;
    if (seen === 3) break;
  }
  const usage = await organization().usage.completions({
    start_time: seconds() - 120, bucket_width: "1m", api_key_ids: [lease.api_key.id],
  });
  const [{ output_tokens: billed }] = usage.data.flatMap(({ results }) => results);
  assert.ok(billed >= 3 && billed < 1000, `${billed} tokens`);
});

test("the audit log tells who made a key", async () => {
  const made = await house.simulate("keys", { ip: "198.51.100.7", email: "eve@example.com" });
  const entries = await all(organization().auditLogs.list({
    event_types: ["api_key.created"], limit: 100, effective_at: { gte: seconds() - 60 },
  }));
  const entry = entries.find((one) => one["api_key.created"].id === made.id);
  assert.equal(entry.actor.session.ip_address, "198.51.100.7");
  assert.equal(entry.actor.session.user.email, "eve@example.com");
  assert.equal(entry.project.id, project);
  assert.ok(entries.some((one) => one.actor.type === "api_key"));
});

test("retention and spend limit", async () => {
  assert.equal((await organization().dataRetention.retrieve()).type, "modified_abuse_monitoring");
  const changed = await organization().projects.dataRetention.update(project, {
    retention_type: "zero_data_retention",
  });
  assert.deepEqual(changed, { object: "project.data_retention", type: "zero_data_retention" });
  assert.equal(await status(organization().spendLimit.retrieve()), 404);
  const limit = await organization().spendLimit.update({
    threshold_amount: 5000, currency: "USD", interval: "month",
  });
  assert.equal(limit.threshold_amount, 5000);
  assert.equal(limit.enforcement.status, "inactive");
});

test("a workload's JWT becomes a token", async () => {
  const account = await accounts().create(project, {
    name: "workload", create_service_account_only: true,
  });
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await house.simulate("identity_providers", {
    id: "idp-e2e", issuer: "https://issuer.example", audience: "openai",
    jwks: { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k1", alg: "RS256" }] },
    mappings: [{ subject: "gate", service_account_id: account.id }],
  });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const jwt = () => {
    const text = `${part({ alg: "RS256", kid: "k1" })}.${part({
      iss: "https://issuer.example", aud: "openai", sub: "gate", iat: seconds(), exp: seconds() + 600,
    })}`;
    return `${text}.${createSign("RSA-SHA256").update(text).sign(privateKey, "base64url")}`;
  };
  // The SDK asks auth.openai.com; here the simulation is asked in its place.
  const asked = [];
  const client = new OpenAI({
    baseURL: house.baseURL, maxRetries: 0,
    workloadIdentity: {
      identityProviderId: "idp-e2e", serviceAccountId: account.id,
      provider: { tokenType: "jwt", getToken: async () => jwt() },
    },
    fetch: (url, init) => {
      const path = new URL(url).pathname;
      asked.push(path);
      return fetch(path === "/oauth/token" ? house.simURL + path : url, init);
    },
  });
  const said = await client.chat.completions.create({ model: "gpt-4o", messages });
  assert.ok(said.usage.total_tokens > 0);
  assert.deepEqual(asked, ["/oauth/token", "/v1/chat/completions"]);
});
