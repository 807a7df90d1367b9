// SPDX-License-Identifier: Apache-2.0
// Servers that other people wrote, on loopback: rsyslog takes records, Prometheus scrapes and one of
// the shipped alerts fires, nginx is a receiver's moody front.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { Authority } from "../e2e/certificates.mjs";
import { start, until } from "../e2e/house.mjs";
import { Elasticsearch, RsyslogElasticsearch, Splunk, token } from "./receivers.mjs";

const limitMs = 60_000;
const env = { SINK_TOKEN: token };
const shipped = resolve(import.meta.dirname, "../../packaging");
const common = "allow: [127.0.0.0/8], begin: beginning, only: [all], batch_wait: 100ms, timeout: 5s";

async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

class Server {
  constructor(command, args) {
    this.said = "";
    this.process = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.process.stdout.on("data", (bytes) => (this.said += bytes));
    this.process.stderr.on("data", (bytes) => (this.said += bytes));
    this.process.on("error", (error) => (this.said += error.message));
    this.ended = new Promise((end) => this.process.once("close", end));
  }

  async stop(signal = "SIGTERM") {
    this.process.kill(signal);
    await this.ended;
  }
}

const gateWith = (entry) => start({ env, more: `notify:\n  - ${entry}\n` });
const sink = async (house) => JSON.parse(await house.command("sinks", "list", "--json")).data[0];

async function traffic(house, calls) {
  for (let done = 0; done < calls; done += 20) {
    await Promise.all(Array.from({ length: Math.min(20, calls - done) }, () => house.fetch("/v1/models")));
  }
}

async function settled(house) {
  await until("all records are sent", async () => (await sink(house)).behind === 0, limitMs);
}

async function journal(house) {
  const folder = join(house.folder, "journal", "seg");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".jsonl")).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.flatMap((text) => text.split("\n")).filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

// rsyslogd that writes what it takes into a file: structured data, a bar, the message.
async function rsyslog(folder, port) {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "rsyslog.conf"), `
global(workDirectory="${folder}" maxMessageSize="64k")
module(load="imtcp")
template(name="taken" type="string" string="%app-name% %msgid% %structured-data%|%msg%\\n")
input(type="imtcp" address="127.0.0.1" port="${port}" ruleset="records")
ruleset(name="records") { action(type="omfile" file="${folder}/taken" template="taken") }
`);
  const server = new Server("rsyslogd", ["-n", "-i", join(folder, "pid"), "-f", join(folder, "rsyslog.conf")]);
  await until("rsyslogd listens", () => new Promise((answer) => {
    if (server.process.exitCode !== null) throw new Error(server.said);
    const probe = createServer();
    probe.once("error", () => answer(true)); // the port is taken
    probe.listen(port, "127.0.0.1", () => probe.close(() => answer(false)));
  }), limitMs);
  return server;
}

async function takenBy(folder) {
  const lines = (await readFile(join(folder, "taken"), "utf8")).trim().split("\n");
  return lines.map((line) => {
    const bar = line.indexOf("|");
    const record = JSON.parse(line.slice(bar + 1));
    assert.ok(line.startsWith(`sallyport ${record.kind} [sallyport@32473 id="${record.id}" seq="${record.seq}"`), line);
    return record;
  });
}

// Each record of the log at least once, and whole; how many came twice.
function assertWhole(taken, lines) {
  const first = new Map(taken.map((record) => [record.seq, record]));
  const sent = [...first.values()].map(({ id, ...line }) => line).sort((a, b) => a.seq - b.seq);
  assert.deepEqual(sent, lines);
  return taken.length - first.size;
}

const syslogEntry = (port) =>
  `{name: one, type: syslog, url: "tcp://127.0.0.1:${port}", ${common}, options: {message_bytes: "65536"}}`;

test("rsyslog gets every record once, whole and in order", async () => {
  const port = await freePort();
  const house = await gateWith(syslogEntry(port));
  const folder = join(house.folder, "rsyslog");
  const server = await rsyslog(folder, port);
  try {
    await traffic(house, 500);
    await settled(house);
    const lines = await journal(house);
    await until("all is written", async () => (await takenBy(folder)).length >= lines.length, limitMs);
    const taken = await takenBy(folder);
    const log = await journal(house);
    const from = taken.filter(({ seq }) => seq <= log.length);
    assert.deepEqual(from.map(({ seq }) => seq), [...from.keys()].map((i) => i + 1));
    assertWhole(taken, log.slice(0, taken.length));
  } finally {
    await server.stop();
    await house.stop();
  }
});

