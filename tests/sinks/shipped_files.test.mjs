// SPDX-License-Identifier: Apache-2.0
// The files that are shipped for other people's systems: they parse, and what they name exists.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { start, until } from "../e2e/house.mjs";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const shipped = (...path) => join(root, "packaging", ...path);
const json = async (...path) => JSON.parse(await readFile(shipped(...path), "utf8"));

// What a gate with a sink tells, as names of series.
async function exposed() {
  const sink = '{name: one, type: splunk, url: "http://127.0.0.1:1", token: "${env:SINK_TOKEN}", allow: [127.0.0.0/8]}';
  const house = await start({ env: { SINK_TOKEN: "0".repeat(32) }, more: `notify:\n  - ${sink}\n` });
  try {
    await house.fetch("/v1/models");
    const text = await until("the log is signed and everything is counted", async () => {
      const page = await (await fetch(`${house.adminURL}/metrics`)).text();
      return page.includes("\nsallyport_audit_checkpoint_seconds ") && page;
    }, 60_000);
    const names = new Map(); // of a series to its labels
    for (const line of text.split("\n")) {
      const found = /^([a-z_]+)(?:\{([^}]*)\})? /.exec(line);
      if (!found) continue;
      const labels = [...(found[2] ?? "").matchAll(/([a-z_]+)="([^"]*)"/g)];
      if (!names.has(found[1])) names.set(found[1], new Map());
      for (const [, label, value] of labels) {
        const values = names.get(found[1]);
        values.set(label, [...(values.get(label) ?? []), value]);
      }
    }
    return names;
  } finally {
    await house.stop();
  }
}

const metrics = await exposed();

// Names of series and labels that an expression asks for, and values it compares them with.
function assertExposed(expr) {
  for (const [, name, selector] of expr.matchAll(/(sallyport_[a-z_]+)(?:\{([^}]*)\})?/g)) {
    assert.ok(metrics.has(name), `${name} is not exposed: ${expr}`);
    const known = metrics.get(name);
    for (const [, label, operator, value] of (selector ?? "").matchAll(/([a-z_]+)(=~?)"([^"]*)"/g)) {
      if (["instance", "job"].includes(label)) continue;
      assert.ok(known.has(label), `${name} has no label ${label}`);
      if (operator === "=") assert.ok(known.get(label).includes(value), `${name}{${label}} is never ${value}`);
    }
  }
  for (const [, labels] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
    const names = [...expr.matchAll(/sallyport_[a-z_]+/g)].map(([name]) => name);
    for (const label of labels.split(/,\s*/)) {
      if (["instance", "job"].includes(label)) continue;
      assert.ok(names.some((name) => metrics.get(name).has(label)), `no ${label} in ${expr}`);
    }
  }
}

