// SPDX-License-Identifier: Apache-2.0
// Who may operate the house: people by their provider, programs by named tokens, and LiteLLM's
// scripts by its routes (docs/admin-api.md, docs/moving-from-litellm.md).
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { gated, messages, start, until } from "./house.mjs";
import { Peer, Signer, b64u, digest, jwks, seconds, send } from "./signed.mjs";

const only = { skip: !gated };
const patientMs = 20_000;
const clientSecret = "s3cret+/=";
const signer = new Signer("RS256", "r1");
const stranger = new Signer("RS256", "r1");
let provider;
let house;

// A provider that is strict with us. `says` makes the next ID token from what a good one has.
const codes = new Map();
let says = (claims) => signer.token(claims);
function redeem(request, body) {
  const form = new URLSearchParams(body);
  const known = codes.get(form.get("code"));
  codes.delete(form.get("code")); // each counts once
  const login = Buffer.from((request.headers.authorization ?? "").slice(6), "base64").toString();
  const good = known && login === `sallyport:${encodeURIComponent(clientSecret)}` &&
    form.get("grant_type") === "authorization_code" &&
    form.get("redirect_uri") === `${house.adminURL}/admin/callback` &&
    digest(form.get("code_verifier") ?? "") === known.challenge;
  if (!good) return { status: 400, body: '{"error":"invalid_grant"}' };
  const token = says({ iss: provider.url, aud: "sallyport", nonce: known.nonce, iat: seconds(),
    exp: seconds() + 300, ...known.person });
  return { body: JSON.stringify({ access_token: "x", token_type: "Bearer", id_token: token }) };
}
const atProvider = (request, body) => {
  const { pathname } = new URL(request.url, provider.url);
  if (pathname === "/jwks") return { body: jwks(signer) };
  if (pathname === "/token") return redeem(request, body);
  if (pathname !== "/.well-known/openid-configuration") return { status: 404 };
  return { body: JSON.stringify({ issuer: provider.url, jwks_uri: `${provider.url}/jwks`,
    authorization_endpoint: `${provider.url}/authorize`,
    token_endpoint: `${provider.url}/token` }) };
};

before(async () => {
  if (!gated) return;
  provider = await Peer.open(atProvider);
  house = await start({
    env: { E2E_OIDC_SECRET: clientSecret },
    configure: (text, opening) => {
      house = opening;
      return text.replace("admin:\n", `admin:
  compatible_with: [litellm]
  login:
    oidc:
      issuer: ${provider.url}
      client_id: sallyport
      client_secret: \${env:E2E_OIDC_SECRET}
      redirect_url: ${house.adminURL}/admin/callback
    roles:
      viewer: [staff]
      operator: [soc]
      admin: ["email:alice@example.com"]
`);
    },
  });
});
after(async () => {
  await house?.stop();
  await provider?.stop();
});

const ask = (path, { body, ...options } = {}) => send(house.adminURL + path, {
  body: typeof body === "object" ? JSON.stringify(body) : body, ...options,
  headers: { ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...options.headers } });
const cookies = (answer) => Object.fromEntries((answer.headers["set-cookie"] ?? []).map((line) =>
  line.split(";")[0].split(/=(.*)/s).slice(0, 2)));
const people = {
  viewer: { sub: "1001", groups: ["staff", "choir"] },
  operator: { sub: "1002", groups: ["soc", "staff"] },
  admin: { sub: "1003", email: "Alice@example.com", email_verified: true },
};

// What the browser of `person` does at the provider: the way back, as a query.
async function begin(person) {
  const sent = await ask("/admin/login");
  assert.equal(sent.status, 302, sent.text);
  const there = new URL(sent.headers.location);
  assert.equal(there.origin + there.pathname, `${provider.url}/authorize`);
  const asked = Object.fromEntries(there.searchParams);
  assert.deepEqual([asked.response_type, asked.client_id, asked.code_challenge_method],
    ["code", "sallyport", "S256"]);
  const code = `code-${codes.size}-${Math.random()}`;
  codes.set(code, { person, nonce: asked.nonce, challenge: asked.code_challenge });
  const [[name, value]] = Object.entries(cookies(sent));
  return { cookie: `${name}=${value}`, state: asked.state, code };
}
const comeBack = ({ cookie, state, code }, more = {}) =>
  ask(`/admin/callback?${new URLSearchParams({ code, state, ...more })}`,
    { headers: { cookie, "sec-fetch-site": "cross-site" } });