test("rsyslog goes away and comes back: nothing is lost", async () => {
  const port = await freePort();
  const house = await gateWith(syslogEntry(port));
  const folder = join(house.folder, "rsyslog");
  let server = await rsyslog(folder, port);
  try {
    for (let round = 0; round < 3; round += 1) {
      await traffic(house, 100);
      await server.stop("SIGKILL"); // with what it had read and not written
      await traffic(house, 40);
      server = await rsyslog(folder, port);
    }
    await settled(house);
    let log = [];
    await until("all is written", async () => {
      log = await journal(house);
      return new Set((await takenBy(folder)).map(({ seq }) => seq)).size >= log.length;
    }, limitMs);
    assertWhole((await takenBy(folder)).filter(({ seq }) => seq <= log.length), log);
  } finally {
    await server.stop();
    await house.stop();
  }
});

const bulkLine = (id, more = {}) => [
  { create: { _index: "logs-sallyport.audit-default", _id: id, ...more } },
  { "@timestamp": "2026-01-01T00:00:00.000Z", id, timestamp_utc: "2026-01-01T00:00:00.000Z", api_key_id: null,
    endpoint: "GET /v1/models", model: null, latency_ms: 1, tokens_input: null, ip: "203.0.113.9", status: 200,
    metadata: { module: "m", purpose: "p" }, kind: "request", seq: Number(id.split(":").at(-1)) },
].map((line) => `${JSON.stringify(line)}\n`).join("");

test("the checker of _bulk takes nothing on trust", async () => {
  const receiver = await new RsyslogElasticsearch().listen();
  receiver.bytesMax = 100_000;
  const basic = `Basic ${Buffer.from(`sallyport:${token}`).toString("base64")}`;
  const good = { authorization: basic, "content-type": "application/json; charset=utf-8" };
  const cases = [
    ["good", good, bulkLine("gw:1"), 200, 0],
    ["without a credential", { "content-type": "application/json" }, bulkLine("gw:2"), 401, 0],
    ["another type", { ...good, "content-type": "text/plain" }, bulkLine("gw:3"), 406, 1],
    ["too large", good, bulkLine("gw:4").repeat(500), 413, 0],
    ["no end of the last line", good, bulkLine("gw:5").trimEnd(), 400, 1],
    ["a _type", good, bulkLine("gw:6", { _type: "events" }), 400, 1],
    ["index instead of create", good, bulkLine("gw:7").replace('"create"', '"index"'), 400, 1],
    ["another record's id", good, bulkLine("gw:8").replace('"_id":"gw:8"', '"_id":"gw:9"'), 400, 1],
    ["a number as text", good, bulkLine("gw:10").replace('"status":200', '"status":"200"'), 200, 1],
    ["packed", { ...good, "content-encoding": "gzip" }, bulkLine("gw:11"), 415, 1],
  ];
  try {
    for (const [why, headers, body, status, complaints] of cases) {
      const had = receiver.complaints.length;
      const answer = await fetch(`${receiver.url}/_bulk`, { method: "POST", headers, body });
      await answer.arrayBuffer();
      assert.equal(answer.status, status, why);
      assert.equal(receiver.complaints.length - had, complaints, `${why}: ${receiver.complaints.slice(had)}`);
    }
    receiver.faults = ["partial"];
    const body = [20, 21, 22].map((seq) => bulkLine(`gw:${seq}`)).join("");
    const answer = await (await fetch(`${receiver.url}/_bulk`, { method: "POST", headers: good, body })).json();
    assert.deepEqual([answer.errors, ...answer.items.map(({ create }) => create.status)], [true, 201, 429, 201]);
  } finally {
    await receiver.close();
  }
});

