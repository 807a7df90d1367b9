// SPDX-License-Identifier: Apache-2.0
// Certificates of a day, made with the openssl command line in a folder that goes away.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { connect } from "node:tls";
import { promisify } from "node:util";

const run = promisify(execFile);
const ecKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export class Authority {
  static async make(name = "test authority") {
    const authority = new Authority();
    authority.folder = await mkdtemp(join(tmpdir(), "sallyport-ca-"));
    authority.file = join(authority.folder, "ca.pem");
    authority.keyFile = join(authority.folder, "ca.key");
    authority.serial = 16;
    await run("openssl", ["req", "-x509", ...ecKey, "-keyout", authority.keyFile,
      "-out", authority.file, "-subj", `/CN=${name}`, "-days", "1",
      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]);
    authority.pem = await readFile(authority.file, "utf8");
    return authority;
  }

  // A certificate for `names` ("IP:127.0.0.1,DNS:localhost"); without names it is a client's.
  async issue(names = null) {
    const serial = (this.serial += 1);
    const file = join(this.folder, `${serial}.pem`);
    const keyFile = join(this.folder, `${serial}.key`);
    const use = names ? ["-addext", "extendedKeyUsage=serverAuth",
      "-addext", `subjectAltName=${names}`] : ["-addext", "extendedKeyUsage=clientAuth"];
    await run("openssl", ["req", "-x509", ...ecKey, "-CA", this.file, "-CAkey", this.keyFile,
      "-keyout", keyFile, "-out", file, "-subj", `/CN=leaf ${serial}`, "-days", "1",
      "-set_serial", String(serial), "-addext", "basicConstraints=critical,CA:FALSE", ...use]);
    const [cert, key] = await Promise.all([readFile(file, "utf8"), readFile(keyFile, "utf8")]);
    return { file, keyFile, cert, key, serial: serial.toString(16).toUpperCase() };
  }

  remove() {
    return rm(this.folder, { recursive: true, force: true });
  }
}

// A `fetch` for the SDK with TLS settings of its own (an authority, a client certificate).
export const fetchOver = (settings) => (url, { method, headers, body, signal } = {}) =>
  new Promise((resolve, reject) => {
    const asked = request(url, {
      method, signal, headers: Object.fromEntries(new Headers(headers)), ...settings,
    }, (answer) => {
      const options = { status: answer.statusCode, headers: answer.headers };
      resolve(new Response(Readable.toWeb(answer), options));
    });
    asked.on("error", reject);
    asked.end(body);
  });

// One handshake, then the end. The serial number of the server's certificate, in hexadecimal.
export const handshake = (port, settings) => new Promise((resolve, reject) => {
  const socket = connect({ port, host: "127.0.0.1", ...settings }, () => {
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    resolve(serialNumber);
  });
  socket.on("error", reject);
});
