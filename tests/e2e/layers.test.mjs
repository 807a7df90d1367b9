// SPDX-License-Identifier: Apache-2.0
// What stands above a key holds for it, and what ends there ends with it, streams included; where,
// when and how a key may be used (docs/keys.md, docs/geography.md).
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { binary, collect, gated, messages, start, until } from "./house.mjs";
import { countriesV4, countriesV6, networks } from "./locations.mjs";
import { send } from "./signed.mjs";

const only = { skip: !gated };
const patientMs = 20_000;
const cutMs = 1_000; // what the gateway promises
const model = "gpt-5.5";
const refused = (status, code) => (error) =>
  error.status === status && (code === undefined || error.code === code);
let house;

const client = (apiKey, defaultHeaders) => house.client({ apiKey, defaultHeaders });
const ask = (apiKey, options = {}) =>
  client(apiKey).chat.completions.create({ model, messages, ...options });
const live = async (apiKey) => {
  const stream = await ask(apiKey, { model: "sim-slow", stream: true });
  return { stream, ended: collect(stream).then(() => null, () => Date.now()) };
};
// The secret goes in on stdin.
const derive = (key, ...words) => new Promise((done, failed) => {
  const child = execFile(binary, ["-c", house.config, "keys", "derive", ...words],
    { env: house.env }, (error, stdout) => (error ? failed(error) : done(stdout.trim())));
  child.stdin.end(key);
});

before(async () => {
  if (!gated) return;
  house = await start({
    env: { E2E_DERIVE_KEY: "0123456789abcdef0123456789abcdef" },
    configure: (text, { folder }) => {
      writeFileSync(join(folder, "geoip"), countriesV4([
        ["198.51.100.0", "198.51.100.255", "VN"], ["203.0.113.0", "203.0.113.255", "TW"]]));
      writeFileSync(join(folder, "geoip6"), countriesV6([
        ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "JP"]]));
      writeFileSync(join(folder, "asn.mmdb"), networks([
        ["203.0.113.0", 25, 64500, "Example Net"], ["198.51.100.0", 24, 64501, "Other Net"]]));
      return text.replace("keys:\n", "keys:\n  derive_key: ${env:E2E_DERIVE_KEY}\n")
        .replace("http:\n", "http:\n  trusted_proxies: [127.0.0.1/32]\n") +
        `policy:\n  geo: {country: ${folder}/geoip, network: ${folder}/asn.mmdb}\n`;
    },
  });
});
after(() => house?.stop());

