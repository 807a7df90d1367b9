// SPDX-License-Identifier: Apache-2.0
// TLS on both legs: who is let in, who is believed, and certificates that change under way.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import OpenAI from "openai";
import { Authority, fetchOver, handshake } from "./certificates.mjs";
import { collect, gated, messages, simKey, start, until } from "./house.mjs";

const here = "IP:127.0.0.1,DNS:gate.test";
const only = { skip: !gated };
const patientMs = 20_000;
let authority;
let stranger; // signs too, and nobody here trusts it
before(async () => {
  authority = await Authority.make();
  stranger = await Authority.make("a stranger");
});
after(() => Promise.all([authority?.remove(), stranger?.remove()]));

// A gate whose listener has this certificate.
const startSecure = (certificate, more = "") => start({
  secure: true,
  configure: (text) => text.replace(/^( {4}- \{name: gate, address: .*)\}$/m,
    `$1, ${tlsFiles(certificate)}${more}}`),
});
const tlsFiles = ({ file, keyFile }) => `tls: {cert: "${file}", key: "${keyFile}"}`;

const chat = (client, model, options = {}) =>
  client.chat.completions.create({ model, messages, ...options });

const failure = (promise) => promise.then(() => null, (error) => error);

describe("a listener with TLS", only, () => {
  let house;
  let served; // the files that the configuration names
  let openai;
  before(async () => {
    const first = await authority.issue(here);
    const file = join(authority.folder, "served.pem");
    const keyFile = join(authority.folder, "served.key");
    served = { ...first, file, keyFile };
    await serve(first);
    house = await startSecure(served);
    openai = house.client({ fetch: fetchOver({ ca: authority.pem }) });
  });
  after(() => house?.stop());

  async function serve(certificate) {
    await copyFile(certificate.file, served.file);
    await copyFile(certificate.keyFile, served.keyFile);
  }
  const serial = () => handshake(house.gatePort, { ca: authority.pem });

  test("answers and streams go through", async () => {
    const whole = await chat(openai, "gpt-5.5");
    assert.ok(whole.choices[0].message.content);
    const seen = await collect(await chat(openai, "sim-split-utf8+chunks-40", { stream: true }));
    assert.equal(seen.finish, "stop");
    assert.equal(seen.chunks.length, 42);
    assert.ok(!seen.text.includes("\ufffd"));
    const big = await collect(await chat(openai, "sim-big-3000000", { stream: true }));
    assert.equal(Buffer.byteLength(big.text), 3_000_000);
  });

  test("the SDK as people start it, with NODE_EXTRA_CA_CERTS", async () => {
    const program = `import OpenAI from "openai";
      const openai = new OpenAI({ maxRetries: 0 });
      const models = await openai.models.list();
      console.log(models.data.length > 0);`;
    const ask = (ca) => promisify(execFile)(process.execPath,
      ["--input-type=module", "-e", program], {
        cwd: import.meta.dirname,
        env: { ...process.env, NODE_EXTRA_CA_CERTS: ca, OPENAI_API_KEY: house.key,
          OPENAI_BASE_URL: house.baseURL },
      });
    assert.equal((await ask(authority.file)).stdout, "true\n");
    assert.ok(await failure(ask(stranger.file)), "believed a certificate of a stranger");
  });

  // HTTP/1.0 has no other end than that of the connection: TLS must tell a whole one from a cut.
  test("the end of a whole answer is told, that of a broken one is not", async () => {
    const endOf = (model, version) => new Promise((resolve) => {
      const peer = execFile("openssl", ["s_client", "-quiet", "-ign_eof", "-CAfile",
        authority.file, "-connect", `127.0.0.1:${house.gatePort}`],
      (error, output, errors) => resolve({ output, cut: /unexpected eof|errno=104/.test(errors) }));
      const body = JSON.stringify({ model, messages: [{ role: "user", content: "x" }] });
      peer.stdin.write(`POST /v1/chat/completions HTTP/${version}\r\nhost: gate.test\r\n` +
        `connection: close\r\nauthorization: Bearer ${house.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
    for (const version of ["1.0", "1.1"]) {
      const whole = await endOf("sim-chunks-5", version);
      assert.ok(whole.output.includes("200") && !whole.cut, `a whole answer, HTTP/${version}`);
      const broken = await endOf("sim-die-midstream", version);
      assert.ok(broken.cut, `a broken answer, HTTP/${version}`);
      const refused = await endOf("sim-error-400", version);
      assert.ok(refused.output.includes("400") && !refused.cut, `an error, HTTP/${version}`);
    }
  });

  test("TLS 1.1 is refused, 1.2 and 1.3 are not", async () => {
    const only = (version) => handshake(house.gatePort, { ca: authority.pem,
      minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" });
    assert.equal((await failure(only("TLSv1.1")))?.code,
      "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    assert.equal(await only("TLSv1.2"), served.serial);
    assert.equal(await only("TLSv1.3"), served.serial);
  });

  test("who speaks plain HTTP to it gets nothing, and the end", async () => {
    const { length: before } = await house.records();
    const said = await new Promise((resolve) => {
      const socket = connect(house.gatePort, "127.0.0.1");
      let bytes = "";
      socket.on("data", (piece) => (bytes += piece.toString("latin1")));
      socket.on("error", () => {});
      socket.on("close", () => resolve(bytes));
      socket.write(`GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${
        house.key}\r\n\r\n`);
    });
    assert.ok(!said.includes("HTTP"), "it was answered in the clear");
    assert.ok(said.length <= 32, `${said.length} bytes came`);
    assert.equal((await house.records()).length, before, "it was taken for a request");
    assert.ok((await chat(openai, "gpt-5.5")).id, "others suffer from it");
  });

  test("a new certificate is served after SIGHUP while an old stream goes on", async () => {
    assert.equal(await serial(), served.serial);
    const next = await authority.issue(here);
    const stream = await chat(openai, "sim-delay-80+chunks-60", { stream: true });
    let ended = false;
    const seen = collect(stream).finally(() => (ended = true));
    await serve(next);
    await house.reload();
    await until("the new certificate is served", async () => (await serial()) === next.serial,
      patientMs);
    assert.ok(!ended, "the stream was too short to prove anything");
    const { finish, chunks } = await seen;
    assert.equal(finish, "stop");
    assert.equal(chunks.length, 62);
    served.serial = next.serial;
    assert.ok((await chat(openai, "gpt-5.5")).id);
  });

  test("a certificate that cannot be used changes nothing", async () => {
    const [one, other] = [await authority.issue(here), await authority.issue(here)];
    const broken = {
      "no certificate at all": () => writeFile(served.file, "not a certificate\n"),
      "the key of another": () => Promise.all([
        copyFile(one.file, served.file), copyFile(other.keyFile, served.keyFile)]),
    };
    for (const [what, breakIt] of Object.entries(broken)) {
      await breakIt();
      const said = await house.reload();
      assert.match(said, /config\.refused .*tls/, what);
      assert.ok(!said.includes("config.reloaded"), `${what}: it says that it was taken`);
      assert.equal(await serial(), served.serial, what);
      assert.ok((await chat(openai, "gpt-5.5")).id, what);
    }
    await serve(one);
    await house.reload();
    await until("the good one is served", async () => (await serial()) === one.serial, patientMs);
  });
});

describe("a listener that wants client certificates", only, () => {
  let house;
  const asking = () => `, client_ca: "${authority.file}", client_certificate_required: true`;
  before(async () => (house = await startSecure(await authority.issue(here), asking())));
  after(() => house?.stop());

  const client = ({ cert, key } = {}) =>
    house.client({ fetch: fetchOver({ ca: authority.pem, cert, key, agent: false }) });

  test("with one of the authority: the call goes through", async () => {
    const openai = client(await authority.issue());
    assert.ok((await chat(openai, "gpt-5.5")).id);
    const seen = await collect(await chat(openai, "sim-chunks-20", { stream: true }));
    assert.equal(seen.finish, "stop");
  });

  test("without one, or with a stranger's: no request gets in", async () => {
    await house.forget();
    const { length: before } = await house.records();
    for (const certificate of [undefined, await stranger.issue()]) {
      const error = await failure(chat(client(certificate), "gpt-5.5"));
      assert.ok(error instanceof OpenAI.APIConnectionError, `${error}`);
    }
    assert.equal((await house.requests()).length, 0);
    assert.equal((await house.records()).length, before);
  });
});

test("a client that never shakes hands does not hold up a stop", only, async () => {
  const house = await startSecure(await authority.issue(here));
  const silent = connect(house.gatePort, "127.0.0.1");
  silent.on("error", () => {});
  try {
    await until("it is accepted", async () => {
      const page = await (await fetch(`${house.adminURL}/metrics`)).text();
      return /^sallyport_connections_open 1$/m.test(page);
    }, patientMs);
    const from = Date.now();
    house.gate.process.kill("SIGTERM");
    assert.equal(await house.gate.ended, 0);
    assert.ok(Date.now() - from < 7_000, "it waited for the handshake");
  } finally {
    silent.destroy();
    await house.stop();
  }
});

test("the doors of the house can speak TLS too, and then nothing else", only, async () => {
  const certificate = await authority.issue(here);
  const house = await start({
    configure: (text) => text.replace(/^( {2}listener: \{address: .*)\}$/m,
      `$1, ${tlsFiles(certificate)}}`),
  });
  try {
    const ask = (path) =>
      fetchOver({ ca: authority.pem })(`https://127.0.0.1:${house.adminPort}${path}`);
    assert.equal(await (await ask("/health/liveliness")).text(), "alive\n");
    assert.equal((await ask("/admin/v1/keys")).status, 401);
    assert.ok(await failure(fetch(`${house.adminURL}/health/liveliness`)), "it speaks plain HTTP");
  } finally {
    await house.stop();
  }
});

describe("a gate behind a gate, with TLS between them", only, () => {
  let outer;
  let inner;
  before(async () => {
    inner = await startSecure(await authority.issue(here));
    const upstream = (name, host, ca) => `\
  - name: ${name}
    base_url: https://${host}:${inner.gatePort}/v1
    api_key: \${env:E2E_PROVIDER_KEY}
    models: ["sim-${name}*"]
    retries: {max: 1}
    breaker: {calls_min: 1000000}
${ca ? `    ca: "${ca.file}"\n` : ""}`;
    outer = await start({
      env: { E2E_PROVIDER_KEY: inner.key },
      configure: (text) => text.replace(/^upstream:\n[^]*?(?=^audit:)/m, "upstream:\n" +
        upstream("right", "127.0.0.1", authority) + upstream("wrong-ca", "127.0.0.1", stranger) +
        upstream("no-ca", "127.0.0.1", null) + upstream("wrong-name", "localhost", authority)),
    });
  });
  after(async () => {
    await outer?.stop();
    await inner?.stop();
  });

  test("a certificate of the right authority and name: the call goes through", async () => {
    await inner.forget();
    const openai = outer.client();
    const { data, response } = await chat(openai, "sim-right").withResponse();
    assert.ok(data.choices[0].message.content);
    const seen = await collect(await chat(openai, "sim-right+chunks-30", { stream: true }));
    assert.equal(seen.finish, "stop");
    assert.equal(seen.chunks.length, 32);
    assert.equal((await inner.requests()).length, 2);
    const down = JSON.stringify([...response.headers, data]);
    for (const secret of [inner.key, simKey + '"']) assert.ok(!down.includes(secret));
    const calls = await inner.calls("--model", "sim-right");
    assert.equal(calls[0].api_key_id, "e2e");
    const [call] = await outer.calls("--model", "sim-right");
    assert.equal(call.upstream_request_id, calls[0].upstream_request_id);
  });

  for (const model of ["sim-wrong-ca", "sim-no-ca", "sim-wrong-name"]) {
    test(`nothing is sent to a server that cannot prove itself: ${model}`, async () => {
      await inner.forget();
      const { length: before } = await inner.records();
      for (const stream of [false, true]) {
        const error = await failure(chat(outer.client(), model, { stream }));
        assert.equal(error.status, 502);
        assert.equal(error.code, "upstream_unreachable");
        assert.ok(!JSON.stringify([...error.headers, error.error]).includes(inner.key));
      }
      assert.equal((await inner.requests()).length, 0);
      assert.equal((await inner.records()).length, before, "something was sent");
      const calls = await outer.calls("--model", model);
      assert.deepEqual(calls.map((call) => call.error), Array(2).fill("upstream_unreachable"));
    });
  }

  test("neither gate says a key in its log", () => {
    const logs = outer.logs() + inner.logs();
    for (const key of [outer.key, inner.key]) assert.ok(!logs.includes(key));
  });
});
