// SPDX-License-Identifier: Apache-2.0
// A key dies within a second whatever the disk is busy with, and strangers can take no more of the
// host than they are given (docs/keys.md, docs/leak-reports.md).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gated, messages, start, until } from "./house.mjs";
import { Signer, jwks, seconds, send } from "./signed.mjs";

const only = { skip: !gated };
const deadMs = 1_000; // what the gateway promises
const audience = "https://gate.example.com";
const secret = "a shared secret of in-house scanners, 40 bytes";
const signer = new Signer("ES256", "jobs");
let house;

before(async () => {
  if (!gated) return;
  house = await start({
    env: { E2E_LEAK_SECRET: secret },
    configure: (text, opening) => {
      house = opening;
      writeFileSync(join(house.folder, "jwks.json"), jwks(signer));
      return text.replace("keys:", `keys:
  leak_report:
    secret: \${env:E2E_LEAK_SECRET}
  identity_exchange:
    - name: jobs
      issuer: https://jobs.example.com
      audience: ${audience}
      jwks_file: file:${house.folder}/jwks.json
      algorithms: [ES256]
      claims: {sub: job-*}
      principal: job-{sub}`);
    },
  });
});
after(() => house?.stop());

// Somebody who holds the store's write lock for as long as the test likes.
class Holder {
  static async take() {
    const holder = new Holder();
    const code = "import sqlite3,sys\n"
      + "db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n"
      + "db.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\n"
      + "sys.stdin.read()\ndb.execute('ROLLBACK')\n";
    holder.process = spawn("python3", ["-c", code, join(house.folder, "sallyport.db")],
      { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise((held) => holder.process.stdout.once("data", held));
    return holder;
  }
  async release() {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.stdin.end();
    await ended;
  }
}

// A copy as an operator makes it, while the gate runs.
async function copyStore(from, to) {
  const code = "import sqlite3,sys\n"
    + "sqlite3.connect(sys.argv[1], timeout=60).backup(sqlite3.connect(sys.argv[2]))\n";
  const copying = spawn("python3", ["-c", code, from, to], { stdio: "inherit" });
  await new Promise((done) => copying.once("exit", done));
}

const ask = (apiKey) =>
  house.client({ apiKey }).chat.completions.create({ model: "gpt-5.5", messages });
const statusOf = (key) => ask(key).then(() => 200, (error) => error.status);
const exchange = (n) => send(`${house.url}/oauth/token`, {
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    subject_token: signer.token({ iss: "https://jobs.example.com", aud: audience, sub: `job-${n}`,
      iat: seconds(), exp: seconds() + 300 }) }).toString() });