describe("the death of a layer", only, () => {
  for (const [level, what] of ["organisation", "project", "principal"].entries()) {
    test(`an ${what} is revoked: keys, tokens and streams below die`.replace("an p", "a p"),
      async () => {
        const path = [`org${level}`, `org${level}/support`, `org${level}/support/user_42`];
        for (const layer of path) await house.command("layers", "create", layer);
        await house.command("layers", "create", `org${level}/sales`);
        const key = await house.createKey(`below-${what}`, "--layer", path[2], "--derive");
        const token = await derive(key, "--life", "10m");
        const beside = await house.createKey(`beside-${what}`, "--layer", `org${level}/sales`);
        const streams = await Promise.all([live(key), live(token)]);
        const untouched = await live(beside);
        await house.command("layers", "revoke", path[level], "--why", "a test");
        const acknowledged = Date.now();
        for (const stream of streams) {
          const at = await stream.ended;
          assert.ok(at, "a stream went on to its end");
          assert.ok(at - acknowledged < cutMs, `cut after ${at - acknowledged} ms`);
        }
        for (const dead of [key, token]) await assert.rejects(ask(dead), refused(401));
        if (level === 0) {
          await assert.rejects(ask(beside), refused(401));
          assert.ok(await untouched.ended, "it is below, too");
        } else {
          await ask(beside);
          untouched.stream.controller.abort();
        }
        await assert.rejects(house.createKey("late", "--layer", path[2]));
        const calls = (await house.calls()).filter((call) => call.layer === path[2]);
        assert.deepEqual(calls.map((call) => call.error), ["key_revoked", "key_revoked"]);
        const denied = (await house.calls())
          .filter((call) => call.action === "denied:layer_revoked");
        assert.ok(denied.length >= 2);
        const act = (await house.records("--kind", "admin"))
          .findLast((one) => one.action === "layer.revoke");
        assert.equal(act.detail.why, "a test");
      });
  }

  test("what was issued before is dead, what is issued from then on works", async () => {
    await house.command("layers", "create", "incident");
    const early = await house.createKey("early", "--layer", "incident");
    const stream = await live(early);
    await house.command("layers", "reissue", "incident");
    const acknowledged = Date.now();
    const at = await stream.ended;
    assert.ok(at && at - acknowledged < cutMs, "a stream went on");
    await assert.rejects(ask(early), refused(401));
    await ask(await house.createKey("fresh", "--layer", "incident"));
  });

  test("a layer's end cuts a stream, and a later end opens it again", async () => {
    const end = Date.now() + 4_000;
    await house.command("layers", "create", "trial", "--until", new Date(end).toISOString());
    const key = await house.createKey("trial-key", "--layer", "trial");
    const at = await (await live(key)).ended;
    assert.ok(at && at >= end - 50, "it was cut before its end");
    assert.ok(at - end < 2 * cutMs, `cut ${at - end} ms after its end`);
    await assert.rejects(ask(key), refused(401));
    const later = new Date(Date.now() + 3_600_000).toISOString();
    await house.command("layers", "set", "trial", "--until", later);
    await ask(key);
  });
});

describe("where a key may be used from", only, () => {
  const from = (key, address) => house.fetch("/v1/models",
    { key, headers: { "x-forwarded-for": address } }).then((answer) => answer.status);
  const [taiwan, vietnam, japan, nowhere] =
    ["203.0.113.7", "198.51.100.9", "2001:db8::7", "192.0.2.1"];
  const last = async () => (await house.calls()).at(-1);

  test("countries", async () => {
    const key = await house.createKey("tw-only", "--country", "TW", "--country", "JP");
    for (const [address, status] of [[taiwan, 200], [japan, 200], [vietnam, 401], [nowhere, 401]]) {
      assert.equal(await from(key, address), status, address);
      if (status === 401) assert.equal((await last()).action, "denied:wrong_country");
    }
    await ask(await house.createKey("anywhere"));
    await assert.rejects(ask(key), refused(401), "this machine is in no country");
  });

  test("networks", async () => {
    const key = await house.createKey("net-only", "--network", "64500");
    assert.equal(await from(key, taiwan), 200);
    for (const address of ["203.0.113.200", vietnam, japan]) {
      assert.equal(await from(key, address), 401, address);
    }
    assert.equal((await last()).action, "denied:wrong_network");
  });

  test("the record says where a caller was", async () => {
    const places = { [taiwan]: ["TW", 64500, "Example Net"], [vietnam]: ["VN", 64501, "Other Net"],
      [japan]: ["JP", undefined, undefined], [nowhere]: [null, undefined, undefined] };
    for (const [address, place] of Object.entries(places)) {
      assert.equal(await from(house.key, address), 200);
      const { ip, geo, asn, network } = await last();
      assert.deepEqual([ip, geo, asn, network], [address, ...place]);
    }
  });

  test("addresses, behind a proxy that is trusted and behind none", async () => {
    await house.command("layers", "create", "office", "--cidr", "203.0.113.0/24");
    const key = await house.createKey("desk", "--layer", "office", "--cidr", "203.0.113.0/25");
    const token = await derive(await house.createKey("desk-parent", "--derive"),
      "--cidr", "203.0.113.7/32");
    for (const [credential, address, status] of [[key, taiwan, 200], [key, "203.0.113.200", 401],
      [key, vietnam, 401], [token, taiwan, 200], [token, "203.0.113.8", 401],
      [key, `${taiwan}, ${vietnam}`, 401], [key, `${vietnam}, ${taiwan}`, 200]]) {
      assert.equal(await from(credential, address), status, address);
    }
    const answer = await send(`${house.url}/v1/models`, { localAddress: "127.0.0.9",
      headers: { authorization: `Bearer ${key}`, "x-forwarded-for": taiwan } });
    assert.equal(answer.status, 401, "who is no proxy names his own address");
    assert.deepEqual([(await last()).ip, (await last()).action],
      ["127.0.0.9", "denied:wrong_source"]);
  });
});