test("rsyslog with the shipped file brings every record into _bulk, through refusals and a restart", async () => {
  const receiver = await new RsyslogElasticsearch().listen();
  receiver.faults = ["none", "partial", "none", "broken", "partial", "cut"];
  const port = await freePort();
  const house = await gateWith(syslogEntry(port));
  const folder = join(house.folder, "rsyslog");
  const text = await readFile(join(shipped, "rsyslog", "sallyport-elasticsearch.conf"), "utf8");
  const changed = text.replaceAll("/var/spool/rsyslog", folder).replaceAll('port="10514"', `port="${port}"`)
    .replaceAll('server="siem.example" serverport="9200" usehttps="on"', `server="127.0.0.1" serverport="${receiver.port}"`)
    .replaceAll('tls.cacert="/etc/ssl/certs/ca-certificates.crt"', "").replaceAll('pwd="YOURS"', `pwd="${token}"`)
    .replaceAll('queue.dequeueBatchSize="500"', 'queue.dequeueBatchSize="20"');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "rsyslog.conf"), `global(workDirectory="${folder}")\n${changed}`);
  const begin = () => new Server("rsyslogd", ["-n", "-i", join(folder, "pid"), "-f", join(folder, "rsyslog.conf")]);
  let server = begin();
  try {
    await traffic(house, 200);
    await settled(house);
    await until("some have arrived", () => receiver.taken.length > 20, limitMs);
    await server.stop(); // what it has and could not deliver is in its queue on the disk
    server = begin();
    receiver.faults.push("mapping"); // not before: what it was told as it stopped it asks again
    for (let more = 0; receiver.faults.length > 0 && more < 200; more += 1) {
      await traffic(house, 20);
      await settled(house);
    }
    const log = await journal(house);
    const refused = async () => {
      const all = await readFile(join(folder, "sallyport-refused.log"), "utf8").catch(() => "");
      return all.split("\n").filter(Boolean).map((line) => JSON.parse(line.slice(line.indexOf("|") + 1)));
    };
    await until("all are there, or refused by name", async () => {
      if (server.process.exitCode !== null) throw new Error(server.said);
      const bad = await refused(); // may be one that was taken before and came again
      return bad.length > 0 && new Set([...receiver.taken, ...bad].map(({ seq }) => seq)).size >= log.length;
    }, limitMs).catch(async (error) => { throw new Error(`${error.message}: ${receiver.taken.length} of ${log.length}; ${server.said}; ${receiver.complaints}`); });
    assert.deepEqual(receiver.complaints, []);
    const bad = (await refused()).map(({ "@timestamp": at, ...record }) => record);
    assert.equal(bad.length, 1, "the one that never fits is kept for a person");
    assertWhole([...receiver.taken, ...bad].filter(({ seq }) => seq <= log.length), log);
    assert.equal(receiver.faults.length, 0, "all faults were met");
    assert.ok(receiver.healthy > 0);
  } finally {
    await server.stop();
    await house.stop();
    await receiver.close();
  }
});

// The messages of a stream that counts octets; what is not whole yet stays in `stream.rest`.
function messagesOf(stream, bytes) {
  stream.rest = Buffer.concat([stream.rest, bytes]);
  const messages = [];
  for (;;) {
    const blank = stream.rest.indexOf(" ");
    if (blank < 0) return messages;
    const digits = stream.rest.subarray(0, blank).toString("latin1");
    assert.match(digits, /^[1-9]\d{0,5}$/, "no count of octets");
    const end = blank + 1 + Number(digits);
    if (stream.rest.length < end) return messages;
    messages.push(stream.rest.subarray(blank + 1, end).toString("utf8"));
    stream.rest = stream.rest.subarray(end);
  }
}

