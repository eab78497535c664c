// Talks to the Lightsail simulator with the AWS SDK for JavaScript, a client with another parser
// than boto3's, and checks what it understands. Endpoint, region and credentials come from the
// AWS_* variables that `testbed simulator` prints. Everything runs with the header x-amzn-errortype
// and without. The last line says how many checks have held.

import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import * as lightsail from "@aws-sdk/client-lightsail";
import * as sts from "@aws-sdk/client-sts";

const endpoint = process.env.AWS_ENDPOINT_URL;
const DEFAULT = "LightsailDefaultKeyPair";
let checks = 0;

function expect(statement, seen, wanted) {
  assert.deepStrictEqual(
    seen,
    wanted,
    `${statement}: seen is ${JSON.stringify(seen)}, wanted is ${JSON.stringify(wanted)}`,
  );
  checks += 1;
}

async function admin(method, path, body) {
  const response = await fetch(`${endpoint}/_simulator${path}`, {
    method,
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

// A key of Node's own making, as an OpenSSH line.
const string = (bytes) =>
  Buffer.concat([Buffer.from([0, 0, bytes.length >> 8, bytes.length & 255]), bytes]);
const line = (type, ...parts) =>
  `${type} ${Buffer.concat([Buffer.from(type), ...parts].map(string)).toString("base64")} test`;
const base64url = (text) => Buffer.from(text, "base64url");

function ed25519() {
  const { publicKey } = generateKeyPairSync("ed25519");
  return line("ssh-ed25519", base64url(publicKey.export({ format: "jwk" }).x));
}

function rsa() {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: "jwk" });
  // A number with its top bit set gets a zero in front, so that it is not negative.
  const positive = Buffer.concat([Buffer.from([0]), base64url(n)]);
  return { line: line("ssh-rsa", base64url(e), positive), fingerprint: md5OfSpki(publicKey) };
}

function md5OfSpki(publicKey) {
  const digest = createHash("md5")
    .update(publicKey.export({ format: "der", type: "spki" }))
    .digest("hex");
  return digest.match(/../g).join(":");
}

class World {
  static accounts = 200000000000;

  constructor(errorTypeHeader) {
    this.account = String(World.accounts++);
    this.place = `/regions/${this.account}/eu-west-1`;
    this.errorTypeHeader = errorTypeHeader;
  }

  async prepare() {
    const { accessKeyId, secretAccessKey } = await admin(
      "POST",
      `/accounts/${this.account}/credentials`,
    );
    await this.switch({});
    await admin("POST", `${this.place}/instances`, { name: "web-1" });
    this.settings = { credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
    this.client = new lightsail.LightsailClient(this.settings);
    return this;
  }

  async switch(changes) {
    await admin("PATCH", `${this.place}/switches`, {
      errorTypeHeader: this.errorTypeHeader,
      ...changes,
    });
  }

  // What an operation answers, without what the SDK adds.
  async call(operation, input = {}) {
    const { $metadata, ...answer } = await this.client.send(
      new lightsail[`${operation}Command`](input),
    );
    expect(`${operation}: HTTP`, $metadata.httpStatusCode, 200);
    return answer;
  }

  // The call must fail. With the header or without, this version of the SDK knows the type; older
  // ones took the body's `code` for it (https://github.com/aws/aws-sdk/issues/665). An error
  // without a sub-code is none of Lightsail's own and has no class.
  async refused(type, code, operation, input = {}, client = this.client) {
    const error = await client.send(new lightsail[`${operation}Command`](input)).then(
      () => assert.fail(`${operation} did not fail with ${type}`),
      (error) => error,
    );
    expect(`${operation}: the name of the error`, error.name, type);
    const isTyped = lightsail[type] !== undefined && error instanceof lightsail[type];
    expect(`${operation}: the class of the error`, isTyped, Boolean(code));
    expect(`${operation}: a message`, error.message.length > 0, true);
    if (isTyped) {
      expect(`${operation}: the sub-code`, error.code, code);
    }
    return error;
  }
}

async function keyPairs(world) {
  const key = rsa();
  const before = Date.now() - 1000;
  const { operation } = await world.call("ImportKeyPair", {
    keyPairName: "rsa",
    publicKeyBase64: key.line,
  });
  expect("over", [operation.status, operation.isTerminal], ["Succeeded", true]);
  expect(
    "a time",
    operation.createdAt instanceof Date && operation.createdAt.getTime() > before,
    true,
  );
  const { keyPair } = await world.call("GetKeyPair", { keyPairName: "rsa" });
  expect("the fingerprint", keyPair.fingerprint, key.fingerprint);
  expect("the place", keyPair.location, { availabilityZone: "all", regionName: "eu-west-1" });
  const again = { keyPairName: "rsa", publicKeyBase64: ed25519() };
  await world.refused("InvalidInputException", "NameExists", "ImportKeyPair", again);
  const encoded = {
    keyPairName: "encoded",
    publicKeyBase64: Buffer.from(key.line).toString("base64"),
  };
  await world.refused("InvalidInputException", "InvalidKey.Format", "ImportKeyPair", encoded);
  await world.refused("NotFoundException", "DoesNotExist", "GetKeyPair", { keyPairName: "nobody" });
  await world.refused("InvalidInputException", "InvalidInput", "GetKeyPair", { keyPairName: "a" });
  await world.refused("InvalidInputException", "InvalidInput", "DeleteKeyPair", {
    keyPairName: "rsa",
    expectedFingerprint: "x",
  });
  await world.call("DeleteKeyPair", { keyPairName: "rsa", expectedFingerprint: key.fingerprint });
  await world.refused("NotFoundException", "DoesNotExist", "DeleteKeyPair", { keyPairName: "rsa" });

  const made = await world.call("CreateKeyPair", {
    keyPairName: "made",
    tags: [{ key: "team", value: "a" }],
  });
  const fingerprint = md5OfSpki(createPublicKey(made.privateKeyBase64));
  await world.call("ImportKeyPair", { keyPairName: "copy", publicKeyBase64: made.publicKeyBase64 });
  expect(
    "both halves",
    (await world.call("GetKeyPair", { keyPairName: "copy" })).keyPair.fingerprint,
    fingerprint,
  );
}

async function pages(world) {
  const names = Array.from(
    { length: 45 },
    (_, number) => `page-${String(number).padStart(2, "0")}`,
  );
  for (const name of names) {
    await admin("POST", `${world.place}/key-pairs`, { name, publicKey: ed25519() });
  }
  const seen = [];
  let pageToken;
  let count = 0;
  do {
    const page = await world.call("GetKeyPairs", { pageToken });
    seen.push(...page.keyPairs.map((pair) => pair.name));
    pageToken = page.nextPageToken;
    count += 1;
    // A token that came again would never end.
  } while (pageToken && count < 10);
  expect("each once", seen, names);
  expect("pages", count, 3);
  await world.refused("InvalidInputException", "InvalidInput", "GetKeyPairs", {
    pageToken: "nonsense",
  });
}

async function defaultPair(world) {
  const { privateKeyBase64, publicKeyBase64, createdAt } =
    await world.call("DownloadDefaultKeyPair");
  expect("a raw line", publicKeyBase64.startsWith("ssh-rsa "), true);
  expect("not listed unasked", (await world.call("GetKeyPairs")).keyPairs, []);
  const { keyPairs } = await world.call("GetKeyPairs", { includeDefaultKeyPair: true });
  expect(
    "listed",
    keyPairs.map((pair) => pair.name),
    [DEFAULT],
  );
  expect("its fingerprint", keyPairs[0].fingerprint, md5OfSpki(createPublicKey(privateKeyBase64)));
  expect("its time", keyPairs[0].createdAt, createdAt);
  await world.refused("InvalidInputException", "InvalidInput", "DeleteKeyPair", {
    keyPairName: DEFAULT,
  });
  await world.call("DeleteKeyPair", {
    keyPairName: DEFAULT,
    expectedFingerprint: keyPairs[0].fingerprint,
  });
  expect("gone", (await world.call("GetKeyPairs", { includeDefaultKeyPair: true })).keyPairs, []);
}

async function tags(world) {
  await world.call("TagResource", {
    resourceName: "web-1",
    tags: [{ key: "team", value: "ä" }, { key: "alone" }],
  });
  const { instance } = await world.call("GetInstance", { instanceName: "web-1" });
  expect("tags", instance.tags, [{ key: "alone" }, { key: "team", value: "ä" }]);
  await world.call("UntagResource", {
    resourceName: "web-1",
    resourceArn: instance.arn,
    tagKeys: ["team"],
  });
  expect("tags", (await world.call("GetInstances")).instances[0].tags, [{ key: "alone" }]);
  await world.refused("InvalidInputException", "InvalidInput", "TagResource", {
    resourceName: "web-1",
    tags: [{ key: "aws:a" }],
  });
  await world.refused("NotFoundException", "DoesNotExist", "TagResource", {
    resourceName: "nobody",
    tags: [{ key: "a" }],
  });
}

async function hostKeys(world) {
  const before = (await world.call("GetInstanceAccessDetails", { instanceName: "web-1" }))
    .accessDetails;
  expect("algorithms", before.hostKeys.map((key) => key.algorithm).sort(), [
    "ecdsa-sha2-nistp256",
    "ssh-ed25519",
    "ssh-rsa",
  ]);
  for (const key of before.hostKeys) {
    const digest = createHash("sha256")
      .update(Buffer.from(key.publicKey, "base64"))
      .digest("base64");
    expect("fingerprint", key.fingerprintSHA256, `SHA256:${digest.replace(/=+$/, "")}`);
    expect("a time", key.witnessedAt instanceof Date, true);
  }
  await world.switch({ operationPolls: 2 });
  const { operations } = await world.call("DeleteKnownHostKeys", { instanceName: "web-1" });
  expect(
    "under way",
    operations.map((it) => [it.operationType, it.status]),
    [["DeleteKnownHostKeys", "Started"]],
  );
  const operationId = operations[0].id;
  const seen = [];
  for (let poll = 0; poll < 3; poll += 1) {
    seen.push((await world.call("GetOperation", { operationId })).operation.status);
  }
  expect("its progress", seen, ["Started", "Succeeded", "Succeeded"]);
  const listed = (await world.call("GetOperationsForResource", { resourceName: "web-1" }))
    .operations;
  expect(
    "listed",
    listed.map((it) => it.id),
    [operationId],
  );
  expect(
    "listed",
    (await world.call("GetOperations")).operations.map((it) => it.id),
    [operationId],
  );
  const after = (await world.call("GetInstanceAccessDetails", { instanceName: "web-1" }))
    .accessDetails;
  expect("forgotten", after.hostKeys, []);
  await world.refused("NotFoundException", "DoesNotExist", "DeleteKnownHostKeys", {
    instanceName: "nobody",
  });
}

async function signatures(world) {
  const { credentials } = world.settings;
  for (const [type, changes] of [
    ["UnrecognizedClientException", { accessKeyId: "AKIAUNKNOWN" }],
    ["InvalidSignatureException", { secretAccessKey: "wrong" }],
    ["UnrecognizedClientException", { sessionToken: "none-of-ours" }],
  ]) {
    const client = new lightsail.LightsailClient({
      ...world.settings,
      credentials: { ...credentials, ...changes },
    });
    await world.refused(type, undefined, "GetKeyPairs", {}, client);
  }
  const elsewhere = new lightsail.LightsailClient({ ...world.settings, region: "us-west-1" });
  await world.refused("InvalidSignatureException", undefined, "GetKeyPairs", {}, elsewhere);
  await world.refused("UnknownOperationException", undefined, "GetDisks");
}

async function roles(world) {
  const identity = new sts.STSClient(world.settings);
  expect(
    "the account",
    (await identity.send(new sts.GetCallerIdentityCommand({}))).Account,
    world.account,
  );
  const { arn } = await admin("PUT", `/accounts/${world.account}/roles/keys`, {
    externalId: "secret-42",
  });
  const ask = { RoleArn: arn, RoleSessionName: "test-1", ExternalId: "secret-42" };
  const { Credentials } = await identity.send(new sts.AssumeRoleCommand(ask));
  expect("it ends", Credentials.Expiration > new Date(), true);
  const credentials = {
    accessKeyId: Credentials.AccessKeyId,
    secretAccessKey: Credentials.SecretAccessKey,
    sessionToken: Credentials.SessionToken,
  };
  const session = new lightsail.LightsailClient({ ...world.settings, credentials });
  expect("it works", (await session.send(new lightsail.GetKeyPairsCommand({}))).keyPairs, []);
  await assert.rejects(identity.send(new sts.AssumeRoleCommand({ ...ask, ExternalId: "no" })), {
    name: "AccessDenied",
  });
  checks += 1;
  await admin("PUT", `/accounts/${world.account}/policy`, {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "lightsail:Get*", Resource: "*" }],
  });
  const denied = await world.client
    .send(new lightsail.DownloadDefaultKeyPairCommand({}))
    .catch((error) => error);
  expect("denied", denied.name, "AccessDeniedException");
}

