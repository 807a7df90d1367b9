// SPDX-License-Identifier: Apache-2.0
// A key was found where it must not be: whoever finds it says so, and it is dead
// (docs/leak-reports.md, docs/rotation.md "Whose secret is this?").
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { binary, collect, gated, messages, sha256, start, until } from "./house.mjs";
import { Peer, Signer, send } from "./signed.mjs";

const only = { skip: !gated };
const patientMs = 20_000;
const cutMs = 1_000; // what the gateway promises, of a live stream
const secret = "a shared secret of in-house scanners, 40 bytes";
const github = new Signer("ES256", "github-now");
const later = new Signer("ES256", "github-next");
const stranger = new Signer("ES256", "github-now");
const identified = (signer) =>
  ({ key_identifier: signer.kid, key: signer.pem(), is_current: true });
let published = [github];
let place; // of GitHub's keys
let house;

before(async () => {
  if (!gated) return;
  place = await Peer.open(() => (
    { body: JSON.stringify({ public_keys: published.map(identified) }) }));
  house = await start({
    env: { E2E_LEAK_SECRET: secret, E2E_DERIVE_KEY: "0123456789abcdef0123456789abcdef" },
    configure: (text) => text.replace("keys:", `keys:
  derive_key: \${env:E2E_DERIVE_KEY}
  leak_report:
    secret: \${env:E2E_LEAK_SECRET}
    github_keys_url: ${place.url}/meta/public_keys/secret_scanning`),
  });
  await until("GitHub's keys are fetched at the start", () => place.requests.length > 0, patientMs);
});
after(async () => {
  await house?.stop();
  await place?.stop();
});

const entry = (token, more = {}) => ({ token, type: "sallyport_key",
  url: "https://git.example.com/a/b", source: "commit", ...more });
const list = (...tokens) => JSON.stringify(tokens.map((token) => entry(token)));
const byGithub = (body, signer = github, kid = signer.kid) => ({
  "github-public-key-identifier": kid,
  "github-public-key-signature": sign("sha256", Buffer.from(body), signer.privateKey)
    .toString("base64"),
});
const inHouse = (body, key = secret) => ({
  "x-sallyport-signature": `sha256=${createHmac("sha256", key).update(body).digest("hex")}` });
const report = (body, headers, options = {}) => send(`${house.url}/leak-report`, {
  body, headers: { "content-type": "application/json", ...headers }, ...options });

const ask = (apiKey, model = "gpt-5.5", options = {}) =>
  house.client({ apiKey }).chat.completions.create({ model, messages, ...options });
const refused = (status) => (error) => error.status === status;
const acts = async (kid) =>
  (await house.records("--kind", "admin")).filter((act) => act.kid === kid);
const kidOf = (key) => key.split("-")[2];

// The secret goes in on stdin.
const holder = (text, ...words) => new Promise((done) => {
  const child = execFile(binary, ["-c", house.config, ...words], { env: house.env },
    (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout, stderr }));
  child.stdin.end(text);
});

for (const [who, signed] of [["GitHub", byGithub], ["an in-house scanner", inHouse]]) {
  test(`${who} reports a key: dead within a second, its stream too`, only, async () => {
    const key = await house.createKey(`leaked-${signed.name}`);
    const stream = await ask(key, "sim-slow", { stream: true });
    const reading = collect(stream).then(() => null, () => Date.now());
    const lookalike = `${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`;
    const body = list(key, "sk-proj-of-somebody-else", lookalike);
    const answer = await report(body, signed(body));
    const acknowledged = Date.now();
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json().map(({ token_hash: hash, label }) => [hash, label]), [
      [sha256(key), "true_positive"], [sha256("sk-proj-of-somebody-else"), "false_positive"],
      [sha256(lookalike), "false_positive"]]);
    assert.ok(!answer.text.includes(key));
    await assert.rejects(ask(key), refused(401));
    const cutAt = await reading;
    assert.ok(cutAt, "the stream went on to its end");
    assert.ok(cutAt - acknowledged < cutMs, `cut after ${cutAt - acknowledged} ms`);

    const [made, revoked, ...more] = await acts(kidOf(key));
    assert.deepEqual([made.action, revoked.action, revoked.actor, revoked.ip, more.length],
      ["key.create", "key.revoke", "leak-report", "127.0.0.1", 0]);
    assert.equal(revoked.detail.why, "reported as leaked by commit at https://git.example.com/a/b");
    const calls = await house.calls();
    const told = calls.findLast((call) => call.endpoint === "POST /leak-report");
    assert.deepEqual([told.status, told.ip, told.error], [200, "127.0.0.1", null]);
    const cut = calls.find((call) => call.kid === kidOf(key));
    assert.equal(cut.error, "key_revoked");

    const again = await report(body, signed(body));
    assert.deepEqual([again.status, again.json()[0].label], [200, "true_positive"]);
    assert.equal((await acts(kidOf(key)))[2].detail.before.status, "revoked");
    assert.ok(!house.logs().includes(key) && !JSON.stringify(await house.records()).includes(key));
  });
}

