// SPDX-License-Identifier: Apache-2.0
// What strangers bring: identity tokens and proofs under keys of their own, and the servers where
// those keys, or what is delivered, are to be found.
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer, request } from "node:http";
import { createServer as createSecureServer, request as secureRequest } from "node:https";

export const seconds = () => Math.floor(Date.now() / 1000);
export const b64u = (value) =>
  Buffer.from(typeof value === "object" && !Buffer.isBuffer(value) ? JSON.stringify(value) : value)
    .toString("base64url");
export const digest = (bytes) => createHash("sha256").update(bytes).digest("base64url");

export class Signer {
  constructor(alg, kid) {
    this.alg = alg;
    this.kid = kid;
    const { publicKey, privateKey } = alg === "RS256" ?
      generateKeyPairSync("rsa", { modulusLength: 2048 }) :
      generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.publicKey = publicKey;
    this.privateKey = privateKey;
  }

  pem() {
    return this.publicKey.export({ type: "spki", format: "pem" });
  }

  jwk() {
    return { ...this.publicKey.export({ format: "jwk" }), kid: this.kid, alg: this.alg, use: "sig" };
  }

  // RFC 7638.
  thumbprint() {
    const { crv, e, kty, n, x, y } = this.publicKey.export({ format: "jwk" });
    return digest(JSON.stringify({ crv, e, kty, n, x, y }));
  }

  token(claims, header = {}) {
    const text = `${b64u({ alg: this.alg, kid: this.kid, typ: "JWT", ...header })}.${b64u(claims)}`;
    const key = { key: this.privateKey, dsaEncoding: "ieee-p1363" };
    return `${text}.${b64u(sign("sha256", Buffer.from(text), key))}`;
  }

  // RFC 9449: a proof for one request. `credential` is left out where there is none yet.
  proof(method, url, { credential, ...claims } = {}) {
    const { kty, crv, x, y } = this.publicKey.export({ format: "jwk" });
    const ath = credential ? { ath: digest(credential) } : {};
    return this.token(
      { jti: randomUUID(), htm: method, htu: url, iat: seconds(), ...ath, ...claims },
      { typ: "dpop+jwt", kid: undefined, jwk: { kty, crv, x, y } });
  }
}

export const jwks = (...signers) => JSON.stringify({ keys: signers.map((one) => one.jwk()) });

// A server of the test. `answer(request, body)` gives {status, headers, body}, or nothing, which
// breaks the connection.
export class Peer {
  static async open(answer, certificate) {
    const peer = new Peer();
    peer.requests = [];
    const handle = (asked, answered) => {
      const pieces = [];
      asked.on("data", (piece) => pieces.push(piece));
      asked.on("end", async () => {
        const body = Buffer.concat(pieces).toString();
        peer.requests.push({ method: asked.method, url: asked.url, headers: asked.headers, body });
        const said = await answer(asked, body);
        if (!said) return asked.destroy();
        answered.writeHead(said.status ?? 200, said.headers ?? {}).end(said.body ?? "");
      });
    };
    peer.server = certificate ? createSecureServer(certificate, handle) : createServer(handle);
    await new Promise((ready) => peer.server.listen(0, "127.0.0.1", ready));
    const { port } = peer.server.address();
    peer.url = `${certificate ? "https" : "http"}://127.0.0.1:${port}`;
    return peer;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((closed) => this.server.close(closed));
  }
}

// One request with any header and from any address of this machine, which `fetch` cannot.
export const send = (url, { body, ...options } = {}) => new Promise((resolve, reject) => {
  const ask = url.startsWith("https:") ? secureRequest : request;
  const asked = ask(url, { agent: false, method: body === undefined ? "GET" : "POST", ...options },
    (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece) => (text += piece));
      answer.on("error", reject);
      answer.on("end", () => resolve({
        status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text),
      }));
    });
  asked.on("error", reject);
  asked.end(body);
});
