// SPDX-License-Identifier: Apache-2.0
// Small location databases: countries as tor-geoipdb's CSV, networks as a MaxMind file (format 2.0,
// a tree of IPv4 with records of 24 bits). Only what the tests need.
const number4 = (address) =>
  address.split(".").reduce((number, part) => number * 256 + Number(part), 0);

// [["203.0.113.0", "203.0.113.255", "TW"], ...], ascending.
export const countriesV4 = (rows) =>
  rows.map(([first, last, code]) => `${number4(first)},${number4(last)},${code}\n`).join("");
export const countriesV6 = (rows) => rows.map((row) => `${row.join(",")}\n`).join("");

// Sizes up to 284.
const control = (type, size) => Buffer.from([
  (type <= 7 ? type << 5 : 0) | Math.min(size, 29),
  ...(type <= 7 ? [] : [type - 7]), ...(size < 29 ? [] : [size - 29])]);
const text = (value) => Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
const uint = (type, bytes, value) => {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return Buffer.concat([control(type, bytes), out]);
};
const map = (members) => Buffer.concat([control(7, Object.keys(members).length),
  ...Object.entries(members).flatMap(([name, value]) => [text(name), value])]);

// [["203.0.113.0", 24, 64500, "Example Net"], ...]
export function networks(rows) {
  const nodes = [[null, null]];
  let data = Buffer.alloc(0);
  for (const [address, bits, asn, name] of rows) {
    let node = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      const side = (number4(address) >>> (31 - bit)) & 1;
      if (bit + 1 === bits) {
        nodes[node][side] = { data: data.length };
        data = Buffer.concat([data, map({ autonomous_system_number: uint(6, 4, asn),
          autonomous_system_organization: text(name) })]);
      } else {
        if (nodes[node][side] === null) nodes[node][side] = nodes.push([null, null]) - 1;
        node = nodes[node][side];
      }
    }
  }
  const tree = Buffer.alloc(nodes.length * 6);
  nodes.flat().forEach((record, place) => {
    const value = record === null ? nodes.length :
      typeof record === "number" ? record : nodes.length + 16 + record.data;
    tree.writeUIntBE(value, place * 3, 3);
  });
  const about = map({
    node_count: uint(6, 4, nodes.length), record_size: uint(5, 2, 24), ip_version: uint(5, 2, 4),
    database_type: text("Test-ASN"), languages: control(11, 0),
    binary_format_major_version: uint(5, 2, 2), binary_format_minor_version: uint(5, 2, 0),
    build_epoch: uint(9, 6, Math.floor(Date.now() / 1000)), description: map({}),
  });
  return Buffer.concat([tree, Buffer.alloc(16), data, Buffer.from("abcdef", "hex"),
    Buffer.from("MaxMind.com"), about]);
}
