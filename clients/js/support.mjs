// What every test file needs: the endpoint, a stock client, and queues that are removed again.

import { randomUUID } from "node:crypto";
import {
  CreateQueueCommand, DeleteQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient,
} from "@aws-sdk/client-sqs";

export const endpoint = process.env.STANCHION_ENDPOINT;
if (!endpoint) throw new Error("set STANCHION_ENDPOINT to the address of a running server");

export function newClient(options = {}) {
  return new SQSClient({
    endpoint,
    region: "us-east-1",
    maxAttempts: 1,
    ...options,
  });
}

export const unique = (prefix = "js") => `${prefix}-${randomUUID().slice(0, 13)}`;

/** Creates queues for one test and deletes them when it is over. */
export function queues(test, client) {
  const urls = [];
  test.after(async () => {
    for (const QueueUrl of urls) await client.send(new DeleteQueueCommand({ QueueUrl })).catch(ignoreMissing);
    client.destroy();
  });
  return async (Attributes = {}) => {
    const QueueName = unique() + (Attributes.FifoQueue ? ".fifo" : "");
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    urls.push(QueueUrl);
    return QueueUrl;
  };
}

function ignoreMissing(error) {
  if (error.name !== "QueueDoesNotExist") throw error;
}

export async function attributes(client, QueueUrl) {
  const reply = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  return reply.Attributes;
}

export async function receive(client, QueueUrl, more = {}) {
  const reply = await client.send(new ReceiveMessageCommand({
    QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5,
    MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"], ...more,
  }));
  return reply.Messages ?? [];
}

/** Asks again until the condition holds; rejects after `within` milliseconds. */
export async function eventually(condition, within = 20_000) {
  const deadline = Date.now() + within;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`not true within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