const report = (key) => {
  const body = JSON.stringify([{ token: key, type: "sallyport_key", url: "", source: "paste" }]);
  return send(`${house.url}/leak-report`, { body, headers: { "content-type": "application/json",
    "x-sallyport-signature": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}` } });
};

async function deadWithin(what, key, since) {
  await until(`${what}: 401`, async () => await statusOf(key) === 401, 10_000);
  const took = Date.now() - since;
  assert.ok(took < deadMs, `${what}: dead after ${took} ms`);
}

test("while the store is locked and strangers queue: dead within a second", only, async () => {
  const keys = {};
  for (const name of ["revoked", "blocked", "reported"]) keys[name] = await house.createKey(name);
  assert.equal((await exchange("first")).status, 200);
  const holder = await Holder.take();
  let strangers, acts;
  try {
    strangers = Array.from({ length: 12 }, (_, n) => exchange(n));
    acts = [];
    let since = Date.now();
    acts.push(house.command("keys", "revoke", "revoked").catch((error) => error));
    await deadWithin("revoked", keys.revoked, since);
    since = Date.now();
    acts.push(house.command("keys", "block", "blocked").catch((error) => error));
    await deadWithin("blocked", keys.blocked, since);
    since = Date.now();
    const answer = report(keys.reported);
    await deadWithin("reported", keys.reported, since);
    assert.equal((await answer).status, 503, "nobody is told that it is done: it is not yet durable");
  } finally {
    await holder.release();
  }
  for (const { status } of await Promise.all(strangers)) assert.ok([200, 503].includes(status), `${status}`);
  await Promise.all(acts);
  assert.equal((await report(keys.reported)).status, 200);
  await house.gate.stop();
  await house.serve();
  for (const key of Object.values(keys)) assert.equal(await statusOf(key), 401, "after a restart, too");
});

test("what the store never heard of is dead after a kill, too", only, async () => {
  const key = await house.createKey("undurable");
  const paused = await house.createKey("undurable-pause");
  const holder = await Holder.take();
  try {
    await assert.rejects(house.command("keys", "revoke", "undurable"), /not_durable|store/);
    await assert.rejects(house.command("keys", "block", "undurable-pause"), /not_durable|store/);
    house.gate.process.kill("SIGKILL");
    await house.gate.ended;
  } finally {
    await holder.release();
  }
  await house.serve();
  assert.equal(await statusOf(key), 401, "the record has it");
  assert.equal(await statusOf(paused), 401);
  await house.gate.stop();
  await house.serve();
  assert.equal(await statusOf(key), 401, "and by now the store");
});

test("a store that is gone is not made anew, and what is put back knows what ended", only, async () => {
  const key = await house.createKey("outlives");
  const stolen = await house.createKey("stolen");
  const store = join(house.folder, "sallyport.db");
  await copyStore(store, `${store}.copy`);
  await house.command("keys", "revoke", "stolen");
  renameSync(store, `${store}.away`);
  await until("every key is refused", async () => await statusOf(key) === 503, 15_000);
  assert.ok(!existsSync(store), "no empty one in its place");
  for (const end of ["-wal", "-shm"]) rmSync(`${store}${end}`, { force: true });
  renameSync(`${store}.copy`, store);
  await until("the store answers", async () => await statusOf(key) === 200, 15_000);
  assert.equal(await statusOf(stolen), 401);
  await house.gate.stop();
  await house.serve();
  assert.equal(await statusOf(stolen), 401, "the copy was told");
  assert.equal(await statusOf(key), 200);
});

const memoryMb = () => Number(
  /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${house.gate.process.pid}/status`, "utf8"))[1]) / 1024;

// Each announces a megabyte, signed as far as the head can tell, and sends nearly all of it.
test("hundreds of unfinished reports take a few megabytes", only, async () => {
  const { port, hostname } = new URL(house.url);
  const head = "POST /leak-report HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    + `x-sallyport-signature: sha256=${"a".repeat(64)}\r\ncontent-length: 1048576\r\n\r\n`;
  const most = Buffer.alloc(1_000_000, "x");
  const before = memoryMb();
  const sockets = [];
  let answered = 0;
  for (let n = 0; n < 400; ++n) {
    const socket = connect(Number(port), hostname, () => { socket.write(head); socket.write(most); });
    socket.on("error", () => {});
    socket.once("data", () => { ++answered; });
    sockets.push(socket);
  }
  await until("most are sent away", () => answered >= 300, 20_000);
  const grown = memoryMb() - before;
  for (const socket of sockets) socket.destroy();
  assert.ok(grown < 150, `grew by ${grown.toFixed(0)} MB`);
  const key = await house.createKey("still-served");
  assert.equal(await statusOf(key), 200);
});

test("without a signature the answer comes before the body", only, async () => {
  const { port, hostname } = new URL(house.url);
  const socket = connect(Number(port), hostname, () => socket.write(
    "POST /leak-report HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n\r\n["));
  const answer = await new Promise((told) => socket.once("data", (bytes) => told(`${bytes}`)));
  socket.destroy();
  assert.match(answer, /^HTTP\/1\.1 401 /);
});
