// SPDX-License-Identifier: Apache-2.0
// The life of keys as their users see it: rotation with an overlap, layers, derived tokens.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { binary, collect, gated, messages, start, until } from "./house.mjs";

const only = { skip: !gated };
let house;
before(async () => {
  if (!gated) return;
  house = await start({
    env: { E2E_DERIVE_KEY: "0123456789abcdef0123456789abcdef" },
    configure: (text) => text.replace("keys:\n", "keys:\n  derive_key: ${env:E2E_DERIVE_KEY}\n"),
  });
});
after(async () => await house?.stop());

const model = "gpt-5.5";
const client = (key) => house.client({ apiKey: key });
const ask = (key, options = {}) =>
  client(key).chat.completions.create({ model, messages, ...options });
const refused = (status) => (error) => error.status === status;

// What a holder does: the secret goes in on stdin.
function holder(secret, ...words) {
  return new Promise((done) => {
    const child = execFile(binary, ["-c", house.config, "keys", ...words], { env: house.env },
      (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout: stdout.trim(), stderr }));
    child.stdin.end(secret + "\n");
  });
}
const derive = async (key, ...words) => {
  const made = await holder(key, "derive", ...words);
  assert.equal(made.code, 0, made.stderr);
  return made.stdout;
};

test("a rotation: both keys work in the overlap, one name in the record, no secret twice", only, async () => {
  const old = await house.createKey("rotating");
  const first = JSON.parse(
    await house.command("--json", "keys", "rotate", "rotating", "--overlap", "1h",
      "--rotation-id", "deploy-7"));
  await ask(old);
  await ask(first.key);
  const again = JSON.parse(
    await house.command("--json", "keys", "rotate", "rotating", "--rotation-id", "deploy-7"));
  assert.equal(again.repeated, true);
  assert.equal(again.key, undefined);
  assert.equal(again.successor.kid, first.successor.kid);

  const calls = await until("both calls are recorded", async () => {
    const found = await house.calls("--key", "rotating");
    return found.length >= 2 && found;
  });
  assert.deepEqual(new Set(calls.map((call) => call.api_key_id)), new Set(["rotating"]));
  assert.deepEqual(new Set(calls.map((call) => call.kid)),
    new Set([first.old.kid, first.successor.kid]));
  const [act] = (await house.records("--kind", "admin")).filter((r) => r.action === "key.rotate");
  assert.equal(act.detail.rotation_id, "deploy-7");
  assert.equal(act.detail.before.status, "active");
  assert.equal(act.detail.after.old.status, "retiring");
  assert.ok(!JSON.stringify(act).includes(first.key));
});

test("an incident: the old key is dead at once, its stream too", only, async () => {
  const old = await house.createKey("stolen");
  const stream = await ask(old, { model: "sim-slow", stream: true });
  const reading = collect(stream);
  const began = Date.now();
  const { key } = JSON.parse(
    await house.command("--json", "keys", "rotate", "stolen", "--incident"));
  await assert.rejects(reading);
  assert.ok(Date.now() - began < 2_000, "the stream was not cut");
  await assert.rejects(ask(old), refused(401));
  await ask(key);
});

test("a layer that is revoked takes a live stream with it within a second", only, async () => {
  await house.command("layers", "create", "acme");
  await house.command("layers", "create", "acme/support");
  const key = await house.createKey("layered", "--layer", "acme/support");
  const stream = await ask(key, { model: "sim-slow", stream: true });
  const reading = collect(stream);
  await house.command("layers", "revoke", "acme");
  const began = Date.now();
  await assert.rejects(reading);
  assert.ok(Date.now() - began < 1_000, "the stream was not cut");
  await assert.rejects(ask(key), refused(401));
});

test("a derived token: less than its key, through the SDK, and dead alone", only, async () => {
  const key = await house.createKey("parent", "--derive");
  const token = await derive(key, "--life", "10m", "--endpoint", "chat", "--model", "gpt-5*");
  assert.match(token, /^sk-spd1-/);
  await ask(token);
  await assert.rejects(client(token).embeddings.create({ model, input: "x" }), refused(403));
  await assert.rejects(ask(token, { model: "gpt-4.1" }), refused(403));
  await ask(key, { model: "gpt-4.1" });

  const narrowed = await derive(token, "--narrow", "--model", "gpt-5.5");
  await ask(narrowed);
  await assert.rejects(ask(narrowed, { model: "gpt-5" }), refused(403));
  await ask(token, { model: "gpt-5" });

  const [call] = await until("it is recorded", async () => {
    const found = (await house.calls("--key", "parent")).filter((line) => line.tid);
    return found.length > 0 && found;
  });
  const tid = token.slice(21, 37);
  assert.equal(call.tid, tid);
  await house.command("keys", "revoke", "parent", "--token", tid);
  await assert.rejects(ask(token), refused(401));
  await assert.rejects(ask(narrowed), refused(401));
  await ask(key);

  const sibling = await derive(key, "--cidr", "192.0.2.0/24");
  await assert.rejects(ask(sibling), refused(401), "a binding looks like a wrong key");
  const plain = await house.createKey("plain");
  await assert.rejects(ask(await derive(plain)), refused(401), "not every key has tokens");
});

test("a token that was revoked is told apart from its key, which lives", only, async () => {
  const key = await house.createKey("whose", "--derive");
  const token = await derive(key);
  assert.match((await holder(token, "which")).stdout, /^token status +active$/m);
  await house.command("keys", "revoke", "whose", "--token", token.slice(21, 37));
  const dead = (await holder(token, "which")).stdout;
  assert.match(dead, /^token status +revoked$/m);
  assert.match(dead, /^key status +active$/m);
});

test("a budget is shown before and after any call, and a refusal names it in the record", only, async () => {
  const key = await house.createKey("thrifty", "--budget", "0.000001usd/day");
  const shown = () => house.command("budgets", "show", "key:thrifty");
  assert.match(await shown(), /key:thrifty +usd +day +hard +0\.000001 +0 +0 +0%/);
  assert.equal(await house.gate.stop(), 0);
  await house.serve();
  assert.match(await shown(), /key:thrifty +usd +day +hard +0\.000001 +0 /);
  assert.match(await house.command("budgets", "show"), /key:thrifty/);
  await assert.rejects(house.command("budgets", "show", "key:nobody"), /no key or layer has this name/);

  await assert.rejects(ask(key), refused(429));
  const [call] = await until("it is recorded", async () => {
    const found = await house.calls("--key", "thrifty");
    return found.length > 0 && found;
  });
  assert.equal(call.action, "denied:budget");
  const { asked, ...rest } = call.detail;
  assert.deepEqual(rest, { account: "key:thrifty", unit: "usd", window: "day", hard: true,
    budget: 0.000001, spent: 0, held: 0 });
  assert.ok(asked > 0.000001, String(asked));
});

test("whose is it? told by the secret on stdin, which is never said again", only, async () => {
  const key = await house.createKey("found", "--derive");
  const token = await derive(key);
  const ours = await holder(key, "which");
  assert.equal(ours.code, 0, ours.stderr);
  assert.match(ours.stdout, /name +found/);
  const derived = await holder(token, "which");
  assert.equal(derived.code, 0, derived.stderr);
  assert.match(derived.stdout, /token +[0-9A-Za-z]{16}/);
  const stranger = await holder("sk-proj-something-else", "which");
  assert.equal(stranger.code, 1);
  for (const said of [ours, derived, stranger]) {
    assert.ok(!(said.stdout + said.stderr).includes(key.slice(20)));
  }
  assert.ok(!house.logs().includes(key) && !house.logs().includes(token));
});