// promtool on rules made of these expressions.
async function assertParses(expressions) {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-rules-"));
  try {
    const rules = expressions.map((expr, i) => `      - record: "shipped:${i}"\n        expr: ${JSON.stringify(expr)}\n`);
    const file = join(folder, "rules.yml");
    await writeFile(file, `groups:\n  - name: shipped\n    rules:\n${rules.join("")}`);
    await run("promtool", ["check", "rules", file]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("the checks can fail", async () => {
  assert.throws(() => assertExposed("sallyport_nothing_total"), /not exposed/);
  assert.throws(() => assertExposed('sallyport_requests_total{status="teapot"}'), /never teapot/);
  assert.throws(() => assertExposed("sum by (colour) (sallyport_requests_total)"), /no colour/);
  await assert.rejects(assertParses(["sum(rate(sallyport_requests_total[5m])"]));
});

for (const name of ["sallyport-overview.json", "sallyport-record.json"]) {
  test(`Grafana: ${name}`, async () => {
    const board = await json("grafana", name);
    assert.equal(board.id ?? null, null);
    assert.equal(board.uid, name.replace(".json", ""));
    assert.deepEqual(board.tags, ["sallyport"]);
    const ids = board.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "two panels with one id");
    const taken = new Set();
    const expressions = [];
    for (const { title, gridPos: { x, y, w, h }, datasource, targets } of board.panels) {
      assert.ok(x >= 0 && x + w <= 24, `${title} is wider than the board`);
      for (let i = x; i < x + w; i += 1) {
        for (let j = y; j < y + h; j += 1) {
          assert.ok(!taken.has(`${i},${j}`), `${title} overlaps another`);
          taken.add(`${i},${j}`);
        }
      }
      assert.equal(datasource.uid, "${ds}");
      assert.ok(targets.length > 0, title);
      expressions.push(...targets.map(({ expr }) => expr));
    }
    for (const expr of expressions) assertExposed(expr);
    await assertParses(expressions.map((expr) => expr.replaceAll("$instance", ".*")));
    const variables = new Set(board.templating.list.map((one) => one.name));
    for (const [, used] of JSON.stringify(board.panels).matchAll(/\$\{?([a-z]+)\}?/g)) {
      assert.ok(variables.has(used), `$${used} is no variable`);
    }
  });
}

test("Prometheus: the alert rules", async () => {
  const file = shipped("prometheus", "sallyport-alerts.yml");
  await run("promtool", ["check", "rules", file]);
  assertExposed((await readFile(file, "utf8")).replace(/^ *summary:.*$/gm, ""));
  await run("promtool", ["test", "rules", join(import.meta.dirname, "alerts_test.yml")]);
});

test("Prometheus: the scrape configuration", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-scrape-"));
  try {
    const read = (name) => readFile(shipped("prometheus", name), "utf8");
    await writeFile(join(folder, "sallyport-alerts.yml"), await read("sallyport-alerts.yml"));
    await writeFile(join(folder, "prometheus.yml"), await read("scrape.yml"));
    await run("promtool", ["check", "config", join(folder, "prometheus.yml")]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

// Every field that the template maps, by its path.
function paths({ properties = {} }, before = "") {
  return Object.entries(properties).flatMap(([name, value]) =>
    value.properties ? paths(value, `${before}${name}.`) : [[`${before}${name}`, value.type]]);
}

test("OpenSearch: the template and the dashboard name only fields that records have", async () => {
  const template = await json("opensearch", "index-template.json");
  assert.deepEqual(template.data_stream, {});
  assert.ok(template.priority > 100, "the built-in template for logs-*-* has 100");
  assert.equal(template.template.mappings.dynamic, false);
  const fields = new Map(paths(template.template.mappings));
  const made = await readFile(join(root, "src/notify/record_ecs.cc"), "utf8");
  const events = await readFile(join(root, "docs/events.md"), "utf8");
  for (const path of fields.keys()) {
    const parts = path.split(".");
    for (const part of parts[0] === "sallyport" ? [] : parts) {
      assert.ok(made.includes(`"${part}"`), `record_ecs.cc never writes ${path}`);
    }
    if (parts[0] === "sallyport") assert.match(events, new RegExp(`\\\`${parts[1]}\\\``), path);
  }
  const lines = (await readFile(shipped("opensearch", "saved-objects.ndjson"), "utf8")).trim().split("\n");
  const objects = new Map(lines.map((line) => JSON.parse(line)).map((one) => [`${one.type}:${one.id}`, one]));
  assert.equal(objects.size, lines.length, "an object is there twice");
  for (const { type, attributes, references } of objects.values()) {
    for (const one of references) assert.ok(objects.has(`${one.type}:${one.id}`), `${one.id} is missing`);
    if (type === "visualization") {
      const { aggs } = JSON.parse(attributes.visState);
      for (const { params } of aggs) if (params.field) assert.ok(fields.has(params.field), params.field);
      const { query } = JSON.parse(attributes.kibanaSavedObjectMeta.searchSourceJSON);
      for (const [, field] of query.query.matchAll(/([a-z_.]+) :/g)) assert.ok(fields.has(field), field);
    }
    if (type === "dashboard") {
      const panels = JSON.parse(attributes.panelsJSON);
      const names = references.map(({ name }) => name);
      for (const { panelRefName } of panels) assert.ok(names.includes(panelRefName), panelRefName);
    }
  }
});

test("Sigma: rules name only fields of the log, and each other", async () => {
  const folder = shipped("sigma");
  const events = await readFile(join(root, "docs/events.md"), "utf8");
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));
  const value = (text, key) => new RegExp(`^ *${key}: (.*)$`, "m").exec(text)?.[1];
  const names = texts.map((text) => value(text, "name")).filter(Boolean);
  const ids = texts.map((text) => value(text, "id"));
  assert.equal(new Set(ids).size, texts.length);
  const isField = (name) => assert.ok(events.includes(`\`${name.split(".")[0]}\``), `${name} is no field`);
  for (const text of texts) {
    assert.match(value(text, "id"), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    for (const key of ["title", "status", "description", "level", "date"]) assert.ok(value(text, key), key);
    if (text.includes("\ncorrelation:")) {
      assert.match(value(text, "type"), /^(event_count|value_count|value_sum)$/);
      assert.match(value(text, "timespan"), /^\d+[smhd]$/);
      const [, rule] = /rules:\n +- (\S+)/.exec(text);
      assert.ok(names.includes(rule), `${rule} is no rule here`);
      isField(/group-by:\n +- (\S+)/.exec(text)[1]);
      if (value(text, "field")) isField(value(text, "field"));
    } else {
      assert.match(text, /logsource:\n {2}product: sallyport\n {2}service: audit\n/);
      const detection = /detection:\n([^]*?)\n {2}condition: (.*)/.exec(text);
      for (const [, field] of detection[1].matchAll(/^ {4}([a-z_.]+):/gm)) isField(field);
      for (const word of detection[2].split(/ (?:and not|and|or) /)) {
        assert.match(detection[1], new RegExp(`^ {2}${word}:`, "m"));
      }
    }
  }
});
