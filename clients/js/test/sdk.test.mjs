// The JavaScript SDK v3. It checks the digests of bodies itself, on send and on receive.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BatchEntryIdsNotDistinct, ChangeMessageVisibilityBatchCommand, ChangeMessageVisibilityCommand, CreateQueueCommand,
  DeleteMessageBatchCommand, DeleteMessageCommand, DeleteQueueCommand, GetQueueUrlCommand, ListMessageMoveTasksCommand,
  ListQueueTagsCommand, paginateListQueues, PurgeQueueCommand, QueueDoesNotExist, QueueNameExists,
  ReceiptHandleIsInvalid, ReceiveMessageCommand, SendMessageBatchCommand, SendMessageCommand, SetQueueAttributesCommand,
  StartMessageMoveTaskCommand, TagQueueCommand, UntagQueueCommand,
} from "@aws-sdk/client-sqs";
import { attributes, eventually, newClient, queues, receive } from "../support.mjs";

const limits = { timeout: 40_000 };

test("a queue is created, found, listed, changed, tagged and deleted", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)({ VisibilityTimeout: "7" });
  const QueueName = QueueUrl.split("/").pop();
  assert.equal((await client.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl, QueueUrl);

  const listed = [];
  for await (const page of paginateListQueues({ client, pageSize: 1 }, { QueueNamePrefix: QueueName })) {
    listed.push(...(page.QueueUrls ?? []));
  }
  assert.deepEqual(listed, [QueueUrl]);

  await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { DelaySeconds: "3" } }));
  const found = await attributes(client, QueueUrl);
  assert.equal(found.VisibilityTimeout, "7");
  assert.equal(found.DelaySeconds, "3");

  await client.send(new TagQueueCommand({ QueueUrl, Tags: { team: "orders", stage: "dev" } }));
  await client.send(new UntagQueueCommand({ QueueUrl, TagKeys: ["stage"] }));
  assert.deepEqual((await client.send(new ListQueueTagsCommand({ QueueUrl }))).Tags, { team: "orders" });

  await assert.rejects(
    client.send(new CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout: "8" } })), QueueNameExists);
  await client.send(new DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(client.send(new GetQueueUrlCommand({ QueueName })), QueueDoesNotExist);
});

test("a message keeps its body and attributes, and its digests satisfy the client", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)();
  const MessageAttributes = {
    Count: { DataType: "Number.int", StringValue: "42" },
    a: { DataType: "String", StringValue: "é" },
    blob: { DataType: "Binary.png", BinaryValue: new Uint8Array([0, 1, 2, 255]) },
  };
  const sent = await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "line\r\n漢字 🦀", MessageAttributes }));
  assert.equal(sent.MD5OfMessageAttributes, "b304a10c89ca9d80a53b51b7c3a5b46e");

  const [message] = await receive(client, QueueUrl);
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.Body, "line\r\n漢字 🦀");
  assert.deepEqual(Object.keys(message.MessageAttributes).sort(), ["Count", "a", "blob"]);
  assert.deepEqual([...message.MessageAttributes.blob.BinaryValue], [0, 1, 2, 255]);
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");

  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  assert.equal((await attributes(client, QueueUrl)).ApproximateNumberOfMessagesNotVisible, "0");
});

test("a batch reports each entry, and deletes report theirs", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)({ MaximumMessageSize: "1024" });
  const Entries = Array.from({ length: 10 }, (_, i) => ({ Id: `e${i}`, MessageBody: "x".repeat(i === 3 ? 1025 : 9) }));
  const sent = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  assert.equal(sent.Successful.length, 9);
  assert.deepEqual(sent.Failed.map((entry) => [entry.Id, entry.Code, entry.SenderFault]), [
    ["e3", "InvalidParameterValue", true],
  ]);

  const messages = [];
  while (messages.length < 9) messages.push(...(await receive(client, QueueUrl)));
  const deleted = await client.send(new DeleteMessageBatchCommand({
    QueueUrl, Entries: messages.map((message, i) => ({ Id: `d${i}`, ReceiptHandle: message.ReceiptHandle })),
  }));
  assert.equal(deleted.Successful.length, 9);
  assert.equal(deleted.Failed, undefined);
  assert.deepEqual(await receive(client, QueueUrl, { WaitTimeSeconds: 0 }), []);

  const twice = [{ Id: "a", MessageBody: "m" }, { Id: "a", MessageBody: "m" }];
  await assert.rejects(client.send(new SendMessageBatchCommand({ QueueUrl, Entries: twice })), BatchEntryIdsNotDistinct);
});

