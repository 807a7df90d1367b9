// SPDX-License-Identifier: Apache-2.0
// Keys that are worth nothing alone: bound to the key of a proof (RFC 9449) or to a client's
// certificate (RFC 8705), by hand and by the exchange of identities.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Authority, fetchOver } from "./certificates.mjs";
import { collect, gated, messages, start, until } from "./house.mjs";
import { Signer, digest, jwks, seconds, send } from "./signed.mjs";

const only = { skip: !gated };
const publicUrl = "https://Gate.example.com/ai"; // a proxy in front of the gate has this name
const model = "gpt-5.5";
const refused = (status) => (error) => error.status === status;
const form = { "content-type": "application/x-www-form-urlencoded" };
const workload = new Signer("ES256", "issuer"); // signs identities

const exchange = (house) => `
  identity_exchange:
    - name: ci
      issuer: https://ci.example.com
      audience: gate
      jwks_file: file:${house.folder}/jwks.json
      algorithms: [ES256]
      claims: {sub: job-*}
      principal: ci-{sub}
`.trimEnd();
const configure = (change) => (text, house) => {
  writeFileSync(join(house.folder, "jwks.json"), jwks(workload));
  return change(text.replace("keys:", `keys:${exchange(house)}`));
};
const identity = () => new URLSearchParams({
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  subject_token: workload.token({ iss: "https://ci.example.com", aud: "gate", sub: "job-1",
    iat: seconds(), exp: seconds() + 300 }),
}).toString();

describe("a key that is bound to proofs", only, () => {
  const holder = new Signer("ES256");
  const thief = new Signer("ES256");
  const chatUrl = "https://gate.example.com/ai/v1/chat/completions";
  const modelsUrl = "https://gate.example.com/ai/v1/models";
  let house;
  let key;
  before(async () => {
    house = await start({
      configure: configure((text) =>
        text.replace("http:\n", `http:\n  public_url: ${publicUrl}\n`)),
    });
    key = await house.createKey("bound", "--dpop", holder.thumbprint());
    // Proofs dated before the start are refused, and their time has whole seconds.
    const started = seconds();
    await until("the second of the start is over", () => seconds() > started);
  });
  after(() => house?.stop());

  // The SDK signs nothing by itself; a `fetch` of its user's can.
  const signing = (apiKey, signer) => house.client({ apiKey, fetch: (url, options) => {
    const htu = `https://gate.example.com/ai${new URL(url).pathname}`;
    const headers = new Headers(options.headers);
    headers.set("dpop", signer.proof(options.method, htu, { credential: apiKey }));
    return fetch(url, { ...options, headers });
  } });
  const show = (proof, localAddress = "127.0.0.1", more = {}) =>
    send(`${house.url}/v1/models`, { localAddress,
      headers: { authorization: `Bearer ${key}`, ...(proof ? { dpop: proof } : {}), ...more } });

  test("with a fresh proof for each request it works, whole and streamed", async () => {
    const openai = signing(key, holder);
    await openai.chat.completions.create({ model, messages });
    const stream = await openai.chat.completions.create({ model, messages, stream: true });
    assert.ok((await collect(stream)).text);
    const call = await until("it is recorded", async () =>
      (await house.calls()).find((one) => one.api_key_id === "bound" && one.status === 200));
    assert.equal(call.kid, key.split("-")[2]);
  });

  test("the proof stays here: the provider never sees it", async () => {
    await house.forget();
    await signing(key, holder).chat.completions.create({ model, messages });
    const [seen] = await house.requests();
    assert.ok(JSON.stringify(seen.headers).includes("content-type"));
    assert.ok(!JSON.stringify(seen).toLowerCase().includes("dpop"), JSON.stringify(seen));
  });

  test("a proof of anything else, an old one, or one twice: 401 as for a wrong key", async () => {
    const credential = key;
    const good = (more = {}, url = modelsUrl, method = "GET") =>
      holder.proof(method, url, { credential, ...more });
    const used = good();
    assert.equal((await show(used)).status, 200);
    const cases = {
      "no proof": null,
      "replayed": used,
      "its jti in another proof": good({ jti: JSON.parse(
        Buffer.from(used.split(".")[1], "base64url")).jti }),
      "of another method": good({}, modelsUrl, "POST"),
      "of another path": good({}, chatUrl),
      "of another host": good({}, "https://evil.example.com/ai/v1/models"),
      "of the address behind the proxy": good({}, `${house.url}/v1/models`),
      "plain http": good({}, modelsUrl.replace("https", "http")),
      "of another credential": good({ ath: digest(house.key) }),
      "of no credential": holder.proof("GET", modelsUrl),
      "old": good({ iat: seconds() - 90 }),
      "of the future": good({ iat: seconds() + 90 }),
      "without a time": good({ iat: undefined }),
      "without jti": good({ jti: undefined }),
      "of a thief": thief.proof("GET", modelsUrl, { credential }),
      "with a bad signature": `${good().slice(0, -8)}AAAAAAAA`,
      "not a proof": "x",
    };
    const addresses = new Map();
    for (const [what, proof] of Object.entries(cases)) {
      const address = `127.0.2.${addresses.size + 1}`;
      const answer = await show(proof, address);
      assert.equal(answer.status, 401, what);
      assert.equal(answer.json().error.code, "invalid_api_key", what);
      addresses.set(address, what);
    }
    const two = await show(null, "127.0.2.200", { dpop: [good(), good()] });
    assert.ok(two.status === 401 || two.status === 400, "two proofs");
    assert.equal((await show(good())).status, 200, "it works on");
    for (const call of await house.calls()) {
      const what = addresses.get(call.ip);
      if (!what) continue;
      assert.deepEqual([call.action, call.api_key_id, call.claimed_kid],
        ["denied:wrong_proof", null, key.split("-")[2]], what);
      addresses.delete(call.ip);
    }
    assert.equal(addresses.size, 0, [...addresses.values()].join());
  });

  test("exchanged with a proof, a key is bound to it", async () => {
    const url = `${house.url}/oauth/token`;
    const proof = holder.proof("POST", "https://gate.example.com/ai/oauth/token");
    const bound = await send(url, { body: identity(), headers: { ...form, dpop: proof } });
    assert.equal(bound.status, 200, bound.text);
    const { access_token: made, token_type: type } = bound.json();
    assert.equal(type, "DPoP");
    await signing(made, holder).models.list();
    await assert.rejects(signing(made, thief).models.list(), refused(401));
    await assert.rejects(house.client({ apiKey: made }).models.list(), refused(401));
    const again = await send(url, { body: identity(), headers: { ...form, dpop: proof } });
    assert.deepEqual([again.status, again.json()], [400, { error: "invalid_dpop_proof" }]);
    const last = (await house.calls()).findLast((call) => call.endpoint === "POST /oauth/token");
    assert.equal(last.action, "denied:dpop_replayed");
  });
});

