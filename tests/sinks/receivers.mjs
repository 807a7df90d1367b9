// SPDX-License-Identifier: Apache-2.0
// Receivers that take nothing on trust: each checks method, address, credential, type, framing and
// the shape of every record, remembers what it took, and fails as it is told to. What a receiver
// finds wrong stands in `complaints`; a test that ends with any has failed.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

export const token = "0123456789abcdef0123456789abcdef";

const isText = (value) => typeof value === "string";
const isWhole = (value) => Number.isInteger(value);
const isNull = (value) => value === null;

// What a record must look like, by docs/events.md.
const fields = {
  id: (v) => isText(v) && /^[^:]+:\d+$/.test(v),
  timestamp_utc: (v) => isText(v) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(v),
  api_key_id: (v) => isNull(v) || isText(v),
  endpoint: isText,
  model: (v) => isNull(v) || isText(v),
  latency_ms: (v) => isNull(v) || isWhole(v),
  tokens_input: (v) => isNull(v) || isWhole(v),
  ip: (v) => isNull(v) || isText(v),
  status: (v) => isNull(v) || (isWhole(v) && v >= 100 && v < 600),
  metadata: (v) => isText(v?.module) && isText(v?.purpose),
  kind: isText,
  seq: (v) => isWhole(v) && v > 0,
};

export function wrongOf(record) {
  if (typeof record !== "object" || record === null) return "not an object";
  for (const [name, good] of Object.entries(fields)) {
    if (!(name in record)) return `no ${name}`;
    if (!good(record[name])) return `${name} is ${JSON.stringify(record[name])}`;
  }
  if (!record.id.endsWith(`:${record.seq}`)) return `id ${record.id} of seq ${record.seq}`;
  return null;
}

// The body as it was before it was packed; `allowed` says whether this receiver documents gzip.
export function unpacked(request, body, allowed) {
  const encoding = request.headers["content-encoding"];
  if (encoding === undefined) return body;
  if (encoding !== "gzip" || !allowed) throw new Error(`content-encoding ${encoding}`);
  return gunzipSync(body, { maxOutputLength: 64 << 20 });
}

class Receiver {
  constructor() {
    this.taken = []; // records, in the order they were taken
    this.requests = 0;
    this.complaints = [];
    this.faults = []; // one a request, then none
    this.always = undefined; // the fault of every request
    this.bytesMax = 2 << 20; // before it is packed
    this.packed = 0; // bodies that came as gzip
    this.connections = 0;
    this.times = []; // of the requests
    this.open = new Set();
  }

  async listen(port = 0) {
    this.server = createServer((request, answer) => this.receive(request, answer));
    this.server.on("connection", (socket) => {
      this.connections += 1;
      this.open.add(socket);
      socket.once("close", () => this.open.delete(socket));
    });
    await new Promise((ready) => this.server.listen(port, "127.0.0.1", ready));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async close() {
    for (const socket of this.open) socket.destroy();
    if (this.server) await new Promise((closed) => this.server.close(closed));
  }

  complain(what) {
    this.complaints.push(what);
    return false;
  }

  receive(request, answer) {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("error", () => {});
    request.on("end", () => {
      this.requests += 1;
      this.times.push(Date.now());
      const body = Buffer.concat(pieces);
      const fault = this.always ?? this.faults.shift() ?? "none";
      if (typeof fault === "function") return fault(request, answer, body);
      switch (fault) {
        case "never":
          return undefined;
        case "cut": // in the middle of an answer that began well
          answer.writeHead(200, { "content-length": "1000" });
          answer.write("{");
          return setTimeout(() => request.socket.destroy(), 5);
        case "garbage":
          return request.socket.end("\x00\x01\x02 not HTTP at all\r\n\r\n");
        case "page":
          answer.writeHead(200, { "content-type": "text/html" });
          return answer.end("<html>Log in first</html>");
        case "slow":
          answer.writeHead(429, { "retry-after": "1" });
          return answer.end();
        case "broken":
          answer.writeHead(503);
          return answer.end();
        case "large":
          answer.writeHead(413);
          return answer.end();
        case "refused": // whatever it is
          answer.writeHead(400);
          return answer.end();
        case "moved":
          answer.writeHead(307, { location: `${this.url}/elsewhere` });
          return answer.end();
        default:
          return this.judge(request, answer, body, fault);
      }
    });
  }

  judge(request, answer, body, fault) {
    const length = Number(request.headers["content-length"]);
    if (request.method !== "POST") this.complain(`method ${request.method}`);
    if (request.url !== this.path) this.complain(`address ${request.url}`);
    if (length !== body.length) this.complain(`content-length ${length} of ${body.length}`);
    if (request.headers["transfer-encoding"]) this.complain("chunked");
    if (request.headers["content-type"] !== this.type) {
      this.complain(`type ${request.headers["content-type"]}`);
    }
    if (!request.headers.host) this.complain("no host");
    let text;
    try {
      text = unpacked(request, body, this.takesGzip).toString("utf8");
    } catch (error) {
      this.complain(error.message);
      answer.writeHead(415);
      return answer.end();
    }
    if (request.headers["content-encoding"]) this.packed += 1;
    if (Buffer.byteLength(text) > this.bytesMax) {
      answer.writeHead(413);
      return answer.end();
    }
    if (!this.authorized(request, body)) {
      answer.writeHead(401);
      return answer.end();
    }
    let records;
    try {
      records = this.parse(text, request);
    } catch (error) {
      this.complain(`body: ${error.message}`);
      answer.writeHead(400);
      return answer.end();
    }
    for (const record of records) {
      const wrong = wrongOf(record);
      if (wrong) this.complain(wrong);
    }
    return this.answer(answer, records, fault);
  }

  take(records) {
    this.taken.push(...records);
  }

  // Records that came once more.
  repeats() {
    return this.taken.length - new Set(this.taken.map(({ id }) => id)).size;
  }
}

export class Elasticsearch extends Receiver {
  takesGzip = true;
  path = "/_bulk";
  type = "application/x-ndjson";
  ids = new Set();
  there = 0; // documents that were there already

