// SPDX-License-Identifier: Apache-2.0
// Records on their way out of a real gate: whatever a receiver does, nothing is lost, nothing comes
// out of order, and whoever calls the gate notices nothing.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { binary, start, until } from "../e2e/house.mjs";
import { Datadog, Elasticsearch, Slack, Splunk, SplunkAck, token, Webhook } from "./receivers.mjs";

const run = promisify(execFile);
const limitMs = 30_000;
const env = { SINK_TOKEN: token, SINK_BOT: `xoxb-${token}`, SINK_HOOK: "T000/B000/XXXX" };

// A gate with these entries of notify.
const gateWith = (...entries) => start({ env, more: `notify:\n${entries.map((e) => `  - ${e}\n`).join("")}` });
const common = "allow: [127.0.0.0/8], begin: beginning, only: [all], batch_wait: 100ms, timeout: 1s";
const entry = (receiver, more = "") => `${receiver.options("one")}, ${common}${more}}`;

async function journal(house) {
  const folder = join(house.folder, "journal", "seg");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".jsonl")).sort();
  const lines = [];
  for (const name of names) {
    const text = (await readFile(join(folder, name))).toString("utf8");
    lines.push(...text.split("\n").filter((line) => line.startsWith("{")));
  }
  return lines.map((line) => JSON.parse(line));
}

const sinks = async (house) => JSON.parse(await house.command("sinks", "list", "--json")).data;
const sink = async (house) => (await sinks(house))[0];

async function traffic(house, calls) {
  for (let done = 0; done < calls; done += 20) {
    // Once more where a connection was that of a gate which was killed.
    const call = () => house.fetch("/v1/models");
    await Promise.all(Array.from({ length: Math.min(20, calls - done) }, () => call().catch(call)));
  }
}

// Until the sink has all of the log, which stands still meanwhile.
async function settled(house, withinMs = limitMs) {
  await until("all records are sent", async () => {
    const { behind, state } = await sink(house);
    return behind === 0 && state !== "stopped";
  }, withinMs);
}

// Each record of the log, in its order; a repeated one counts once and is the same.
function assertAll(receiver, lines) {
  assert.deepEqual(receiver.complaints, []);
  const first = new Map();
  for (const record of receiver.taken) {
    const { id, ...line } = record;
    if (first.has(id)) assert.deepEqual(line, first.get(id));
    else first.set(id, line);
  }
  const sent = [...first.values()].sort((a, b) => a.seq - b.seq);
  assert.deepEqual(sent, lines);
}

const protocols = [
  ["elasticsearch", Elasticsearch, ["slow", "partial", "cut", "page", "garbage", "never", "large", "partial"]],
  ["splunk", Splunk, ["slow", "busy", "cut", "page", "garbage", "never", "large", "broken"]],
  ["datadog", Datadog, ["slow", "cut", "page", "garbage", "never", "large", "broken"]],
  ["webhook", Webhook, ["slow", "cut", "garbage", "never", "broken", "none", "broken"]],
];

for (const [name, Type, faults] of protocols) {
  test(`${name}: everything arrives through everything that can go wrong`, async () => {
    const receiver = await new Type().listen();
    const house = await gateWith(entry(receiver, ", batch_records: 10"));
    try {
      // What succeeds in between ends the waiting, so that the next failure is a first one.
      receiver.faults = faults.flatMap((fault) => [fault, "none"]);
      await traffic(house, 100);
      await settled(house);
      assert.equal(receiver.faults.length, 0, "all faults were met");
      const { dead, attempts_failed: failed } = await sink(house);
      assert.equal(dead, 0);
      assert.ok(failed >= faults.length - 2, `${failed} failures`);
      assertAll(receiver, await journal(house));
    } finally {
      await house.stop();
      await receiver.close();
    }
  });
}