describe("when and how a key may be used", only, () => {
  const clock = (ms) => new Date(ms).toISOString().slice(11, 16);
  const hour = 3_600_000;

  test("hours", async () => {
    const now = Date.now();
    const there = now + 8 * hour; // what a clock at +08:00 shows
    const periods = {
      [`${clock(now - hour)}-${clock(now + hour)}Z`]: true,
      [`${clock(there - hour)}-${clock(there + hour)}+08:00`]: true,
      [`${clock(now + hour)}-${clock(now + 2 * hour)}Z`]: false,
      [`${clock(now + hour)}-${clock(now - hour)}Z`]: false,
    };
    for (const [at, [period, open]] of Object.entries(periods).entries()) {
      const key = await house.createKey(`hours-${at}`, "--hours", period);
      if (open) await ask(key);
      else await assert.rejects(ask(key), refused(401), period);
    }
    assert.equal((await house.calls()).at(-1).action, "denied:wrong_hours");
  });

  test("streams: none, or nothing else; of a layer, too", async () => {
    const whole = await house.createKey("whole", "--stream", "never");
    await ask(whole);
    await assert.rejects(ask(whole, { stream: true }), refused(403, "stream_not_allowed"));
    await house.command("layers", "create", "streaming", "--stream", "only");
    const flowing = await house.createKey("flowing", "--layer", "streaming");
    assert.ok((await collect(await ask(flowing, { stream: true }))).text);
    await assert.rejects(ask(flowing), refused(403, "stream_required"));
    const both = await house.createKey("both", "--layer", "streaming", "--stream", "never");
    for (const stream of [true, false]) await assert.rejects(ask(both, { stream }), refused(403));
    await assert.rejects(house.createKey("typo", "--stream", "no"),
      (error) => /--stream takes only or never/.test(error.stderr));
  });

  test("tools, read-only, models: the layer and the key, both", async () => {
    await house.command("layers", "create", "tooled", "--tool", "web_search", "--model", "gpt-5*");
    const key = await house.createKey("tooled", "--layer", "tooled");
    const respond = (apiKey, ...tools) =>
      client(apiKey).responses.create({ model, input: "x", tools });
    const own = { type: "function", name: "own", parameters: { type: "object" }, strict: false };
    await respond(key, { type: "web_search" }, own);
    await assert.rejects(respond(key, { type: "code_interpreter", container: { type: "auto" } }),
      refused(403, "tool_not_allowed"));
    await assert.rejects(respond(key, { type: "mcp", server_label: "x",
      server_url: "https://x.example.com" }), refused(403, "tool_not_allowed"));
    await assert.rejects(client(key).responses.create({ model, prompt: { id: "pmpt_1" } }),
      refused(403, "tools_not_visible"));
    const none = await house.createKey("no-tools", "--layer", "tooled", "--no-tools");
    await respond(none, own);
    await assert.rejects(respond(none, { type: "web_search" }), refused(403, "tool_not_allowed"));
    await assert.rejects(ask(key, { model: "gpt-4o" }), refused(403, "model_not_allowed"));
    const wider = await house.createKey("wider", "--layer", "tooled", "--model", "gpt-4o");
    for (const name of ["gpt-4o", model]) await assert.rejects(ask(wider, { model: name }),
      refused(403, "model_not_allowed"));

    const reading = await house.createKey("reading", "--read-only");
    assert.ok((await client(reading).models.list()).data.length > 0);
    await assert.rejects(ask(reading), refused(403, "endpoint_not_allowed"));
    await assert.rejects(client(reading).files.delete("file-x"), refused(403));
  });
});
