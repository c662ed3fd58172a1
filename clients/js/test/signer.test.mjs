// The requests that the server's own tests hold as signed by this signer are what it signs.
// With BLESS=1 the file is written anew.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Hash } from "@smithy/hash-node";
import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";

const directory = new URL("../../../crates/auth/tests/vectors/", import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, directory), "utf8"));

/** Parameters as the SDK holds them: decoded, several values of one name in a list. */
function parse(text) {
  const query = {};
  for (const parameter of text.split("&").filter((parameter) => parameter)) {
    const [name, value = ""] = parameter.split("=", 2).map(decodeURIComponent);
    query[name] = name in query ? [query[name], value].flat() : value;
  }
  return query;
}

/** Parameters as the SDK's HTTP handler writes them. */
function format(query) {
  const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const pairs = Object.entries(query).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
  return pairs.map((pair) => pair.map(encode).join("=")).join("&");
}

async function sign(given, { name, method, target, headers, body, ...more }) {
  const [path, query] = target.split("?", 2);
  const [hostname, port] = given.host.split(":");
  const joined = {};
  for (const [header, value] of headers) joined[header] = header in joined ? `${joined[header]}, ${value}` : value;
  const request = new HttpRequest({
    method, protocol: "http:", hostname, port: Number(port), path, query: parse(query ?? ""),
    headers: { Host: given.host, ...joined, ...(more.unsigned ? { "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD" } : {}) },
    body: body ? Buffer.from(body, "hex") : undefined,
  });
  const signer = new SignatureV4({
    service: "sqs", region: more.region ?? "us-east-1", sha256: Hash.bind(null, "sha256"),
    credentials: { accessKeyId: given.access_key, secretAccessKey: given.secret_key, sessionToken: more.token },
  });
  const signingDate = new Date(given.now * 1000);
  const signed = more.expires
    ? await signer.presign(request, { signingDate, expiresIn: more.expires })
    : await signer.sign(request, { signingDate });
  const parameters = format(signed.query);
  return { name, method, target: parameters ? `${signed.path}?${parameters}` : signed.path, headers: Object.entries(signed.headers), body };
}

test("the signer of the JavaScript SDK signs as it did", async () => {
  const given = read("cases.json");
  const cases = given.cases.filter((one) => !one.unlike?.javascript);
  const vectors = await Promise.all(cases.map((one) => sign(given, one)));
  if (process.env.BLESS === "1") {
    const { version } = createRequire(import.meta.url)("@smithy/signature-v4/package.json");
    const lines = vectors.map((vector) => `  ${JSON.stringify(vector)}`).join(",\n");
    const text = `{\n "made_by": "@smithy/signature-v4 ${version}",\n "vectors": [\n${lines}\n ]\n}\n`;
    writeFileSync(new URL("javascript.json", directory), text);
  }
  assert.deepEqual(vectors, read("javascript.json").vectors);
});
