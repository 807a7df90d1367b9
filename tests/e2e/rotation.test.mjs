// SPDX-License-Identifier: Apache-2.0
// New secrets reach their owners without a person and without a trace: by schedule, on demand, in
// an incident, and when the gate is killed in the middle (docs/rotation.md).
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, gated, messages, start, until } from "./house.mjs";
import { Peer, seconds } from "./signed.mjs";

const only = { skip: !gated };
const patientMs = 30_000;
const secret = "a secret that signs deliveries, 24 bytes or more";
const signed = (id, time, body) =>
  `v1,${createHmac("sha256", secret).update(`${id}.${time}.${body}`).digest("base64")}`;

let house;
let receiver;
// What the receiver does with a message, and with how many of the same id.
let behave = () => ({ status: 204 });
const mail = []; // what it got: {id, data, key, good, name, took}
const secrets = new Set();
let said = ""; // by gates that ended

async function take(request, body) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signature } =
    request.headers;
  const { type, data } = JSON.parse(body);
  const got = { id, data, key: data.key, name: data.name,
    good: type === "key.rotated" && signature === signed(id, time, body) &&
      Math.abs(Number(time) - seconds()) < 60 };
  secrets.add(got.key);
  mail.push(got);
  const answer = await behave(got, mail.filter((one) => one.id === id).length);
  got.took = answer?.status;
  return answer;
}
const mailOf = (name) => mail.filter((one) => one.name === name);

before(async () => {
  if (!gated) return;
  receiver = await Peer.open(take);
  house = await start({
    env: { E2E_DELIVERY_SECRET: secret },
    configure: (text, { folder }) => {
      mkdirSync(join(folder, "drop"), { mode: 0o700 });
      return text.replace("keys:", `keys:
  rotate: {every: 1s, grace: 10m}
  deliver:
    - {key: "file-*", to: "file:${folder}/drop/{name}"}
${["hook", "refusing", "killed"].map((target) => `    - key: ${target}-*
      to: ${receiver.url}/${target}
      sign_with: \${env:E2E_DELIVERY_SECRET}`).join("\n")}`);
    },
  });
});
after(async () => {
  behave = () => ({ status: 204 });
  await house?.stop();
  await receiver?.stop();
});

const model = "gpt-5.5";
const ask = (apiKey, options = {}) =>
  house.client({ apiKey }).chat.completions.create({ model, messages, ...options });
const refused = (status) => (error) => error.status === status;
const dropped = (name) => readFileSync(join(house.folder, "drop", name), "utf8");
const kidOf = (key) => key.split("-")[2];
async function make(name, ...options) {
  const key = await house.createKey(name, ...options);
  secrets.add(key);
  return key;
}
async function keysOf(name) {
  const { data } = JSON.parse(await house.command("--json", "keys", "list", "--all"));
  return data.filter((key) => key.name === name);
}
const acts = async (name) => (await house.records("--kind", "admin"))
  .filter((act) => act.api_key_id === name && act.action.startsWith("key.rotate"));

// The schedule looks at the start, and then every half a minute. What is to be rotated must be old
// enough by then.
async function startAgain(keys) {
  for (const name of keys) {
    const [{ created_at: made }] = await keysOf(name);
    await until(`${name} is old enough`, () => Date.now() > Date.parse(made) + 1_100);
  }
  assert.equal(await house.gate.stop(), 0, house.gate.errors);
  said += house.logs();
  await house.serve();
}

test("by schedule: to a file and to a webhook that fails first", only, async () => {
  const old = { file: await make("file-app"), hook: await make("hook-app"),
    none: await make("other"), gone: await make("refusing-app") };
  behave = ({ name }, times) => {
    if (name === "refusing-app") return { status: 410 };
    return { status: times === 1 ? 503 : 204 };
  };
  await startAgain(["file-app", "hook-app", "refusing-app"]);

  const inFile = await until("the file is written", () => {
    try {
      return dropped("file-app");
    } catch {
      return null;
    }
  }, patientMs);
  secrets.add(inFile);
  assert.match(inFile, /^sk-sp1-[0-9A-Za-z]{12}-[0-9A-Za-z]{38}$/);
  assert.notEqual(inFile, old.file);
  assert.equal(statSync(join(house.folder, "drop", "file-app")).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(house.folder, "drop")), ["file-app"], "a draft was left");
  await ask(inFile);
  await ask(old.file);

  const [first, second, ...more] = await until("the message is accepted", () =>
    mailOf("hook-app").some((one) => one.took === 204) && mailOf("hook-app"), patientMs);
  assert.ok(more.every((one) => one.id !== first.id), "delivered twice");
  assert.ok(first.good && second.good, "the signature is wrong");
  assert.deepEqual([first.id, first.key], [second.id, second.key]);
  assert.equal(second.data.replaces, kidOf(old.hook));
  assert.equal(second.data.kid, kidOf(second.key));
  await ask(second.key);
  await ask(old.hook);

  await until("the refusal is recorded", async () => (await acts("refusing-app")).length > 0,
    patientMs);
  assert.equal(mailOf("refusing-app").length, 1, "who will not have it is asked again");
  await ask(old.gone);
  await assert.rejects(ask(mailOf("refusing-app")[0].key), refused(401));
  await ask(old.none);
  assert.equal((await keysOf("other")).length, 1);

  for (const [name, key] of [["file-app", inFile], ["hook-app", second.key]]) {
    const [act] = await until("it is recorded", async () => {
      const found = await acts(name);
      return found.length > 0 && found;
    });
    assert.deepEqual([act.action, act.actor, act.kid, act.detail.after.delivered],
      ["key.rotate", "rotation", kidOf(key), true]);
    const left = Date.parse(act.detail.after.old_ends_at) - Date.parse(act.timestamp_utc);
    assert.ok(left > 590_000 && left <= 601_000, `the overlap is ${left} ms`);
  }
  const [failed] = await acts("refusing-app");
  assert.deepEqual([failed.action, failed.error], ["key.rotate_failed", "not_delivered"]);
});

