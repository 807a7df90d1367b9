// SPDX-License-Identifier: Apache-2.0
// Starts the simulated provider and a gate before it, from one binary, in a folder that goes away.
// SALLYPORT_E2E=sim leaves the gate out: what fails then is the simulation's (or the test's) fault.
import { spawn, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import OpenAI from "openai";

const run = promisify(execFile);
const here = import.meta.dirname;

export const binary = resolve(
  process.env.SALLYPORT_BIN ?? join(here, "../../build/release/sallyport"));
export const gated = process.env.SALLYPORT_E2E !== "sim";
export const onlyGated = gated ? {} : { skip: "needs the gate" };
export const simKey = "sk-sim"; // what `sallyport sim` accepts
export const simAdminKey = "sk-admin-sim"; // and its Admin API
const startMs = 20_000;

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

// Asks again until `found` gives something true, and fails with `what` when that takes too long.
export async function until(what, found, limitMs = 5_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = await found();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((turn) => setTimeout(turn, 10));
  }
}

function accepts(port) {
  return new Promise((answer) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), answer(true)));
    socket.once("error", () => answer(false));
  });
}

class Program {
  constructor(args, env) {
    this.output = "";
    this.errors = "";
    this.process = spawn(binary, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.process.stdout.on("data", (bytes) => (this.output += bytes));
    this.process.stderr.on("data", (bytes) => (this.errors += bytes));
    this.ended = new Promise((end) => this.process.once("exit", end));
  }

  check() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) {
      throw new Error(`the program ended:\n${this.output}\n${this.errors}`);
    }
  }

  async stop() {
    this.process.kill("SIGTERM");
    const late = setTimeout(() => this.process.kill("SIGKILL"), 15_000);
    const code = await this.ended;
    clearTimeout(late);
    return code;
  }
}

const configuration = ({ gatePort, adminPort, simPort, folder, more }) => `\
version: 1
http:
  listeners:
    - {name: gate, address: "127.0.0.1:${gatePort}"}
keys:
  pepper: \${env:E2E_PEPPER}
upstream:
  - name: simulation
    base_url: http://127.0.0.1:${simPort}/v1
    api_key: \${env:E2E_PROVIDER_KEY}
    retries: {max: 0}
    breaker: {calls_min: 1000000}
audit:
  path: ${folder}/journal
store:
  path: ${folder}/sallyport.db
admin:
  listener: {address: "127.0.0.1:${adminPort}"}
  socket: ${folder}/admin.sock
${more}`;

// `more` stands behind the configuration; `configure(text, house)` may change all of it, and `env`
// what the gate sees of its surroundings. `secure` says that the gate's listener speaks TLS.
// `provider` are further options of `sallyport sim`; `alone` leaves the gate out.
export async function start(options = {}) {
  const house = new House();
  try {
    await house.open(options);
  } catch (error) {
    await house.stop();
    throw error;
  }
  return house;
}

class House {
  async open({ env = {}, provider = [], alone = false, ...options }) {
    this.folder = await mkdtemp(join(tmpdir(), "sallyport-e2e-"));
    this.env = {
      ...process.env, E2E_PEPPER: sha256(this.folder), E2E_PROVIDER_KEY: simKey, ...env,
    };
    this.sim = new Program(["sim", "--listen", "127.0.0.1:0", ...provider], this.env);
    const line = await until("the simulation listens", () => {
      this.sim.check();
      return /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(this.sim.output);
    }, startMs);
    this.simPort = Number(line[1]);
    this.simURL = `http://127.0.0.1:${this.simPort}`;
    this.url = this.simURL;
    this.key = simKey;
    if (gated && !alone) await this.openGate(options);
    this.baseURL = `${this.url}/v1`;
  }