test("a derived token dies alone, whoever narrowed it", only, async () => {
  const key = await house.createKey("parent", "--derive");
  const token = (await holder(key, "keys", "derive", "--life", "10m")).stdout.trim();
  await ask(token);
  const body = list(token);
  const answer = await report(body, byGithub(body));
  assert.equal(answer.json()[0].label, "true_positive");
  await assert.rejects(ask(token), refused(401));
  await ask(key);
});

test("GitHub's keys change: the new one counts, the old one no more", only, async () => {
  const key = await house.createKey("found-later");
  published = [later];
  const body = list(key);
  const answer = await report(body, byGithub(body, later));
  assert.equal(answer.status, 200, answer.text);
  await assert.rejects(ask(key), refused(401));
  assert.equal((await report(body, byGithub(body, github))).status, 401, "under the old key");
});

test("without a good signature nobody learns or ends anything", only, async () => {
  const key = await house.createKey("safe");
  const body = list(key);
  const { "github-public-key-identifier": id, ...half } = byGithub(body, later);
  const cases = {
    "no signature": {},
    "of another body": byGithub(list("x"), later),
    "of another body, in-house": inHouse(list("x")),
    "by a stranger under a known name": byGithub(body, stranger, later.kid),
    "under an unknown name": byGithub(body, later, "nobody"),
    "under another secret": inHouse(body, "another secret of in-house scanners, 40 b"),
    "without the key's name": half,
    "the name alone": { "github-public-key-identifier": id },
    "both kinds": { ...byGithub(body, later), ...inHouse(body) },
    "not hexadecimal": { "x-sallyport-signature": "sha256=zz" },
    "a key of the gateway": { authorization: `Bearer ${house.key}` },
  };
  const addresses = new Map();
  for (const [what, headers] of Object.entries(cases)) {
    const localAddress = `127.0.3.${addresses.size + 1}`;
    for (const text of [body, list("sk-none"), "not a list"]) {
      if (text !== body && what !== "no signature") continue;
      const answer = await report(text, headers, { localAddress });
      assert.deepEqual([answer.status, answer.json()], [401, { error: "invalid_signature" }], what);
    }
    addresses.set(localAddress, what);
  }
  await ask(key);
  for (const call of await house.calls()) {
    if (!addresses.has(call.ip)) continue;
    assert.deepEqual([call.endpoint, call.action, call.api_key_id],
      ["POST /leak-report", "denied:leak_report_signature", null], addresses.get(call.ip));
  }
});

test("a signed report that is no list, or too large, ends nothing", only, async () => {
  const key = await house.createKey("spared");
  const bodies = ["", "{}", "not JSON", JSON.stringify(entry(key)), JSON.stringify([key]),
    JSON.stringify([entry(key), { type: "t" }]),
    JSON.stringify([entry(key), { token: 7, type: "t" }]),
    JSON.stringify([entry(key), entry("x".repeat(5_000))]),
    JSON.stringify([entry(key, { url: "u".repeat(3_000) })]),
    JSON.stringify(Array.from({ length: 1_001 }, () => entry(key)))];
  for (const [at, body] of bodies.entries()) {
    const answer = await report(body, inHouse(body), { localAddress: `127.0.4.${at + 1}` });
    assert.deepEqual([answer.status, answer.json()], [400, { error: "invalid_request" }],
      body.slice(0, 80));
  }
  const huge = list("x".repeat(1 << 20));
  const answer = await report(huge, inHouse(huge)).catch((error) => error);
  assert.ok(answer.status === 413 || answer.code, "it was read whole");
  await ask(key);
  const malformed = (await house.calls()).filter((call) => /^127\.0\.4\./.test(call.ip));
  assert.equal(malformed.length, bodies.length);
  for (const call of malformed) assert.equal(call.action, "denied:leak_report_malformed");
});

test("whose secret is it? told on stdin, dead or alive, recorded, never printed", only, async () => {
  const key = await house.createKey("whose", "--owner", "the night shift");
  const alive = await holder(`${key}\n`, "keys", "which");
  assert.equal(alive.code, 0, alive.stderr);
  assert.match(alive.stdout, /the night shift/);
  await house.command("keys", "revoke", "whose");
  const dead = JSON.parse((await holder(key, "--json", "keys", "which")).stdout);
  assert.deepEqual([dead.ours, dead.kid, dead.key.status], [true, kidOf(key), "revoked"]);
  for (const text of ["", "sk-proj-x", `${key.slice(0, 20)}${"0".repeat(38)}`, `x${key}`]) {
    const none = await holder(text, "keys", "which");
    assert.ok(none.code > 0, `"${text}" is taken for ours`);
    assert.ok(!(none.stdout + none.stderr).includes(key.slice(20)));
  }
  const asked = (await acts(kidOf(key))).filter((act) => act.action === "key.which");
  assert.equal(asked.length, 2);
  assert.ok(!JSON.stringify(asked).includes(key.slice(20)));
});