  repeats() {
    return this.there;
  }

  options = (name) => `{name: ${name}, type: elasticsearch, url: "${this.url}", token: "\${env:SINK_TOKEN}"`;

  authorized(request) {
    return request.headers.authorization === `ApiKey ${token}`;
  }

  parse(text) {
    if (!text.endsWith("\n")) throw new Error("the last line does not end");
    const lines = text.slice(0, -1).split("\n");
    if (lines.length % 2) throw new Error("an action without a document");
    const records = [];
    for (let i = 0; i < lines.length; i += 2) {
      const { create, ...rest } = JSON.parse(lines[i]);
      if (Object.keys(rest).length || !create) throw new Error("only create is for data streams");
      const names = Object.keys(create).sort().join();
      if (names !== "_id,_index") throw new Error(`members ${names}`); // no _type any more
      if (create._index !== "logs-sallyport.audit-default") throw new Error(`index ${create._index}`);
      const { "@timestamp": at, ...record } = JSON.parse(lines[i + 1]);
      if (at !== record.timestamp_utc) throw new Error("@timestamp is another time");
      if (create._id !== record.id) throw new Error("_id is another record's");
      records.push(record);
    }
    return records;
  }

  // "partial": each third record is too much for now; "mapping": the first one never fits.
  answer(answer, records, fault) {
    const items = records.map((record, i) => {
      if (fault === "partial" && i % 3 === 1) return { create: { status: 429 } };
      if (fault === "mapping" && i === 0) {
        return { create: { status: 400, error: { type: "mapper_parsing_exception", reason: "no" } } };
      }
      if (this.ids.has(record.id)) {
        this.there += 1;
        return { create: { status: 409 } };
      }
      this.ids.add(record.id);
      this.take([record]);
      return { create: { status: 201 } };
    });
    const errors = items.some((item) => item.create.status >= 300);
    answer.writeHead(200, { "content-type": "application/json" });
    answer.end(JSON.stringify({ took: 1, errors, items }));
  }
}

// The same as omelasticsearch speaks it: a password, another type, a question about health first.
export class RsyslogElasticsearch extends Elasticsearch {
  type = "application/json";
  takesGzip = false;
  healthy = 0;

  authorized(request) {
    return request.headers.authorization === `Basic ${Buffer.from(`sallyport:${token}`).toString("base64")}`;
  }