  async openGate({ more = "", configure = (text) => text, secure = false }) {
    this.gatePort = await freePort();
    this.adminPort = await freePort();
    this.adminURL = `http://127.0.0.1:${this.adminPort}`;
    this.config = join(this.folder, "sallyport.yaml");
    this.text = configure(configuration({
      gatePort: this.gatePort, adminPort: this.adminPort, simPort: this.simPort,
      folder: this.folder, more,
    }), this);
    await writeFile(this.config, this.text);
    await this.serve();
    this.url = `${secure ? "https" : "http"}://127.0.0.1:${this.gatePort}`;
    this.key = await this.createKey("e2e");
  }

  async serve() {
    this.gate = new Program(["-c", this.config, "serve"], this.env);
    await until("the gate listens", () => (this.gate.check(), accepts(this.gatePort)), startMs);
  }

  // Another gate process on the same files, as `serve` would start it.
  second(config = this.config) {
    return new Program(["-c", config, "serve"], this.env);
  }

  // Writes the changed configuration, says so to the gate, and waits until the gate has read it.
  // What it says of it, good or bad, is the answer.
  async reload(text = this.text) {
    await writeFile(this.config, text);
    const from = this.gate.errors.length;
    this.gate.process.kill("SIGHUP");
    return until("the configuration is read again", () => {
      this.gate.check();
      const said = this.gate.errors.slice(from);
      return /config\.(reloaded|reload_failed|kept).*\n/.test(said) && said;
    }, startMs);
  }

  // A client of the SDK; it does not retry unless told to.
  client(options = {}) {
    return new OpenAI({ apiKey: this.key, baseURL: this.baseURL, maxRetries: 0, ...options });
  }

  fetch(path, { headers = {}, key = this.key, ...options } = {}) {
    const credential = key === null ? {} : { authorization: `Bearer ${key}` };
    return fetch(this.url + path, { ...options, headers: { ...credential, ...headers } });
  }

  async command(...args) {
    const { stdout } = await run(binary, ["-c", this.config, ...args], {
      env: this.env, maxBuffer: 64 << 20,
    });
    return stdout;
  }

  async createKey(name, ...options) {
    const printed = await this.command("keys", "create", name, ...options);
    const key = /sk-sp1-[0-9A-Za-z-]+/.exec(printed);
    if (!key) throw new Error(`no key was printed: ${printed.length} bytes`);
    return key[0];
  }

  // What reached the provider, oldest first.
  async requests(path) {
    const { requests } = await (await fetch(`${this.simURL}/sim/requests`)).json();
    return path ? requests.filter((request) => request.path === path) : requests;
  }

  // A route of the simulation that is not of the API: what a stranger does, or a fault to come.
  async simulate(path, body) {
    const answer = await fetch(`${this.simURL}/sim/${path}`, {
      method: "POST", body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`/sim/${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async forget() {
    await fetch(`${this.simURL}/sim/requests`, { method: "DELETE" });
  }

  // The journal's lines, oldest first.
  async records(...options) {
    const lines = await this.command(
      "audit", "query", "--json", "--oldest-first", "--limit", "0", ...options);
    return lines.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  // Finished requests alone.
  async calls(...options) {
    const records = await this.records(...options);
    return records.filter((record) => (record.kind ?? "request") === "request");
  }

  logs() {
    return [this.sim, this.gate].map((program) => program?.output + program?.errors).join("\n");
  }

  readJournal(file) {
    return readFile(join(this.folder, "journal", file));
  }

  async stop() {
    const code = await this.gate?.stop();
    await this.sim?.stop();
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
    if (code !== undefined && code !== 0) {
      throw new Error(`the gate ended with ${code}:\n${this.gate.errors.slice(-8_000)}`);
    }
  }
}

export const messages = [{ role: "user", content: "Grüße an alle: 世界 🚀" }];

// The text of a chat stream, and what else came by.
export async function collect(stream) {
  const seen = { text: "", chunks: [], usages: [], finish: null };
  for await (const chunk of stream) {
    seen.chunks.push(chunk);
    if (chunk.usage) seen.usages.push(chunk.usage);
    seen.text += chunk.choices[0]?.delta?.content ?? "";
    seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
  }
  return seen;
}
