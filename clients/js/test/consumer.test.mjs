// sqs-consumer and sqs-producer, as applications use them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Consumer } from "sqs-consumer";
import { Producer } from "sqs-producer";
import { attributes, eventually, newClient, queues } from "../support.mjs";

const limits = { timeout: 40_000 };

/** Runs a consumer until the condition holds; the errors that it reported meanwhile. */
async function consumeUntil(options, condition) {
  const consumer = Consumer.create(options);
  const errors = [];
  for (const kind of ["error", "processing_error", "timeout_error"]) consumer.on(kind, (error) => errors.push(error));
  consumer.start();
  try {
    await eventually(condition);
  } finally {
    const stopped = once(consumer, "stopped");
    consumer.stop();
    await stopped;
  }
  return errors;
}

async function isDrained(client, url) {
  const found = await attributes(client, url);
  return found.ApproximateNumberOfMessages === "0" && found.ApproximateNumberOfMessagesNotVisible === "0";
}

test("everything produced is consumed once and deleted", limits, async (t) => {
  const client = newClient();
  const queueUrl = await queues(t, client)();
  const producer = Producer.create({ queueUrl, region: "us-east-1", sqs: client });
  const bodies = Array.from({ length: 25 }, (_, i) => `body-${i}`);
  const sent = await producer.send(bodies);
  assert.equal(sent.length, bodies.length);
  assert.equal(await producer.queueSize(), bodies.length);

  const seen = [];
  await consumeUntil({
    queueUrl, sqs: client, batchSize: 10, waitTimeSeconds: 2,
    messageSystemAttributeNames: ["ApproximateReceiveCount"],
    handleMessage: async (message) => {
      seen.push(message.Body);
      return message;
    },
  }, async () => seen.length >= bodies.length && (await isDrained(client, queueUrl)));
  assert.deepEqual(seen.sort(), bodies.sort());
});

test("a batch handler acknowledges a part, and the rest comes again", limits, async (t) => {
  const client = newClient();
  const queueUrl = await queues(t, client)({ VisibilityTimeout: "5" });
  await Producer.create({ queueUrl, region: "us-east-1", sqs: client }).send(["keep", "again"]);
  const counts = new Map();
  await consumeUntil({
    queueUrl, sqs: client, batchSize: 10, waitTimeSeconds: 2,
    handleMessageBatch: async (messages) => messages.filter((message) => {
      counts.set(message.Body, (counts.get(message.Body) ?? 0) + 1);
      return message.Body === "keep" || counts.get("again") > 1;
    }),
  }, async () => (counts.get("again") ?? 0) > 1 && (await isDrained(client, queueUrl)));
  assert.equal(counts.get("keep"), 1);
  assert.equal(counts.get("again"), 2);
});

test("a failed message is given back at once when the consumer is told to", limits, async (t) => {
  const client = newClient();
  const queueUrl = await queues(t, client)({ VisibilityTimeout: "600" });
  await Producer.create({ queueUrl, region: "us-east-1", sqs: client }).send("m");
  let attempts = 0;
  const errors = await consumeUntil({
    queueUrl, sqs: client, waitTimeSeconds: 2, terminateVisibilityTimeout: true,
    handleMessage: async (message) => {
      attempts += 1;
      if (attempts === 1) throw new Error("first attempt");
      return message;
    },
  }, async () => attempts === 2 && (await isDrained(client, queueUrl)));
  assert.equal(errors.length, 1);
});

test("a heartbeat keeps a slow message hidden", limits, async (t) => {
  const client = newClient();
  const queueUrl = await queues(t, client)({ VisibilityTimeout: "6" });
  await Producer.create({ queueUrl, region: "us-east-1", sqs: client }).send("slow");
  let attempts = 0;
  await consumeUntil({
    queueUrl, sqs: client, waitTimeSeconds: 1, visibilityTimeout: 6, heartbeatInterval: 2,
    handleMessage: async (message) => {
      attempts += 1;
      await new Promise((resolve) => setTimeout(resolve, 9_000));
      return message;
    },
  }, async () => attempts > 0 && (await isDrained(client, queueUrl)));
  assert.equal(attempts, 1);
});

test("ordered messages are produced to groups", limits, async (t) => {
  const client = newClient();
  const queueUrl = await queues(t, client)({ FifoQueue: "true" });
  const producer = Producer.create({ queueUrl, region: "us-east-1", sqs: client });
  await producer.send(["1", "2", "3", "3"].map((body, i) => ({
    id: `${i}`, body, groupId: "g", deduplicationId: body,
  })));
  const seen = [];
  await consumeUntil({
    queueUrl, sqs: client, batchSize: 10, waitTimeSeconds: 2,
    suppressFifoWarning: true,
    handleMessageBatch: async (messages) => {
      seen.push(...messages.map((message) => message.Body));
      return messages;
    },
  }, async () => seen.length >= 3 && (await isDrained(client, queueUrl)));
  assert.deepEqual(seen, ["1", "2", "3"]);
});

test("a missing queue is an error that the consumer reports", limits, async (t) => {
  const client = newClient();
  const queueUrl = (await queues(t, client)()) + "-missing";
  const errors = [];
  const consumer = Consumer.create({ queueUrl, sqs: client, waitTimeSeconds: 1, handleMessage: async (m) => m });
  consumer.on("error", (error) => errors.push(error));
  consumer.start();
  await eventually(() => errors.length > 0);
  consumer.stop({ abort: true });
  assert.match(errors[0].message, /queue does not exist/);
});
