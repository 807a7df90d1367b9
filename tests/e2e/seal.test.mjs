// SPDX-License-Identifier: Apache-2.0
// audit.seal: addresses lie sealed in the log, whoever may look sees them, and what is erased is
// nowhere any more while the log stays whole.
import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { onlyGated, start, until } from "./house.mjs";

const hers = "203.0.113.77", his = "198.51.100.88";

async function filesWith(folder, text) {
  const found = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    try {
      const info = await stat(path);
      if (info.isDirectory()) found.push(...await filesWith(path, text));
      if (info.isFile() && (await readFile(path)).includes(text)) found.push(path);
    } catch (error) {
      if (error.code !== "ENOENT") throw error; // replaced meanwhile: it has its own name by now
    }
  }
  return found;
}

const call = (house, key, address) =>
  house.fetch("/v1/models", { key, headers: { "x-forwarded-for": address } });

test("what lies sealed is shown to whoever may look, and forgotten for good", onlyGated, async () => {
  const house = await start({
    more: "",
    configure: (text) => text.replace("http:\n", "http:\n  trusted_proxies: [127.0.0.1]\n")
      .replace("audit:\n", "audit:\n  seal: {fields: [ip]}\n"),
  });
  try {
    const [mai, jan] = [await house.createKey("mai"), await house.createKey("jan")];
    for (let i = 0; i < 20; i += 1) {
      assert.equal((await call(house, mai, hers)).status, 200);
      assert.equal((await call(house, jan, his)).status, 200);
    }
    assert.equal((await call(house, "sk-wrong", his)).status, 401);

    assert.deepEqual(await filesWith(join(house.folder, "journal", "seg"), hers), []);
    assert.equal((await house.calls("--ip", hers)).length, 20, "a question finds it");
    assert.equal((await house.calls("--key", "mai"))[0].ip, hers);
    const byAddress = async () => JSON.parse(await house.command(
      "audit", "query", "--json", "--group-by", "ip", "--where", "kind=request"));
    assert.ok(JSON.stringify(await byAddress()).includes(hers), "so do sums");
    assert.match(await house.command("audit", "verify"), /whole/);

    // Restarted, it still opens; the columns are on disk then.
    assert.equal(await house.gate.stop(), 0);
    await house.serve();
    assert.equal((await house.calls("--ip", hers)).length, 20);

    const before = await house.readJournal("checkpoint");
    await assert.rejects(house.command("audit", "erase"), /--key NAME or --before TIME/);
    await assert.rejects(house.command("audit", "erase", "--key", mai), /400/, "a key is no name");
    assert.match(await house.command("audit", "erase", "--key", "mai"), /erased: 1 secret/);
    assert.match(await house.command("audit", "erase", "--key", "mai"), /nothing of it/);
    assert.deepEqual(await house.calls("--ip", hers), []);
    assert.equal((await house.calls("--key", "mai"))[0].ip, "erased");
    assert.equal((await house.calls("--ip", his)).length, 21, "others keep theirs");
    const sums = await until("the columns are made anew", async () => {
      const text = JSON.stringify(await byAddress());
      return text.includes("erased") && text;
    });
    assert.ok(!sums.includes(hers) && sums.includes(his), sums);
    assert.deepEqual(await filesWith(house.folder, hers), [], "no file has it");
    assert.match(await house.command("audit", "verify"), /whole/);
    assert.ok(before.length > 0);

    const acts = (await house.records("--kind", "admin")).filter(({ action, detail }) => action === "audit.erase" && detail?.key);
    assert.deepEqual(await filesWith(join(house.folder, "journal"), mai), [], "nor is a key recorded");
    assert.equal(acts.length, 2);
    assert.deepEqual(acts[0].detail, { key: "mai" });

    // A day that is not over is not erased by a time within it.
    assert.match(await house.command("audit", "erase", "--before", "1m"), /nothing of it/);
    assert.equal((await house.calls("--ip", his)).length, 21);

    // Where an administrator acted from: not in the key's name.
    const remote = await fetch(`${house.adminURL}/health/liveliness`);
    assert.equal(remote.status, 200);
    assert.match(await house.command("audit", "erase", "--key", "actor:nobody"), /nothing of it/);

    // The key goes on, under a new secret.
    assert.equal((await call(house, mai, hers)).status, 200);
    assert.equal((await house.calls("--ip", hers)).length, 1);
  } finally {
    await house.stop();
  }
});