async function logIn(person) {
  const answer = await comeBack(await begin(person));
  assert.equal(answer.status, 200, answer.text);
  const [line] = answer.headers["set-cookie"].filter((one) => /^sallyport=/.test(one));
  assert.match(line, /HttpOnly/i);
  assert.match(line, /SameSite=Strict/i);
  return { cookie: line.split(";")[0] };
}
const own = (session) => ({ ...session, origin: house.adminURL, "x-sallyport-csrf": "1" });
const outcome = ({ status, text }) => [status, status < 400 ? null : JSON.parse(text).error.code];
const acts = (action) => house.records("--kind", "admin").then((records) =>
  records.filter((record) => record.action === action));

describe("people", only, () => {
  test("a role gives what its route names, and the record says who", async () => {
    for (const [role, person] of Object.entries(people)) {
      const headers = own(await logIn(person));
      const rank = Object.keys(people).indexOf(role);
      const me = (await ask("/admin/v1/me", { headers })).json();
      const name = `oidc:${person.email ?? person.sub}`;
      assert.deepEqual([me.role, me.name], [role, name]);
      const may = async (least, path, body) => {
        const [status, code] = outcome(await ask(path, { headers, body }));
        const what = `${role} ${path}: ${status} ${code}`;
        if (rank < least) assert.deepEqual([status, code], [403, "role_too_low"], what);
        else assert.ok(status < 300, what);
      };
      await may(0, "/admin/v1/keys");
      await may(0, "/admin/v1/layers");
      await may(1, "/admin/v1/keys", { name: `made-by-${role}`, life: "1h" });
      await may(1, "/admin/v1/keys/e2e/rotate", { overlap: "1h" });
      await may(2, "/admin/v1/tokens");
      await may(2, "/admin/v1/tokens", { name: `by-${role}`, role: "viewer", life: "1h" });
      assert.deepEqual(outcome(await ask("/admin/v1/token", { headers, body: {} })),
        [403, rank < 2 ? "role_too_low" : "local_only"]);
      const made = (await acts("key.create")).find((one) => one.api_key_id === `made-by-${role}`);
      if (rank > 0) assert.deepEqual([made.actor, made.ip], [name, "127.0.0.1"]);
      else assert.equal(made, undefined);
    }
    const logins = await acts("admin.login");
    assert.deepEqual(logins.map((one) => one.detail.after.role), Object.keys(people));
  });

  test("a change needs our own page and our header", async () => {
    const session = await logIn(people.operator);
    const body = { name: "forged" };
    const forged = [
      [{ ...session }, "forbidden_origin"],
      [{ ...session, origin: house.adminURL }, "csrf_header_missing"],
      [{ ...own(session), origin: "https://evil.example.com" }, "forbidden_origin"],
      [{ ...own(session), "sec-fetch-site": "cross-site" }, "forbidden_origin"],
      [{ ...own(session), host: "evil.example.com" }, "forbidden_host"],
    ];
    for (const [headers, code] of forged) {
      assert.deepEqual(outcome(await ask("/admin/v1/keys", { headers, body })), [403, code]);
    }
    assert.equal((await ask("/admin/v1/keys/forged", { headers: session })).status, 404);
    assert.equal((await ask("/admin/v1/keys", { headers: own(session), body })).status, 201);
  });

  test("a logout ends the session", async () => {
    const session = await logIn(people.admin);
    assert.equal((await ask("/admin/v1/me", { headers: session })).status, 200);
    assert.ok((await ask("/admin/v1/logout", { headers: own(session), body: "" })).status < 300);
    assert.equal((await ask("/admin/v1/me", { headers: session })).status, 401);
    assert.equal((await acts("admin.logout")).at(-1).actor, "oidc:Alice@example.com");
  });

  test("who is not vouched for gets in nowhere, and only the record says why", async () => {
    const good = (claims) => signer.token(claims);
    const changed = (more) => (claims) => signer.token({ ...claims, ...more });
    const unsigned = (claims) => `${b64u({ alg: "none", kid: "r1" })}.${b64u(claims)}.`;
    const confused = (claims) => {
      const text = `${b64u({ alg: "HS256", kid: "r1" })}.${b64u(claims)}`;
      return `${text}.${createHmac("sha256", signer.pem()).update(text).digest("base64url")}`;
    };
    const cases = [
      ["no_role", { sub: "1004", groups: ["choir"] }, good],
      ["no_role", { sub: "1005", email: "alice@example.com" }, good], // not verified
      ["jwt_algorithm", people.admin, unsigned],
      ["jwt_algorithm", people.admin, confused],
      ["jwt_signature", people.admin, (claims) => stranger.token(claims)],
      ["jwt_expired", people.admin, changed({ iat: seconds() - 900, exp: seconds() - 600 })],
      ["jwt_audience", people.admin, changed({ aud: "another" })],
      ["jwt_issuer", people.admin, changed({ iss: "https://evil.example.com" })],
      ["wrong_nonce", people.admin, changed({ nonce: "another" })],
      ["wrong_azp", people.admin, changed({ aud: ["sallyport", "x"], azp: "x" })],
      ["no_id_token", people.admin, () => undefined],
    ];
    const reasons = [];
    for (const [why, person, token] of cases) {
      says = token;
      const answer = await comeBack(await begin(person));
      assert.deepEqual(outcome(answer), [403, why === "no_role" ? why : "login_refused"], why);
      assert.equal(cookies(answer).sallyport, undefined, why);
      reasons.push(why);
    }
    says = good;
    const begun = await begin(people.admin);
    const ways = [
      ["wrong_state", { ...begun, state: "another" }, {}, 400],
      ["no_attempt", { ...begun, cookie: "a=b" }, {}, 400],
      ["wrong_issuer", begun, { iss: "https://evil.example.com" }, 400],
      ["refused_by_provider", begun, { error: "access_denied" }, 403],
      ["code_refused", { ...begun, code: "made-up" }, {}, 403],
    ];
    for (const [why, back, more, status] of ways) {
      assert.equal((await comeBack(back, more)).status, status, why);
      reasons.push(why);
    }
    assert.equal((await comeBack(begun)).status, 200);
    assert.equal((await comeBack(begun)).status, 400, "an attempt counts once");
    reasons.push("attempt_used");
    // Many of one source within a second stand in one record, with their number and the last reason.
    const told = await until("every refusal is told", async () => {
      const refused = (await acts("admin.refused"))
        .filter((one) => one.endpoint === "GET /admin/callback");
      const number = refused.reduce((sum, one) => sum + (one.repeated ?? 1), 0);
      return number === reasons.length && refused;
    });
    let number = 0;
    for (const one of told) {
      number += one.repeated ?? 1;
      assert.equal(one.detail.why, reasons[number - 1], `refusal ${number}`);
    }
  });

  test("a restart logs people out", async () => {
    const session = await logIn(people.viewer);
    assert.equal(await house.gate.stop(), 0, house.gate.errors);
    await house.serve();
    assert.equal((await ask("/admin/v1/me", { headers: session })).status, 401);
  });
});