async function faults(world) {
  const place = { account: world.account, region: "eu-west-1" };
  const error = { errorType: "ThrottlingException", message: "Rate exceeded", status: 400 };
  await admin("POST", "/faults", {
    operation: "GetKeyPairs",
    effect: { error },
    times: 1,
    ...place,
  });
  await world.refused("ThrottlingException", undefined, "GetKeyPairs");
  for (const effect of [
    "cutBefore",
    "garbage",
    "halfAnswer",
    { body: { status: 503, body: "<html></html>" } },
  ]) {
    await admin("POST", "/faults", { operation: "GetKeyPairs", effect, times: 1, ...place });
    const outcome = await world.client
      .send(new lightsail.GetKeyPairsCommand({}))
      .catch((error) => error);
    expect(`an error: ${JSON.stringify(effect)}`, outcome instanceof Error, true);
    expect("and then none", (await world.call("GetKeyPairs")).keyPairs, []);
  }
  // The SDK tries again by itself: the first attempt takes effect, so the second finds the name
  // taken.
  await admin("POST", "/faults", {
    operation: "ImportKeyPair",
    effect: "cutAfter",
    times: 1,
    ...place,
  });
  const stubborn = new lightsail.LightsailClient({ ...world.settings, maxAttempts: 2 });
  const input = { keyPairName: "pair", publicKeyBase64: ed25519() };
  await world.refused("InvalidInputException", "NameExists", "ImportKeyPair", input, stubborn);
}

const start = Date.now();
for (const errorTypeHeader of [false, true]) {
  for (const part of [keyPairs, pages, defaultPair, tags, hostKeys, signatures, roles, faults]) {
    await part(await new World(errorTypeHeader).prepare());
  }
}
console.log(
  `AWS SDK for JavaScript: ${checks} checks held, ${Math.round((Date.now() - start) / 1000)} s`,
);
// Connections that were kept alive would keep the process, too.
process.exit(0);