test("Retry-After is kept to", async () => {
  const receiver = await new Elasticsearch().listen();
  receiver.faults = ["slow"];
  const house = await gateWith(entry(receiver));
  try {
    await traffic(house, 1);
    await settled(house);
    assert.ok(receiver.times[1] - receiver.times[0] >= 990, `${receiver.times[1] - receiver.times[0]} ms`);
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("a record that never fits is a dead letter, and the others arrive", async () => {
  for (const Type of [Elasticsearch, Splunk]) {
    const receiver = await new Type().listen();
    receiver.faults = ["mapping"];
    const house = await gateWith(entry(receiver));
    try {
      await traffic(house, 20);
      await settled(house);
      const lines = await journal(house);
      assert.equal((await sink(house)).dead, 1);
      const letters = (await readFile(join(house.folder, "journal/sinks/one.dead"), "utf8")).trim().split("\n");
      assert.equal(letters.length, 1);
      const letter = JSON.parse(letters[0]);
      const dead = JSON.parse(letter.line);
      assert.match(letter.id, new RegExp(`:${dead.seq}$`));
      assertAll(receiver, lines.filter(({ seq }) => seq !== dead.seq));
    } finally {
      await house.stop();
      await receiver.close();
    }
  }
});

test("Splunk's indexers: what is accepted does not count before they have it", async () => {
  const receiver = await new SplunkAck().listen();
  const options = ", batch_records: 20, options: {ack: \"yes\", ack_timeout: 1s}";
  const house = await gateWith(entry(receiver, options));
  try {
    receiver.polls = Infinity;
    await traffic(house, 10);
    await until("it is asked about", () => receiver.asked >= 2, limitMs);
    assert.equal((await sink(house)).sent, 0);
    assert.equal((await sink(house)).next_seq, 1, "the cursor waits for the indexers");

    receiver.polls = 2;
    receiver.faults = ["none", "lost", "none", "none", "lost", "broken", "cut", "garbage"];
    await traffic(house, 100);
    await settled(house);
    assertAll(receiver, await journal(house));
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("Splunk without acknowledgement on its side is named", async () => {
  const receiver = await new Splunk().listen();
  const house = await gateWith(entry(receiver, ", options: {ack: \"yes\"}"));
  try {
    await traffic(house, 1);
    await until("it stops", async () => (await sink(house)).state === "stopped", limitMs);
    assert.match((await sink(house)).why, /gave no ackId/);
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("a receiver that refuses everything stops its sink; the log is not used up for it", async () => {
  for (const [Type, status] of [[Elasticsearch, 400], [Datadog, 400], [Splunk, 400], [Webhook, 400]]) {
    const receiver = await new Type().listen();
    receiver.always = "refused";
    const house = await gateWith(entry(receiver, ", batch_records: 30"));
    try {
      await traffic(house, 100);
      await until("it stops", async () => (await sink(house)).state === "stopped", limitMs);
      const { why, dead, sent, behind } = await sink(house);
      assert.match(why, new RegExp(`the receiver refuses everything: \\d+ records in a row .* ${status}`));
      assert.deepEqual([dead, sent], [0, 0]);
      assert.ok(behind >= 100, `${behind} behind`);
      const metrics = await (await fetch(`${house.adminURL}/metrics`)).text();
      assert.match(metrics, /sallyport_sink_state\{sink="one",type="\w+",state="stopped"\} 1/);
      assert.match(metrics, /sallyport_sink_refused\{sink="one",type="\w+"\} [2-9]\d/);
      await assert.rejects(readFile(join(house.folder, "journal/sinks/one.dead")), { code: "ENOENT" });

      receiver.always = undefined;
      await house.command("sinks", "resume", "one");
      await settled(house);
      assertAll(receiver, await journal(house));
      assert.equal((await sink(house)).dead, 0);
    } finally {
      await house.stop();
      await receiver.close();
    }
  }
});

test("bodies go as gzip or as they are, on one connection", async () => {
  for (const compression of ["gzip", "none"]) {
    for (const Type of [Elasticsearch, Datadog, Splunk]) {
      const receiver = await new Type().listen();
      const house = await gateWith(entry(receiver, `, batch_records: 20, options: {compression: ${compression}}`));
      try {
        await traffic(house, 200);
        await settled(house);
        assertAll(receiver, await journal(house));
        assert.ok(receiver.requests >= 10);
        assert.equal(receiver.connections, 1, `${receiver.connections} connections for ${receiver.requests} requests`);
        if (compression === "none") assert.equal(receiver.packed, 0);
        else assert.ok(receiver.packed >= 10, `${receiver.packed} of ${receiver.requests} were packed`);
      } finally {
        await house.stop();
        await receiver.close();
      }
    }
  }
});

// More rounds by hand: SALLYPORT_KILL_ROUNDS=100 node --test --test-name-pattern="kill -9" ...
const killRounds = Number(process.env.SALLYPORT_KILL_ROUNDS ?? 3);
const killed = [
  ["elasticsearch", Elasticsearch, ""],
  ["splunk", Splunk, ""],
  ["splunk with acknowledgement", SplunkAck, ', options: {ack: "yes"}'],
  ["datadog", Datadog, ""],
  ["webhook", Webhook, ""],
];
for (const [name, Type, more] of killed) {
  test(`kill -9 during delivery, ${name}: nothing lost, at most one batch twice each time, same ids`, async (t) => {
    const receiver = await new Type().listen();
    const house = await gateWith(entry(receiver, `, batch_records: 10${more}`));
    try {
      receiver.polls = 1;
      const repeats = []; // between one kill and the next
      for (let round = 0; round < killRounds; round += 1) {
        await traffic(house, 40);
        const before = receiver.requests;
        await until("a delivery is under way", () => receiver.requests > before, limitMs);
        house.gate.process.kill("SIGKILL");
        await house.gate.ended;
        repeats.push(receiver.repeats() - repeats.reduce((sum, one) => sum + one, 0));
        await house.serve();
      }
      await settled(house, limitMs + killRounds * 2_000); // ten records wait for the indexers 0.1 s
      assertAll(receiver, await journal(house));
      const doubled = receiver.repeats();
      repeats.push(doubled - repeats.reduce((sum, one) => sum + one, 0));
      const worst = Math.max(...repeats);
      assert.ok(worst <= 10, `${worst} records twice after one kill`);
      t.diagnostic(`${killRounds} rounds: ${(await journal(house)).length} records, ${doubled} twice, at most ${worst} after one kill`);
    } finally {
      await house.stop();
      await receiver.close();
    }
  });
}

test("an ordinary stop repeats nothing", async () => {
  const receiver = await new Splunk().listen();
  const house = await gateWith(entry(receiver, ", batch_records: 10"));
  try {
    for (let round = 0; round < 3; round += 1) {
      await traffic(house, 30);
      assert.equal(await house.gate.stop(), 0);
      await house.serve();
    }
    await settled(house);
    assertAll(receiver, await journal(house));
    assert.equal(new Set(receiver.taken.map(({ id }) => id)).size, receiver.taken.length);
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("an outage: the gate answers on, its memory stays, and all arrives afterwards", async () => {
  const open = [];
  const dead = createTcpServer((socket) => open.push(socket.on("error", () => {}))); // never answers
  await new Promise((ready) => dead.listen(0, "127.0.0.1", ready));
  const receiver = new Datadog();
  receiver.url = `http://127.0.0.1:${dead.address().port}`;
  const house = await gateWith(entry(receiver));
  const anonymousKb = async () =>
    Number(/RssAnon:\s+(\d+)/.exec(await readFile(`/proc/${house.gate.process.pid}/status`, "utf8"))[1]);
  try {
    await traffic(house, 1_000);
    const before = await anonymousKb();
    await traffic(house, 2_200);
    // A sanitizer keeps what was freed, so that its memory says nothing of ours.
    const grown = await anonymousKb() - before;
    if (!process.env.SALLYPORT_SANITIZE) assert.ok(grown < 8 * 1024, `a dead receiver costs ${grown} kB`);
    const { behind, why } = await until("it waits", async () => {
      const now = await sink(house); // between two tries that run into their time limit
      return now.state === "waiting" && now;
    }, limitMs);
    assert.ok(behind > 3_000 && why.length > 0);
    const { port } = dead.address();
    assert.equal(await house.gate.stop(), 0);
    for (const socket of open) socket.destroy();
    await new Promise((closed) => dead.close(closed));
    await receiver.listen(port);
    await house.serve();
    await settled(house);
    assertAll(receiver, await journal(house));
  } finally {
    for (const socket of open) socket.destroy();
    dead.close();
    await house.stop();
    await receiver.close();
  }
});

test("a refused credential stops it by name; resume goes on; replay sends again", async () => {
  const receiver = await new Elasticsearch().listen();
  const house = await gateWith(entry(receiver));
  try {
    receiver.authorized = () => false;
    await traffic(house, 10);
    await until("it stops", async () => (await sink(house)).state === "stopped", limitMs);
    assert.match((await sink(house)).why, /401/);
    assert.match(house.gate.errors, /sink\.stopped.*one.*401/);
    const { requests } = receiver;
    await assert.rejects(house.command("sinks", "test", "one"), /401/);
    assert.equal(receiver.requests, requests + 1);

    receiver.authorized = () => true;
    await house.command("sinks", "resume", "one");
    await settled(house);
    assertAll(receiver, await journal(house));

    receiver.ids.clear();
    const had = receiver.taken.length;
    await house.command("sinks", "replay", "one", "--from", "5");
    await until("records come again", () => receiver.taken.length > had + 5, limitMs);
    assert.equal(receiver.taken[had].seq, 5);
    await settled(house);
    assertAll(receiver, await journal(house));
    await assert.rejects(house.command("sinks", "replay", "one", "--from", "999999"), /no record 999999/);
    await assert.rejects(house.command("sinks", "test", "two"), /no sink/);
    const acts = (await journal(house)).filter(({ kind }) => kind === "admin").map(({ action }) => action);
    for (const act of ["sink.resume", "sink.replay", "sink.test"]) assert.ok(acts.includes(act), act);
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("a redirect is not followed", async () => {
  const receiver = await new Datadog().listen();
  receiver.faults = ["moved"];
  const house = await gateWith(entry(receiver));
  try {
    await traffic(house, 1);
    await until("it stops", async () => (await sink(house)).state === "stopped", limitMs);
    assert.match((await sink(house)).why, /redirects are not followed/);
    assert.equal(receiver.requests, 1);
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("no name leads to an address that is not allowed", async () => {
  const receiver = await new Datadog().listen();
  let connections = 0;
  receiver.server.on("connection", () => (connections += 1));
  const to = (url) => `{name: one, type: datadog, url: "${url}", token: "\${env:SINK_TOKEN}", begin: beginning, only: [all]}`;
  const house = await gateWith(to(`https://localhost:${receiver.port}`));
  try {
    await until("it waits", async () => (await sink(house)).state === "waiting", limitMs);
    assert.match((await sink(house)).why, /no address of the name may be connected to/);
    assert.equal(connections, 0);
    for (const url of [receiver.url, `https://127.0.0.1:${receiver.port}`, "https://169.254.169.254", "https://[::ffff:10.0.0.1]"]) {
      const text = house.text.replace(/url: "[^"]*"/, `url: "${url}"`);
      const { writeFile } = await import("node:fs/promises");
      const file = join(house.folder, "other.yaml");
      await writeFile(file, text.replaceAll(house.folder + "/", `${house.folder}/other-`));
      await assert.rejects(run(binary, ["-c", file, "serve"], { env: house.env, timeout: limitMs }), /allow/, url);
    }
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("a log that the cursor does not fit is named, not guessed", async () => {
  const receiver = await new Datadog().listen();
  const house = await gateWith(entry(receiver));
  try {
    await traffic(house, 10);
    await settled(house);
    await house.gate.stop();
    const { writeFile } = await import("node:fs/promises");
    await writeFile(join(house.folder, "journal/sinks/one.cursor"), "\0".repeat(100));
    const had = receiver.taken.length;
    await house.serve();
    const { state, why } = await sink(house);
    assert.equal(state, "stopped");
    assert.match(why, /one\.cursor is damaged/);
    await assert.rejects(house.command("sinks", "resume", "one"), /say from which record/);
    await house.command("sinks", "replay", "one", "--from", "1");
    await settled(house);
    assert.ok(receiver.taken.length >= 2 * had - 1);
    assertAll(receiver, await journal(house));
  } finally {
    await house.stop();
    await receiver.close();
  }
});

const slackEntry = (receiver, secret, options) =>
  `{name: one, type: slack, url: "${receiver.url}", token: "\${env:${secret}}", allow: [127.0.0.0/8], ` +
  `begin: beginning, only: [admin], batch_wait: 100ms, options: {pace: 0s${options}}}`;

test("Slack: an incoming webhook gets plain messages, and a hook that is gone stops it", async () => {
  const receiver = await new Slack().listen();
  receiver.faults = ["slow"];
  const house = await gateWith(slackEntry(receiver, "SINK_HOOK", ""));
  try {
    await house.createKey("app-one");
    await until("two keys are told", () => receiver.messages.length >= 2, limitMs);
    assert.match(JSON.stringify(receiver.messages), /admin: key\.create/);
    await house.command("sinks", "test", "one");
    receiver.faults = ["gone"];
    await house.createKey("app-two");
    await until("it stops", async () => (await sink(house)).state === "stopped", limitMs);
    assert.match((await sink(house)).why, /404 no_service/);
    assert.deepEqual(receiver.complaints, []);
    assert.ok(!JSON.stringify(await sinks(house)).includes(env.SINK_HOOK), "the secret is told");
    assert.ok(!house.gate.errors.includes(env.SINK_HOOK), "the secret is logged");
  } finally {
    await house.stop();
    await receiver.close();
  }
});

test("Slack: a bot writes into its channel; what Slack says decides", async () => {
  const receiver = await new Slack().listen();
  receiver.faults = ["ratelimited", "msg_too_long", "none", "channel_not_found"];
  const house = await gateWith(slackEntry(receiver, "SINK_BOT", ", channel: C1"));
  try {
    for (const name of ["a", "b", "c"]) await house.createKey(`app-${name}`);
    await until("it stops", async () => (await sink(house)).state === "stopped", limitMs);
    const { dead, why } = await sink(house);
    assert.equal(dead, 1);
    assert.match(why, /channel_not_found/);
    await house.command("sinks", "resume", "one");
    await settled(house);
    assert.ok(receiver.messages.every(({ channel }) => channel === "C1"));
    assert.deepEqual(receiver.complaints, []);
  } finally {
    await house.stop();
    await receiver.close();
  }
});