test("visibility is changed alone and in a batch", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)();
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "m" }));
  const [first] = await receive(client, QueueUrl);
  assert.deepEqual(await receive(client, QueueUrl, { WaitTimeSeconds: 0 }), []);
  await client.send(new ChangeMessageVisibilityCommand({
    QueueUrl, ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 0,
  }));
  const [second] = await receive(client, QueueUrl);
  assert.equal(second.Attributes.ApproximateReceiveCount, "2");
  const changed = await client.send(new ChangeMessageVisibilityBatchCommand({
    QueueUrl,
    Entries: [
      { Id: "good", ReceiptHandle: second.ReceiptHandle, VisibilityTimeout: 0 },
      { Id: "bad", ReceiptHandle: "nonsense", VisibilityTimeout: 0 },
    ],
  }));
  assert.deepEqual(changed.Successful.map((entry) => entry.Id), ["good"]);
  assert.deepEqual(changed.Failed.map((entry) => entry.Code), ["ReceiptHandleIsInvalid"]);
});

test("a long poll is answered by a send", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)();
  const started = Date.now();
  const poll = receive(client, QueueUrl, { WaitTimeSeconds: 20 });
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "m", DelaySeconds: 1 }));
  assert.equal((await poll).length, 1);
  assert.ok(Date.now() - started < 15_000, "it ended by itself");
});

test("an aborted long poll takes no message with it", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)();
  const abort = new AbortController();
  const poll = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 15 }), { abortSignal: abort.signal });
  // A short receive comes back in the meantime, so the poll has had its chance to be parked.
  await receive(client, QueueUrl, { WaitTimeSeconds: 1 });
  abort.abort();
  await assert.rejects(poll);
  await receive(client, QueueUrl, { WaitTimeSeconds: 1 });
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "kept" }));
  const [message] = await receive(client, QueueUrl);
  assert.equal(message?.Attributes.ApproximateReceiveCount, "1");
});

test("a message received too often ends in the dead-letter queue and is moved back", limits, async (t) => {
  const client = newClient();
  const make = queues(t, client);
  const dead = await make();
  const deadArn = (await attributes(client, dead)).QueueArn;
  const source = await make({
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadArn, maxReceiveCount: 1 }),
  });
  const sent = await client.send(new SendMessageCommand({ QueueUrl: source, MessageBody: "m" }));
  await receive(client, source, { VisibilityTimeout: 0 });
  assert.deepEqual(await receive(client, source, { WaitTimeSeconds: 0 }), []);
  const [moved] = await receive(client, dead, { VisibilityTimeout: 0 });
  assert.equal(moved.MessageId, sent.MessageId);
  assert.ok(moved.Attributes.DeadLetterQueueSourceArn.endsWith(source.split("/").pop()));

  await client.send(new StartMessageMoveTaskCommand({ SourceArn: deadArn }));
  const [back] = await receive(client, source, { WaitTimeSeconds: 15 });
  assert.equal(back.Body, "m");
  assert.notEqual(back.MessageId, sent.MessageId);
  await eventually(async () => {
    const tasks = await client.send(new ListMessageMoveTasksCommand({ SourceArn: deadArn }));
    return tasks.Results[0].Status === "COMPLETED" && tasks.Results[0].ApproximateNumberOfMessagesMoved === 1;
  });
});

test("a FIFO queue keeps order within groups and drops duplicates", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)({ FifoQueue: "true", ContentBasedDeduplication: "true" });
  for (const MessageBody of ["a1", "a2", "b1", "a1"]) {
    const reply = await client.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId: MessageBody[0] }));
    assert.match(reply.SequenceNumber, /^\d+$/);
  }
  const first = await receive(client, QueueUrl, { MaxNumberOfMessages: 1 });
  assert.deepEqual(first.map((m) => m.Body), ["a1"]);
  const other = await receive(client, QueueUrl);
  assert.deepEqual(other.map((m) => m.Body), ["b1"]);
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: first[0].ReceiptHandle }));
  assert.deepEqual((await receive(client, QueueUrl)).map((m) => m.Body), ["a2"]);
});

test("a purge leaves nothing", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)();
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "m" }));
  await client.send(new PurgeQueueCommand({ QueueUrl }));
  assert.deepEqual(await receive(client, QueueUrl, { WaitTimeSeconds: 0 }), []);
});

test("errors are the client's own classes, with status and the older code", limits, async (t) => {
  const client = newClient();
  const QueueUrl = await queues(t, client)();
  await assert.rejects(client.send(new SendMessageCommand({ QueueUrl: QueueUrl + "-missing", MessageBody: "m" })), (error) => {
    assert.ok(error instanceof QueueDoesNotExist);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.equal(error.Code ?? error.Error?.Code, "AWS.SimpleQueueService.NonExistentQueue");
    return true;
  });
  await assert.rejects(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: "abc" })), (error) => {
    assert.ok(error instanceof ReceiptHandleIsInvalid);
    assert.equal(error.$metadata.httpStatusCode, 404);
    return true;
  });
  await assert.rejects(client.send(new SendMessageCommand({ QueueUrl, MessageBody: "m", DelaySeconds: 901 })), (error) => {
    assert.match(error.message, /Value 901 for parameter DelaySeconds is invalid/);
    return true;
  });
});