test("on demand: delivered and not shown; the same id again makes nothing", only, async () => {
  behave = () => ({ status: 200 });
  const old = await make("hook-demand");
  const rotate = async () => JSON.parse(await house.command("--json", "keys", "rotate",
    "hook-demand", "--deliver", "--rotation-id", "deploy-7", "--overlap", "1h"));
  const done = await rotate();
  assert.deepEqual([done.delivered, done.repeated, done.key], [true, false, undefined]);
  const [{ key, data, good }] = mailOf("hook-demand");
  assert.ok(good);
  assert.deepEqual([data.rotation_id, data.kid], ["deploy-7", done.successor.kid]);
  const again = await rotate();
  assert.deepEqual([again.repeated, again.successor.kid], [true, done.successor.kid]);
  assert.equal(mailOf("hook-demand").length, 1);
  assert.equal((await keysOf("hook-demand")).length, 2);
  await ask(key);
  await ask(old);
  const printed = await house.command("keys", "rotate", "hook-demand", "--deliver");
  const { key: latest } = mailOf("hook-demand").at(-1);
  assert.ok(!printed.includes("sk-sp1-"), "it was printed");
  await ask(latest);
});

test("an incident does not wait for the receiver: the old key is dead before", only, async () => {
  const old = await make("hook-stolen");
  const reading = collect(await ask(old, { model: "sim-slow", stream: true }))
    .then(() => null, (error) => error);
  let answered;
  behave = () => new Promise((answer) => (answered = answer));
  const rotating = house.command("keys", "rotate", "hook-stolen", "--incident", "--deliver");
  const { key } = await until("the message is under way", () => mailOf("hook-stolen")[0],
    patientMs);
  await assert.rejects(ask(old), refused(401));
  assert.ok(await reading, "its stream went on");
  answered({ status: 200 });
  await rotating;
  await ask(key);

  behave = () => ({ status: 410 });
  await assert.rejects(house.command("keys", "rotate", "hook-stolen", "--deliver"),
    (error) => /is revoked; the old one keeps its end/.test(error.stderr));
  await assert.rejects(ask(mailOf("hook-stolen").at(-1).key), refused(401));
  await ask(key);
  const failed = (await acts("hook-stolen")).at(-1);
  assert.deepEqual([failed.action, failed.error], ["key.rotate_failed", "not_delivered"]);
});

test("killed while it delivers: after the start neither lost nor doubled", only, async () => {
  const old = await make("killed-app");
  behave = ({ name }) =>
    (name === "killed-app" ? new Promise(() => {}) : { status: 204 }); // never answers
  await startAgain(["killed-app"]);
  const [lost] = await until("the first message came", () => {
    const found = mailOf("killed-app");
    return found.length > 0 && found;
  }, patientMs);
  house.gate.process.kill("SIGKILL");
  await house.gate.ended;
  said += house.logs();

  behave = () => ({ status: 204 });
  await house.serve();
  const arrived = await until("another secret is delivered", () =>
    mailOf("killed-app").find((one) => one.took === 204), patientMs);
  assert.notEqual(arrived.key, lost.key);
  assert.notEqual(arrived.id, lost.id);
  await ask(arrived.key);
  await ask(old);
  const [last] = await until("it is recorded", async () => {
    const done = (await acts("killed-app")).filter((act) => act.action === "key.rotate");
    return done.length > 0 && done.slice(-1);
  }, patientMs);
  assert.equal(last.kid, kidOf(arrived.key));
  // Nobody knows whether the first one arrived: it may work for the overlap, and not beyond it.
  const keys = new Map((await keysOf("killed-app")).map((key) => [key.kid, key]));
  assert.deepEqual(new Set(keys.keys()), new Set([old, lost.key, arrived.key].map(kidOf)));
  assert.equal(keys.get(kidOf(arrived.key)).status, "active");
  for (const key of [old, lost.key]) {
    const { status, expires_at: end } = keys.get(kidOf(key));
    if (status === "revoked") await assert.rejects(ask(key), refused(401));
    else assert.ok(Date.parse(end) < Date.now() + 601_000, `${status} until ${end}`);
  }
  assert.notEqual(keys.get(kidOf(old)).status, "revoked");
});

test("no secret stands in a log, in the journal, or in the store", only, async () => {
  assert.ok(secrets.size >= 10, `${secrets.size} secrets`);
  const files = (await readdir(house.folder, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile() && !file.parentPath.endsWith("/drop"));
  assert.ok(files.length >= 3);
  for (const file of files) {
    const bytes = await readFile(join(file.parentPath, file.name), "latin1");
    for (const key of secrets) assert.ok(!bytes.includes(key.slice(20)), file.name);
  }
  said += house.logs();
  for (const key of secrets) assert.ok(!said.includes(key.slice(20)), "in the log");
});