  judge(request, answer, body, fault) {
    if (request.method !== "GET") {
      const type = (request.headers["content-type"] ?? "").split(";")[0];
      if (type !== this.type) {
        this.complain(`type ${request.headers["content-type"]}`);
        answer.writeHead(406);
        return answer.end();
      }
      request.headers["content-type"] = type; // it names the charset behind it
      return super.judge(request, answer, body, fault);
    }
    if (!request.url.startsWith("/_cat/health")) this.complain(`question ${request.url}`);
    this.healthy += 1;
    answer.writeHead(this.authorized(request) ? 200 : 401);
    return answer.end();
  }
}

export class Splunk extends Receiver {
  takesGzip = true;
  path = "/services/collector/event";
  type = "application/json";
  bytesMax = 1 << 20;

  options = (name) => `{name: ${name}, type: splunk, url: "${this.url}", token: "\${env:SINK_TOKEN}"`;

  authorized(request) {
    return request.headers.authorization === `Splunk ${token}`;
  }

  // One object behind the other, nothing between them: read with a count of braces.
  parse(text) {
    const records = [];
    let depth = 0, from = 0, quoted = false;
    for (let i = 0; i < text.length; i += 1) {
      const c = text[i];
      if (quoted) {
        if (c === "\\") i += 1;
        else if (c === '"') quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === "{") depth += 1;
      else if (c === "}" && --depth === 0) {
        const { time, host, source, sourcetype, event, ...rest } = JSON.parse(text.slice(from, i + 1));
        if (typeof time !== "number" || !isText(host) || !isText(source)) throw new Error("envelope");
        if (sourcetype !== "_json") throw new Error(`sourcetype ${sourcetype}`);
        if (Object.keys(rest).length) throw new Error(`members ${Object.keys(rest)}`);
        if (Math.abs(time * 1000 - Date.parse(event.timestamp_utc)) > 1) throw new Error("time");
        records.push(event);
        from = i + 1;
      } else if (depth === 0) throw new Error(`"${c}" between events`);
    }
    if (depth !== 0 || from !== text.length) throw new Error("an event is cut");
    return records;
  }

  answer(answer, records, fault) {
    const say = (status, code, more = {}) => {
      answer.writeHead(status, { "content-type": "application/json" });
      answer.end(JSON.stringify({ text: "", code, ...more }));
    };
    if (fault === "busy") return say(503, 9);
    if (fault === "mapping") { // the events before the bad one are taken
      return say(400, 6, { "invalid-event-number": 0 });
    }
    this.take(records);
    return say(200, 0);
  }
}

// With indexer acknowledgement: what is accepted counts when it was asked for and said to be there,
// which takes `polls` questions. "lost": accepted, and never indexed.
export class SplunkAck extends Splunk {
  path = "/services/collector/event";
  polls = 2;
  channel = null;
  accepted = new Map(); // ackId to records and questions left
  next = 0;
  asked = 0;

  options = (name) => `{name: ${name}, type: splunk, url: "${this.url}", token: "\${env:SINK_TOKEN}"`;

  judge(request, answer, body, fault) {
    const channel = request.headers["x-splunk-request-channel"];
    if (!/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(channel ?? "")) {
      this.complain(`channel ${channel}`);
      answer.writeHead(400, { "content-type": "application/json" });
      return answer.end('{"text":"Data channel is missing","code":10}');
    }
    this.channel = channel;
    if (!request.url.startsWith("/services/collector/ack")) return super.judge(request, answer, body, fault);
    this.asked += 1;
    if (request.url !== `/services/collector/ack?channel=${channel}`) this.complain(`address ${request.url}`);
    if (request.method !== "POST" || request.headers["content-type"] !== this.type) this.complain("question");
    if (!this.authorized(request)) {
      answer.writeHead(401, { "content-type": "application/json" });
      return answer.end('{"text":"Invalid authorization","code":3}');
    }
    const { acks, ...rest } = JSON.parse(body.toString("utf8"));
    if (Object.keys(rest).length || !Array.isArray(acks) || !acks.every(isWhole)) this.complain("acks");
    const said = Object.fromEntries(acks.map((id) => [id, this.indexed(channel, id)]));
    answer.writeHead(200, { "content-type": "application/json" });
    return answer.end(JSON.stringify({ acks: said }));
  }

  // A yes is said once.
  indexed(channel, id) {
    const one = this.accepted.get(id);
    if (!one || one.channel !== channel || one.polls-- > 1) return false;
    this.accepted.delete(id);
    this.take(one.records);
    return true;
  }

