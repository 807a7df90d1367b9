// SPDX-License-Identifier: Apache-2.0
// Keys without static keys, as docs/identity-exchange.md promises: a workload's token becomes a
// short key, and nothing but a genuine one does.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Authority } from "./certificates.mjs";
import { collect, gated, messages, start, until } from "./house.mjs";
import { Peer, Signer, b64u, jwks, seconds, send } from "./signed.mjs";

const only = { skip: !gated };
const patientMs = 20_000;
const audience = "https://gate.example.com";
const grant = "urn:ietf:params:oauth:grant-type:token-exchange";
const jwtType = "urn:ietf:params:oauth:token-type:jwt";
const form = { "content-type": "application/x-www-form-urlencoded" };

const rsa = new Signer("RS256", "rsa-1");
const curve = new Signer("ES256", "curve-1");
const stranger = new Signer("RS256", "rsa-1"); // with our key's name
const pods = ["one", "two", "three"].map((kid) => new Signer("ES256", kid));
let published = [pods[0]]; // at the pods' issuer
let authority;
let issuer;
let house;

const mappings = () => `
  identity_exchange:
    - name: ci
      issuer: https://ci.example.com
      audience: ${audience}
      jwks_file: file:${house.folder}/jwks.json
      algorithms: [RS256, ES256]
      claims: {repository: acme/*, ref: refs/heads/main}
      principal: ci-{repository}
      layer: acme/ci
      life: 10m
      models: [gpt-5*]
      endpoints: [POST /v1/chat/completions, GET /v1/models]
      module: ci
    - name: once
      issuer: https://once.example.com
      audience: ${audience}
      jwks_file: file:${house.folder}/jwks.json
      claims: {sub: job-*}
      principal: once-{sub}
      single_use: true
    - name: few
      issuer: https://few.example.com
      audience: ${audience}
      jwks_file: file:${house.folder}/jwks.json
      claims: {sub: job-*}
      principal: few-{sub}
      live_max: 2
    - name: cluster
      issuer: https://pods.example.com
      audience: ${audience}
      jwks_url: ${issuer.url}/jwks
      ca: ${authority.file}
      algorithms: [ES256]
      claims: {/kubernetes.io/namespace: prod}
      principal: k8s-{sub}
    - name: discovered
      issuer: ${issuer.url}/realm
      audience: ${audience}
      ca: ${authority.file}
      algorithms: [ES256]
      claims: {sub: job-*}
      principal: found-{sub}
    - name: untrusted
      issuer: https://untrusted.example.com
      audience: ${audience}
      jwks_url: ${issuer.url}/jwks
      algorithms: [ES256]
      claims: {sub: job-*}
      principal: untrusted-{sub}
`;

before(async () => {
  if (!gated) return;
  authority = await Authority.make();
  const certificate = await authority.issue("IP:127.0.0.1");
  issuer = await Peer.open(({ url }) => {
    if (url === "/jwks") return { body: jwks(...published) };
    if (url === "/realm/keys") return { body: jwks(curve) };
    if (url !== "/realm/.well-known/openid-configuration") return { status: 404 };
    const realm = `${issuer.url}/realm`;
    return { body: JSON.stringify({ issuer: realm, jwks_uri: `${realm}/keys` }) };
  }, certificate);
  house = await start({
    configure: (text, opening) => {
      house = opening;
      writeFileSync(join(house.folder, "jwks.json"), jwks(rsa, curve));
      return text.replace("keys:", `keys:${mappings()}`.trimEnd());
    },
    more: "",
  });
  await house.command("layers", "create", "acme");
  await house.command("layers", "create", "acme/ci");
});
after(async () => {
  await house?.stop();
  await issuer?.stop();
  await authority?.remove();
});

const ciClaims = (more = {}) => ({
  iss: "https://ci.example.com", aud: audience, sub: "repo:acme/web", repository: "acme/web",
  ref: "refs/heads/main", iat: seconds(), exp: seconds() + 300, ...more,
});
const podClaims = (more = {}) => ({
  iss: "https://pods.example.com", aud: ["other", audience], sub: "summariser",
  "kubernetes.io": { namespace: "prod" }, iat: seconds(), exp: seconds() + 300, ...more,
});
const fields = (token, more = {}) => new URLSearchParams({
  grant_type: grant, subject_token_type: jwtType, subject_token: token, ...more }).toString();