test("syslog over TLS, for a server of the authority and no other", async () => {
  const [good, strange] = await Promise.all([Authority.make(), Authority.make("a stranger")]);
  const taken = [];
  const { cert, key } = await good.issue("DNS:localhost,IP:127.0.0.1");
  const server = createTlsServer({ cert, key }, (socket) => {
    const stream = { rest: Buffer.alloc(0) };
    socket.on("data", (bytes) => taken.push(...messagesOf(stream, bytes)));
    socket.on("error", () => {});
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const entry = ({ file }) => `{name: one, type: syslog, url: "tls://127.0.0.1:${server.address().port}", ` +
    `${common}, ca: "${file}", options: {format: cef}}`;
  for (const authority of [strange, good]) {
    const house = await gateWith(entry(authority));
    try {
      await traffic(house, 20);
      if (authority === strange) {
        await until("it is refused", async () => (await sink(house)).state === "waiting", limitMs);
        assert.match((await sink(house)).why, /certificate|verif/i);
        assert.equal(taken.length, 0);
      } else {
        await settled(house);
        await until("all is taken", async () => taken.length >= (await journal(house)).length, limitMs);
        const ids = taken.map((message) => {
          const found = /^<\d+>1 \S+ \S+ sallyport - \S+ \[sallyport@32473 id="(\S+)" .*?\] CEF:0\|Sallyport\|Gateway\|.* externalId=(\S+) /.exec(message);
          assert.ok(found && found[1] === found[2], message);
          return Number(found[1].split(":").at(-1));
        });
        assert.deepEqual(ids, [...ids.keys()].map((i) => i + 1));
      }
    } finally {
      await house.stop();
    }
  }
  server.close();
  await Promise.all([good.remove(), strange.remove()]);
});

test("Prometheus finds the gate up, and a shipped alert fires", async () => {
  const receiver = await new Elasticsearch().listen();
  receiver.authorized = () => false; // so that the sink stops
  const house = await gateWith(`${receiver.options("siem")}, ${common}}`);
  const port = await freePort();
  const file = join(house.folder, "prometheus.yml");
  await writeFile(file, `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: ["${join(shipped, "prometheus", "sallyport-alerts.yml")}"]
scrape_configs:
  - job_name: sallyport
    static_configs: [{targets: ["127.0.0.1:${house.adminPort}"]}]
`);
  const server = new Server("prometheus", [
    `--config.file=${file}`, `--storage.tsdb.path=${join(house.folder, "tsdb")}`,
    `--web.listen-address=127.0.0.1:${port}`, "--enable-feature=exemplar-storage",
  ]);
  const ask = async (path) => {
    try {
      return (await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()).data;
    } catch {
      return null; // not up yet
    }
  };
  try {
    await traffic(house, 20);
    await until("the target is up", async () => {
      if (server.process.exitCode !== null) throw new Error(server.said);
      const [target] = (await ask("targets"))?.activeTargets ?? [];
      if (target?.lastError) throw new Error(target.lastError);
      return target?.health === "up";
    }, limitMs);
    await until("the requests are there", async () => {
      const { result } = await ask('query?query=sum(sallyport_requests_total{status="2xx"})');
      return result.length === 1 && Number(result[0].value[1]) >= 20;
    }, limitMs);
    const exemplars = await until("a bucket names its last request", async () => {
      const found = await ask("query_exemplars?query=sallyport_latency_seconds_bucket" +
        "&start=2020-01-01T00:00:00Z&end=2099-01-01T00:00:00Z");
      return found?.length > 0 && found[0].exemplars;
    }, limitMs);
    const requests = new Set((await journal(house)).map(({ request_id }) => request_id));
    assert.ok(requests.has(exemplars[0].labels.request_id), JSON.stringify(exemplars));
    const alert = await until("the alert fires", async () => {
      const { alerts } = await ask("alerts");
      return alerts.find(({ labels, state }) => labels.alertname === "SallyportSinkStopped" && state === "firing");
    }, limitMs);
    assert.equal(alert.labels.sink, "siem");
    const names = (await ask("alerts")).alerts.map(({ labels }) => labels.alertname);
    assert.ok(!names.includes("SallyportDown") && !names.includes("SallyportJournalCannotWrite"), names.join());
  } finally {
    await server.stop();
    await house.stop();
    await receiver.close();
  }
});

test("nginx in front of a receiver answers 503 or hangs up half of the time: all arrives", async () => {
  const receiver = await new Splunk().listen();
  const port = await freePort();
  const behind = receiver.url;
  receiver.url = `http://127.0.0.1:${port}`;
  const house = await gateWith(`${receiver.options("one")}, ${common}, batch_records: 20}`);
  const folder = join(house.folder, "nginx");
  await mkdir(folder);
  await writeFile(join(folder, "nginx.conf"), `
daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  split_clients "$request_id" $fate { 30% busy; 20% cut; * good; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 8m;
    client_body_buffer_size 8m; # its workers may not write here
    location / {
      if ($fate = busy) { return 503; }
      if ($fate = cut) { return 444; }
      proxy_pass ${behind};
    }
  }
}
`);
  const server = new Server("nginx", ["-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")]);
  try {
    await traffic(house, 200);
    await settled(house);
    assert.deepEqual(receiver.complaints, []);
    const log = await journal(house);
    assertWhole(receiver.taken.filter(({ seq }) => seq <= log.length), log);
    assert.ok((await sink(house)).attempts_failed > 0, "nginx let everything pass");
  } finally {
    await server.stop();
    await house.stop();
    await receiver.close();
  }
});