describe("a key that is bound to a certificate", only, () => {
  let authority;
  let house;
  let mine;
  let others;
  const thumbprint = ({ cert }) => digest(new X509Certificate(cert).raw);
  before(async () => {
    authority = await Authority.make();
    const served = await authority.issue("IP:127.0.0.1");
    [mine, others] = [await authority.issue(), await authority.issue()];
    house = await start({
      secure: true,
      configure: configure((text) => text.replace(/^( {4}- \{name: gate, address: .*)\}$/m,
        `$1, tls: {cert: "${served.file}", key: "${served.keyFile}"}, ` +
        `client_ca: "${authority.file}"}`)),
    });
  });
  after(async () => {
    await house?.stop();
    await authority?.remove();
  });
  const over = ({ cert, key } = {}) => ({ ca: authority.pem, cert, key, agent: false });
  const ask = (apiKey, certificate) =>
    house.client({ apiKey, fetch: fetchOver(over(certificate)) }).chat.completions.create(
      { model, messages });

  test("over that certificate alone it works", async () => {
    const key = await house.createKey("pinned", "--certificate", thumbprint(mine));
    await ask(key, mine);
    await assert.rejects(ask(key, others), refused(401));
    await assert.rejects(ask(key), refused(401));
    await ask(house.key, undefined);
    const calls = await until("they are recorded", async () => {
      const found = (await house.calls()).filter((call) => call.status === 401);
      return found.length === 2 && found;
    });
    for (const call of calls) assert.equal(call.action, "denied:wrong_certificate");
  });

  test("exchanged over it, a key is bound to it", async () => {
    const made = await send(`${house.url}/oauth/token`, {
      body: identity(), headers: form, ...over(mine) });
    assert.equal(made.status, 200, made.text);
    const key = made.json().access_token;
    await ask(key, mine);
    await assert.rejects(ask(key, others), refused(401));
    await assert.rejects(ask(key), refused(401));
  });
});