const exchange = (body, options = {}) =>
  send(`${house.url}/oauth/token`, { body, headers: form, ...options });

async function keyFor(token, more) {
  const answer = await exchange(fields(token, more));
  assert.equal(answer.status, 200, answer.text);
  return answer.json().access_token;
}
const chat = (apiKey, model = "gpt-5.5", options = {}) =>
  house.client({ apiKey }).chat.completions.create({ model, messages, ...options });
const refused = (status) => (error) => error.status === status;
const exchanges = async () =>
  (await house.calls()).filter((call) => call.endpoint === "POST /oauth/token");

test("a token under keys of a file: a key with the rights of its mapping", only, async () => {
  for (const signer of [rsa, curve]) {
    const answer = await exchange(fields(signer.token(ciClaims())));
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers["cache-control"], /no-store/);
    const { access_token: key, expires_in: left, ...rest } = answer.json();
    assert.deepEqual(rest, {
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token", token_type: "Bearer" });
    assert.ok(left > 200 && left <= 300, `not longer than the token: ${left}`);
    assert.ok((await chat(key)).choices[0].message.content);
    assert.ok((await collect(await chat(key, "gpt-5.5", { stream: true }))).text);
    await assert.rejects(chat(key, "gpt-4o"), refused(403));
    await assert.rejects(
      house.client({ apiKey: key }).embeddings.create({ model: "gpt-5.5", input: "x" }),
      refused(403));
    const kid = key.split("-")[2];
    const [call] = await until("the call is recorded", async () =>
      (found => found.length > 0 && found)((await house.calls()).filter((c) => c.kid === kid)));
    assert.equal(call.api_key_id, "ci-acme.2fweb");
    assert.equal(call.layer, "acme/ci");
    assert.equal(call.metadata.module, "ci");
    const [made] = (await house.records("--kind", "admin")).filter((act) => act.kid === kid);
    assert.deepEqual([made.action, made.actor, made.ip, made.status],
      ["key.create", "identity:ci", "127.0.0.1", 201]);
    assert.equal(made.detail.why, "exchanged for repo:acme/web of https://ci.example.com");
    assert.ok(!house.logs().includes(key) && !JSON.stringify(made).includes(key));
  }
});

test("one good token does not fill the store", only, async () => {
  const token = rsa.token({ iss: "https://few.example.com", aud: audience, sub: "job-1",
    iat: seconds(), exp: seconds() + 300 });
  const first = await keyFor(token);
  await keyFor(token);
  const more = await exchange(fields(token));
  assert.deepEqual([more.status, more.json().error], [429, "temporarily_unavailable"]);
  assert.equal(more.headers["retry-after"], "30");
  const [call] = await until("the refusal is recorded", async () =>
    (found => found.length > 0 && found)((await exchanges()).filter((c) => c.status === 429)));
  assert.equal(call.action, "denied:exchange_mapping_full");
  await keyFor(rsa.token(ciClaims())); // other mappings are not concerned
  await house.command("keys", "revoke", first.split("-")[2]);
  await keyFor(token);
});

test("JSON is taken too, and scope only narrows", only, async () => {
  const asked = { grant_type: grant, subject_token_type: jwtType.replace("jwt", "id_token"),
    subject_token: rsa.token(ciClaims()), scope: "model:gpt-5-mini read_only" };
  const answer = await exchange(JSON.stringify(asked),
    { headers: { "content-type": "application/json" } });
  assert.equal(answer.status, 200, answer.text);
  const key = answer.json().access_token;
  assert.ok((await house.client({ apiKey: key }).models.list()).data);
  await assert.rejects(chat(key, "gpt-5-mini"), refused(403));
  const mini = await keyFor(rsa.token(ciClaims()), { scope: "model:gpt-5-mini" });
  await chat(mini, "gpt-5-mini");
  await assert.rejects(chat(mini, "gpt-5.5"), refused(403));
});

test("a key does not outlive its token", only, async () => {
  const key = await keyFor(rsa.token(ciClaims({ exp: seconds() + 4 })));
  const began = Date.now();
  const answer = await until("it expires", async () => {
    const asked = await house.fetch("/v1/models", { key });
    return asked.status !== 200 && asked;
  }, patientMs);
  assert.equal(answer.status, 401);
  assert.ok(Date.now() - began <= patientMs);
});

test("keys from an https address: fetched once, and anew when they change", only, async () => {
  const fetched = () => issuer.requests.filter(({ url }) => url === "/jwks").length;
  await until("they are fetched at the start", () => fetched() > 0, patientMs);
  for (let i = 0; i < 3; i += 1) await chat(await keyFor(pods[0].token(podClaims())));
  assert.equal(fetched(), 1, "each exchange asked the issuer");
  const [call] = (await house.calls()).filter((c) => c.api_key_id === "k8s-summariser");
  assert.equal(call.status, 200);

  published = [pods[1]];
  await chat(await keyFor(pods[1].token(podClaims())));
  assert.equal(fetched(), 2);
  for (const gone of [pods[0], pods[2]]) {
    const answer = await exchange(fields(gone.token(podClaims())));
    assert.deepEqual([answer.status, answer.json()], [400, { error: "invalid_grant" }]);
  }
  assert.equal(fetched(), 2, "strangers can make the gate ask the issuer");
  const reasons = (await exchanges()).slice(-2).map((call) => call.action);
  assert.deepEqual(reasons, ["denied:jwt_unknown_key", "denied:jwt_unknown_key"]);
});

test("keys are found by the issuer's discovery, and over trusted TLS alone", only, async () => {
  const claims = { aud: audience, sub: "job-1", iat: seconds(), exp: seconds() + 300 };
  await chat(await keyFor(curve.token({ ...claims, iss: `${issuer.url}/realm` })));
  const answer = await exchange(fields(pods[1].token(
    { ...claims, iss: "https://untrusted.example.com" })));
  assert.deepEqual([answer.status, answer.json()], [503, { error: "temporarily_unavailable" }]);
  assert.ok(answer.headers["retry-after"]);
  assert.equal((await exchanges()).at(-1).action, "denied:exchange_no_keys");
});

test("a token that is for one use is exchanged once", only, async () => {
  const claims = { iss: "https://once.example.com", aud: audience, sub: "job-1",
    iat: seconds() + 1, // after the gate's start, in whole seconds
    exp: seconds() + 300 };
  const token = rsa.token(claims);
  await chat(await keyFor(token));
  assert.equal((await exchange(fields(token))).json().error, "invalid_grant");
  const old = await exchange(fields(rsa.token({ ...claims, iat: seconds() - 3_000 })));
  assert.equal(old.status, 400);
  assert.deepEqual((await exchanges()).slice(-2).map((call) => call.action),
    ["denied:exchange_replay", "denied:exchange_older_than_memory"]);
});

// HS256 under the public key's bytes, as a verifier that trusts the header would check it.
function confused(claims) {
  const text = `${b64u({ alg: "HS256", kid: rsa.kid, typ: "JWT" })}.${b64u(claims)}`;
  return `${text}.${createHmac("sha256", rsa.pem()).update(text).digest("base64url")}`;
}
const tampered = (token) => {
  const [head, , signature] = token.split(".");
  return `${head}.${b64u(ciClaims({ sub: "repo:acme/other" }))}.${signature}`;
};
const twice = (body) => `${body}&subject_token=x`;

test("what is not genuine gets no key and no reason; the record has it", only, async () => {
  const grantOf = (token) => [fields(token), "invalid_grant"];
  const ci = (more) => grantOf(rsa.token(ciClaims(more)));
  const good = rsa.token(ciClaims());
  const cases = {
    jwt_algorithm: [
      grantOf(`${b64u({ alg: "none", kid: "rsa-1" })}.${b64u(ciClaims())}.`),
      grantOf(confused(ciClaims())), grantOf(new Signer("ES256", "one").token(ciClaims(),
        { alg: "PS256" }))],
    jwt_signature: [grantOf(stranger.token(ciClaims())), grantOf(tampered(good)),
      grantOf(good.slice(0, -8) + "AAAAAAAA")],
    jwt_unknown_key: [grantOf(rsa.token(ciClaims(), { kid: "nobody" })),
      grantOf(rsa.token(ciClaims(), { kid: undefined })),
      grantOf(rsa.token(ciClaims(), { kid: "curve-1" }))],
    jwt_header: [grantOf(rsa.token(ciClaims(), { jwk: rsa.jwk() })),
      grantOf(rsa.token(ciClaims(), { jku: "https://evil.example.com/jwks" })),
      grantOf(rsa.token(ciClaims(), { crit: ["exp"] }))],
    jwt_expired: [ci({ exp: seconds() - 600, iat: seconds() - 900 }), 
      ci({ exp: seconds() - 2, iat: seconds() - 100 })],
    jwt_not_yet_valid: [ci({ nbf: seconds() + 600 }),
      ci({ iat: seconds() + 600, exp: seconds() + 900 })],
    jwt_audience: [ci({ aud: "https://other.example.com" }), ci({ aud: [] })],
    jwt_issuer: [ci({ iss: "https://evil.example.com" }), ci({ iss: "https://ci.example.com/" })],
    jwt_claims: [ci({ exp: undefined }), ci({ sub: undefined }), ci({ exp: "tomorrow" })],
    jwt_malformed: [grantOf("nothing"), grantOf(`${good}.${good}`), grantOf("a".repeat(20_000))],
    exchange_claims: [ci({ repository: "evil/web" }), ci({ repository: "acme" }),
      ci({ ref: "refs/pull/1/merge" }), ci({ repository: undefined })],
    exchange_principal: [ci({ repository: ["acme/web", "acme/api"] })],
    exchange_malformed: [[twice(fields(good)), "invalid_request"], ["", "invalid_request"],
      ["%zz", "invalid_request"], ["{}", "invalid_request"]],
    exchange_token_type: [[fields(good, { subject_token_type: "saml" }), "invalid_request"]],
    exchange_grant_type: [[fields(good, { grant_type: "password" }), "unsupported_grant_type"]],
    exchange_delegation: [[fields(good, { actor_token: good }), "invalid_request"]],
    exchange_target: [[fields(good, { audience: "x" }), "invalid_target"]],
    exchange_scope: [[fields(good, { scope: "model:gpt-4o" }), "invalid_scope"],
      [fields(good, { scope: "admin" }), "invalid_scope"]],
  };
  const before = (await house.records("--kind", "admin")).length;
  const expected = new Map();
  for (const [reason, list] of Object.entries(cases)) {
    for (const [body, error] of list) {
      const localAddress = `127.0.1.${expected.size + 1}`; // floods are counted by address
      const answer = await exchange(body, { localAddress });
      const what = `${reason} ${localAddress}: ${answer.text}`;
      assert.deepEqual([answer.status, answer.json()], [400, { error }], what);
      expected.set(localAddress, [400, error, `denied:${reason}`, null]);
    }
  }
  const wrongType = await exchange(fields(good), { headers: { "content-type": "text/plain" } });
  assert.equal(wrongType.status, 400);
  const large = await exchange(`x=${"y".repeat(70_000)}`);
  assert.deepEqual([large.status, large.json().error.code], [413, "body_too_large"]);
  const got = await send(`${house.url}/oauth/token`);
  assert.ok([401, 404, 405].includes(got.status), `${got.status}`);

  const seen = new Map((await exchanges()).map(({ ip, status, error, action, api_key_id: id }) =>
    [ip, [status, error, action, id]]));
  for (const [ip, record] of expected) assert.deepEqual(seen.get(ip), record, ip);
  assert.equal((await house.records("--kind", "admin")).length, before, "a key was made");
});

test("revoking the mapping's layer kills what was exchanged", only, async () => {
  const key = await keyFor(rsa.token(ciClaims()));
  const reading = collect(await chat(key, "gpt-5.5", { stream: true }));
  await reading;
  await house.command("layers", "revoke", "acme/ci");
  await assert.rejects(chat(key), refused(401));
  const answer = await exchange(fields(rsa.token(ciClaims())));
  assert.ok(answer.status >= 400, "a dead layer got a new key");
});
