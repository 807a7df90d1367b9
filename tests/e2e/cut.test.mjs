// SPDX-License-Identifier: Apache-2.0
// What is cut ends, whatever it waits for just then, and what is not whole never looks whole.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { afterEach, test } from "node:test";
import { gated, start, until } from "./house.mjs";

const only = { skip: !gated };
const patientMs = 30_000;
let house, provider;
afterEach(async () => {
  await house?.stop();
  provider?.close();
  house = provider = undefined;
});

// A provider that answers each connection's first request as it likes.
async function open(answer, more = "") {
  provider = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => answer(socket));
  });
  await new Promise((ready) => provider.listen(0, "127.0.0.1", ready));
  const { port } = provider.address();
  house = await start({
    configure: (text, { simPort }) =>
      text.replace(`127.0.0.1:${simPort}`, `127.0.0.1:${port}`).replace("http:\n", `http:\n${more}`),
  });
}

// A client that says what it is told and keeps what it hears.
function client(text, { reads = true } = {}) {
  const heard = { text: "", ended: false, error: null };
  const socket = connect(house.gatePort, "127.0.0.1", () => socket.write(text));
  if (reads) socket.on("data", (bytes) => (heard.text += bytes));
  socket.on("error", (error) => (heard.error = error.code));
  socket.on("close", () => (heard.ended = true));
  return Object.assign(heard, { socket });
}

const head = (line, more = "") =>
  `${line}\r\nHost: x\r\nAuthorization: Bearer ${house.key}\r\n${more}\r\n`;
const json = (length) => `Content-Type: application/json\r\nContent-Length: ${length}\r\n`;
const body = JSON.stringify({ model: "m", stream: true, messages: [] });
const endless = (socket) => {
  socket.write("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 9000000000\r\n\r\n");
  const more = () => socket.destroyed || socket.write(Buffer.alloc(65536), more);
  more();
};
const moment = () => new Promise((passed) => setTimeout(passed, 800)); // the gate waits by then
const last = async () => (await house.calls()).at(-1);

test("a key that dies takes the upload under way with it", only, async () => {
  await open(endless);
  const asked = client(head("POST /v1/chat/completions HTTP/1.1", json(100_000)) + "{");
  await moment();
  await house.command("keys", "revoke", "e2e");
  await until("it is answered", () => asked.text, 3_000);
  assert.match(asked.text, /^HTTP\/1.1 401 .*"invalid_api_key"/s);
  assert.deepEqual([(await last()).status, (await last()).action], [401, "denied:revoked"]);
});

test("a key that dies takes a client with it that does not read", only, async () => {
  await open(endless);
  const asked = client(head("GET /v1/files/f/content HTTP/1.1"), { reads: false });
  await moment();
  await house.command("keys", "revoke", "e2e");
  const call = await until("it is over", last, 5_000);
  assert.equal(call.error, "key_revoked");
  asked.socket.destroy();
});

test("a stop does not wait for half a body or for a client that does not read", only, async () => {
  await open(endless, "  timeouts: {drain: 1s}\n");
  const half = client(head("POST /v1/chat/completions HTTP/1.1", json(100_000)) + "{");
  const deaf = client(head("GET /v1/files/f/content HTTP/1.1"), { reads: false });
  await moment();
  const from = Date.now();
  house.gate.process.kill("SIGTERM");
  assert.equal(await house.gate.ended, 0, house.gate.errors);
  assert.ok(Date.now() - from < 10_000, "it waited for them");
  assert.match(half.text, /^HTTP\/1.1 503 .*"shutting_down"/s);
  assert.deepEqual((await house.calls()).map((call) => call.error),
    ["shutting_down", "shutting_down"]);
  deaf.socket.destroy();
});

test("an answer without framing that breaks off ends with a reset", only, async () => {
  await open((socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n" +
      "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    setTimeout(() => socket.end(), 300);
  });
  const asked = client(head("GET /v1/files/f/content HTTP/1.0"));
  await until("it ends", () => asked.ended, patientMs);
  assert.match(asked.text, /half$/);
  assert.equal(asked.error, "ECONNRESET");
  assert.equal((await last()).error, "upstream_disconnected");
});

test("a provider that is silent behind [DONE] does not hold up the next request", only, async () => {
  await open((socket) => {
    const events = 'data: {"choices":[]}\n\ndata: [DONE]\n\n';
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
      `Transfer-Encoding: chunked\r\n\r\n${events.length.toString(16)}\r\n${events}\r\n`);
  });
  const asked = client(head("POST /v1/chat/completions HTTP/1.1", json(body.length)) + body +
    "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n");
  await until("both are answered", () => / 401 /.test(asked.text), 5_000);
  assert.match(asked.text, /\[DONE\]\n\n\r\n0\r\n\r\nHTTP\/1.1 401 /);
  asked.socket.destroy();
});