const named = async (name, role, life = "1h") => {
  const printed = await house.command("--json", "admin", "token", "create", "--name", name,
    "--role", role, "--life", life);
  return { authorization: `Bearer ${JSON.parse(printed).token}` };
};

describe("named tokens", only, () => {
  test("a token has its role, its name in the record, and its end", async () => {
    const viewer = await named("reader", "viewer");
    const operator = await named("ci", "operator");
    const body = { name: "by-ci", life: "1h" };
    assert.deepEqual(outcome(await ask("/admin/v1/keys", { headers: viewer, body })),
      [403, "role_too_low"]);
    assert.equal((await ask("/admin/v1/keys", { headers: operator, body })).status, 201);
    assert.equal((await acts("key.create")).at(-1).actor, "token:ci");
    assert.deepEqual(outcome(await ask("/admin/v1/tokens", { headers: operator,
      body: { name: "more", role: "admin" } })), [403, "role_too_low"]);

    const brief = await named("brief", "viewer", "2s");
    const ended = await until("it ends", async () => {
      const answer = await ask("/admin/v1/me", { headers: brief });
      return answer.status !== 200 && answer;
    }, patientMs);
    assert.deepEqual(outcome(ended), [401, "invalid_admin_token"]);
    await house.command("admin", "token", "revoke", "ci");
    assert.equal((await ask("/admin/v1/me", { headers: operator })).status, 401);
    assert.equal((await ask("/admin/v1/me", { headers: viewer })).status, 200);
    for (const token of [viewer, operator, brief]) {
      assert.ok(!JSON.stringify(await house.records()).includes(token.authorization.slice(7)));
    }
  });
});