  answer(answer, records, fault) {
    const id = this.next++;
    const polls = fault === "lost" ? Infinity : this.polls;
    this.accepted.set(id, { records, polls, channel: this.channel });
    answer.writeHead(200, { "content-type": "application/json" });
    answer.end(JSON.stringify({ text: "Success", code: 0, ackId: id }));
  }
}

export class Datadog extends Receiver {
  takesGzip = true;
  path = "/api/v2/logs";
  type = "application/json";
  bytesMax = 5 << 20;

  options = (name) => `{name: ${name}, type: datadog, url: "${this.url}", token: "\${env:SINK_TOKEN}"`;

  authorized(request) {
    return request.headers["dd-api-key"] === token;
  }

  parse(text) {
    const messages = JSON.parse(text);
    if (!Array.isArray(messages) || messages.length > 1000) throw new Error("no array of <= 1000");
    return messages.map(({ ddsource, hostname, service, message, ...rest }) => {
      if (ddsource !== "sallyport" || service !== "sallyport" || !isText(hostname)) throw new Error("envelope");
      if (Object.keys(rest).length) throw new Error(`members ${Object.keys(rest)}`);
      if (!isText(message) || message.length > 1 << 20) throw new Error("message");
      return JSON.parse(message);
    });
  }

  answer(answer, records) {
    this.take(records);
    answer.writeHead(202, { "content-type": "application/json" });
    answer.end("{}");
  }
}

export class Webhook extends Receiver {
  path = "/in";
  type = "application/json";
  bytesMax = 20_000;

  options = (name) => `{name: ${name}, type: webhook, url: "${this.url}/in", token: "\${env:SINK_TOKEN}"`;

  authorized(request, body) {
    const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signatures } = request.headers;
    if (!id || id.includes(".")) return this.complain(`webhook-id ${id}`);
    if (!(Math.abs(Date.now() / 1000 - Number(at)) < 300)) return this.complain(`time ${at}`);
    const wanted = createHmac("sha256", token).update(`${id}.${at}.`).update(body).digest();
    return (signatures ?? "").split(" ").some((one) => {
      const given = Buffer.from(one.slice(3), "base64");
      return one.startsWith("v1,") && given.length === 32 && timingSafeEqual(given, wanted);
    });
  }

  parse(text, request) {
    const { type, timestamp, data, ...rest } = JSON.parse(text);
    if (Object.keys(rest).length || !isText(type)) throw new Error("envelope");
    if (timestamp !== data.timestamp_utc) throw new Error("timestamp is another time");
    if (request.headers["webhook-id"] !== data.id.replaceAll(".", "_")) throw new Error("webhook-id");
    return [data];
  }

  answer(answer, records) {
    this.take(records);
    answer.writeHead(204);
    answer.end();
  }
}

// An incoming webhook and the API behind one address; which one was meant says the path.
export class Slack extends Receiver {
  messages = [];

  receive(request, answer) {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      this.requests += 1;
      const body = JSON.parse(Buffer.concat(pieces).toString("utf8"));
      const fault = this.faults.shift() ?? "none";
      if (fault === "slow") {
        answer.writeHead(429, { "retry-after": "1" });
        return answer.end();
      }
      if (!isText(body.text) || !Array.isArray(body.blocks) || body.blocks.length > 50) {
        this.complain(`message ${JSON.stringify(body)}`);
      }
      for (const block of body.blocks ?? []) {
        if (block.type !== "section" || (block.text?.text?.length ?? 0) > 3000) this.complain("block");
        if ((block.fields?.length ?? 0) > 10) this.complain("fields");
      }
      if (/<[^>]*>/.test(JSON.stringify(body))) this.complain("something is not escaped");
      if (request.url === "/T000/B000/XXXX") {
        if (fault === "gone") {
          answer.writeHead(404);
          return answer.end("no_service");
        }
        this.messages.push(body);
        answer.writeHead(200, { "content-type": "text/html" });
        return answer.end("ok");
      }
      if (request.url !== "/chat.postMessage") this.complain(`address ${request.url}`);
      answer.writeHead(200, { "content-type": "application/json" });
      if (request.headers.authorization !== `Bearer xoxb-${token}`) {
        return answer.end('{"ok":false,"error":"invalid_auth"}');
      }
      if (!isText(body.channel)) this.complain("no channel");
      if (fault !== "none") return answer.end(JSON.stringify({ ok: false, error: fault }));
      this.messages.push(body);
      return answer.end(JSON.stringify({ ok: true, ts: `${this.messages.length}.000` }));
    });
  }
}