describe("LiteLLM's routes", only, () => {
  const model = "gpt-5.5";
  const chat = (apiKey, name = model) =>
    house.client({ apiKey }).chat.completions.create({ model: name, messages });
  const refused = (status) => (error) => error.status === status;
  let headers;
  before(async () => (headers = await named("litellm", "operator")));

  test("a key is made, shown, used, replaced and deleted", async () => {
    const made = await ask("/key/generate", { headers, body: { key_alias: "lite-app",
      duration: "2h", models: ["gpt-5*"], max_budget: 5, budget_duration: "1d", rpm_limit: 100,
      user_id: "blue", metadata: { team: "x" } } });
    assert.equal(made.status, 200, made.text);
    const { key, token, ignored } = made.json();
    assert.match(key, /^sk-sp1-/);
    assert.deepEqual([token, ignored], [key.split("-")[2], ["metadata"]]);
    await chat(key);
    await assert.rejects(chat(key, "gpt-4o"), refused(403));

    for (const word of ["lite-app", token, key]) {
      const shown = await ask(`/key/info?key=${word}`, { headers });
      assert.equal(shown.status, 200, shown.text);
      assert.equal(shown.json().info.key_alias, "lite-app");
      assert.ok(!shown.text.includes(key), "the key is shown a second time");
    }
    const listed = (await ask("/key/list?return_full_object=true&key_alias=lite-app",
      { headers })).json();
    assert.deepEqual(listed.keys.map((one) => one.token), [token]);
    assert.ok((await ask("/key/list", { headers })).json().keys.includes(token));

    const [row] = await until("the call is in the spend", async () => {
      const answer = await ask("/spend/logs?api_key=lite-app", { headers });
      assert.equal(answer.status, 200, answer.text);
      return answer.json().length > 0 && answer.json().filter((one) => one.spend > 0);
    });
    assert.equal(row.model, model);
    assert.ok(row.spend > 0 && row.total_tokens > 0, JSON.stringify(row));
    const day = new Date().toISOString().slice(0, 10);
    const days = (await ask(`/spend/logs?start_date=${day}&end_date=${day}`, { headers })).json();
    assert.ok(days.length >= 1);

    const next = await ask("/key/lite-app/regenerate", { headers, body: { grace_period: "1h" } });
    assert.equal(next.status, 200, next.text);
    await chat(key);
    await chat(next.json().key);
    const hard = await ask("/key/lite-app/regenerate", { headers, body: {} });
    await assert.rejects(chat(next.json().key), refused(401));
    await chat(hard.json().key);

    const unknown = await ask("/key/delete", { headers,
      body: { key_aliases: ["lite-app", "nobody"] } });
    assert.equal(unknown.status, 404, unknown.text);
    await chat(hard.json().key);
    const gone = await ask("/key/delete", { headers, body: { key_aliases: ["lite-app"] } });
    assert.equal(gone.status, 200, gone.text);
    await assert.rejects(chat(hard.json().key), refused(401));
    const done = (await house.records("--kind", "admin"))
      .filter((act) => act.api_key_id === "lite-app" && act.actor === "token:litellm");
    for (const action of ["key.create", "key.rotate", "key.revoke"]) {
      assert.ok(done.some((act) => act.action === action && act.ip === "127.0.0.1"), action);
    }
  });

  test("what has no counterpart is refused, and a key mints nothing", async () => {
    for (const [body, word] of [[{ guardrails: ["pii"] }, "guardrails"],
      [{ model_max_budget: { x: 1 } }, "model_max_budget"], [{ key: "sk-1234" }, "key"],
      [{ max_budgt: 1 }, "max_budgt"], [{ max_budget: -1 }, "max_budget"],
      [{ duration: "1000d" }, "the life of a key"]]) {
      const answer = await ask("/key/generate", { headers, body });
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.ok(answer.json().error.message.includes(word), answer.text);
    }
    const { key } = (await ask("/key/generate", { headers, body: { key_alias: "mint" } })).json();
    for (const [path, body] of [["/key/generate", {}], ["/key/delete", { keys: ["mint"] }],
      ["/key/list"], ["/key/info?key=mint"], ["/spend/logs"], ["/key/mint/regenerate", {}]]) {
      const answer = await ask(path, { headers: { authorization: `Bearer ${key}` }, body });
      assert.equal(answer.status, 403, path);
    }
    const viewer = await named("lite-reader", "viewer");
    assert.equal((await ask("/key/info?key=mint", { headers: viewer })).status, 200);
    assert.equal((await ask("/key/generate", { headers: viewer, body: {} })).status, 403);
    assert.equal((await ask("/key/generate", { body: {} })).status, 401);
    assert.equal((await send(`${house.url}/key/list`, { headers })).status, 401,
      "they are on the data port");
  });
});
