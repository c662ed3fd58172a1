package clients;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.sqs.model.BatchEntryIdsNotDistinctException;
import software.amazon.awssdk.services.sqs.model.DeleteMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageAttributeValue;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sqs.model.QueueNameExistsException;
import software.amazon.awssdk.services.sqs.model.ReceiptHandleIsInvalidException;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.SqsException;

/** The synchronous client, which checks digests of bodies and attributes itself. */
@Timeout(40)
class SdkTest extends Support {
    private static List<String> bodies(List<Message> messages) {
        return messages.stream().map(Message::body).collect(Collectors.toList());
    }

    private static MessageAttributeValue value(String type, String text) {
        return MessageAttributeValue.builder().dataType(type).stringValue(text).build();
    }

    @Test
    void aQueueIsCreatedFoundListedChangedTaggedAndDeleted() {
        String url = makeQueue(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "7"));
        String name = url.substring(url.lastIndexOf('/') + 1);
        assertEquals(url, sqs.getQueueUrl(r -> r.queueName(name)).queueUrl());
        assertEquals(List.of(url), sqs.listQueuesPaginator(r -> r.queueNamePrefix(name).maxResults(1))
                .queueUrls().stream().collect(Collectors.toList()));

        sqs.setQueueAttributes(r -> r.queueUrl(url).attributes(Map.of(QueueAttributeName.DELAY_SECONDS, "3")));
        assertEquals("7", attribute(url, QueueAttributeName.VISIBILITY_TIMEOUT));
        assertEquals("3", attribute(url, QueueAttributeName.DELAY_SECONDS));

        sqs.tagQueue(r -> r.queueUrl(url).tags(Map.of("a", "1", "b", "2")));
        sqs.untagQueue(r -> r.queueUrl(url).tagKeys("a"));
        assertEquals(Map.of("b", "2"), sqs.listQueueTags(r -> r.queueUrl(url)).tags());

        sqs.deleteQueue(r -> r.queueUrl(url));
        assertThrows(QueueDoesNotExistException.class, () -> sqs.getQueueUrl(r -> r.queueName(name)));
    }

    @Test
    void aMessageKeepsItsBodyAndAttributes() {
        String url = makeQueue(Map.of());
        MessageAttributeValue blob = MessageAttributeValue.builder()
                .dataType("Binary.png").binaryValue(SdkBytes.fromByteArray(new byte[] {0, 1, 2, -1})).build();
        Map<String, MessageAttributeValue> given =
                Map.of("Count", value("Number.int", "42"), "a", value("String", "é"), "blob", blob);
        String body = "line\r\n漢字 🦀";
        var sent = sqs.sendMessage(r -> r.queueUrl(url).messageBody(body).messageAttributes(given));
        assertEquals("b304a10c89ca9d80a53b51b7c3a5b46e", sent.md5OfMessageAttributes());

        Message message = receive(url, 10, 5).get(0);
        assertEquals(sent.messageId(), message.messageId());
        assertEquals(body, message.body());
        assertEquals(given, message.messageAttributes());
        assertArrayEquals(new byte[] {0, 1, 2, -1}, message.messageAttributes().get("blob").binaryValue().asByteArray());

        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()).visibilityTimeout(0));
        Message again = receive(url, 10, 5).get(0);
        assertEquals("2", again.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT));
        sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(again.receiptHandle()));
        assertEquals("0", attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE));
    }

    @Test
    void aBatchFailsEntryByEntry() {
        String url = makeQueue(Map.of());
        List<SendMessageBatchRequestEntry> entries = IntStream.range(0, 10)
                .mapToObj(i -> SendMessageBatchRequestEntry.builder()
                        .id("e" + i).messageBody("" + i).delaySeconds(i == 4 ? 901 : 0).build())
                .collect(Collectors.toList());
        var sent = sqs.sendMessageBatch(r -> r.queueUrl(url).entries(entries));
        assertEquals(9, sent.successful().size());
        assertEquals(1, sent.failed().size());
        assertEquals("e4", sent.failed().get(0).id());
        assertEquals("InvalidParameterValue", sent.failed().get(0).code());
        assertTrue(sent.failed().get(0).senderFault());

        List<Message> messages = new ArrayList<>();
        for (int attempt = 0; attempt < 10 && messages.size() < 9; attempt++) {
            messages.addAll(receive(url, 10, 5));
        }
        assertEquals(9, messages.size());
        List<DeleteMessageBatchRequestEntry> handles = IntStream.range(0, 9)
                .mapToObj(i -> DeleteMessageBatchRequestEntry.builder()
                        .id("d" + i).receiptHandle(messages.get(i).receiptHandle()).build())
                .collect(Collectors.toList());
        var deleted = sqs.deleteMessageBatch(r -> r.queueUrl(url).entries(handles));
        assertEquals(9, deleted.successful().size());
        assertFalse(deleted.hasFailed());
        assertFalse(sqs.receiveMessage(r -> r.queueUrl(url)).hasMessages());
    }

    @Test
    void aLongPollIsAnsweredByADelayedSend() {
        String url = makeQueue(Map.of());
        long started = System.nanoTime();
        sqs.sendMessage(r -> r.queueUrl(url).messageBody("m").delaySeconds(1));
        assertEquals(List.of("m"), bodies(receive(url, 1, 20)));
        assertTrue(System.nanoTime() - started < 15_000_000_000L);
    }

    @Test
    void aDeadLetterQueueTakesAndReturnsAMessage() throws InterruptedException {
        String dead = makeQueue(Map.of());
        String arn = attribute(dead, QueueAttributeName.QUEUE_ARN);
        String source = makeQueue(Map.of(
                QueueAttributeName.VISIBILITY_TIMEOUT, "0",
                QueueAttributeName.REDRIVE_POLICY,
                "{\"deadLetterTargetArn\":\"" + arn + "\",\"maxReceiveCount\":\"1\"}"));
        String id = sqs.sendMessage(r -> r.queueUrl(source).messageBody("m")).messageId();
        assertEquals(1, receive(source, 1, 5).size());
        assertEquals(List.of(), receive(source, 1, 0));
        assertEquals(List.of(source), sqs.listDeadLetterSourceQueues(r -> r.queueUrl(dead)).queueUrls());

        assertNotNull(sqs.startMessageMoveTask(r -> r.sourceArn(arn)).taskHandle());
        Message back = receive(source, 1, 15).get(0);
        assertEquals("m", back.body());
        assertNotEquals(id, back.messageId());
        eventually(() -> {
            var task = sqs.listMessageMoveTasks(r -> r.sourceArn(arn)).results().get(0);
            return task.status().equals("COMPLETED") && task.approximateNumberOfMessagesMoved() == 1;
        });
    }

    @Test
    void aFifoQueueKeepsOrderAndDropsDuplicates() {
        String url = makeQueue(Map.of(
                QueueAttributeName.FIFO_QUEUE, "true", QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true"));
        for (String text : List.of("a1", "a2", "b1", "a1")) {
            var sent = sqs.sendMessage(r -> r.queueUrl(url).messageBody(text).messageGroupId(text.substring(0, 1)));
            assertNotNull(sent.sequenceNumber());
        }
        List<Message> first = receive(url, 1, 5);
        assertEquals(List.of("a1"), bodies(first));
        assertEquals(List.of("b1"), bodies(receive(url, 10, 5)));
        sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(first.get(0).receiptHandle()));
        assertEquals(List.of("a2"), bodies(receive(url, 10, 5)));
    }

    @Test
    void aPurgeLeavesNothing() {
        String url = makeQueue(Map.of());
        sqs.sendMessage(r -> r.queueUrl(url).messageBody("m"));
        sqs.purgeQueue(r -> r.queueUrl(url));
        assertEquals(List.of(), receive(url, 10, 0));
    }

    @Test
    void errorsHaveTheClientsOwnTypes() {
        String url = makeQueue(Map.of(QueueAttributeName.DELAY_SECONDS, "1"));
        var missing = assertThrows(QueueDoesNotExistException.class,
                () -> sqs.sendMessage(r -> r.queueUrl(url + "-missing").messageBody("m")));
        assertEquals(400, missing.statusCode());
        assertEquals("AWS.SimpleQueueService.NonExistentQueue", missing.awsErrorDetails().errorCode());

        var handle = assertThrows(ReceiptHandleIsInvalidException.class,
                () -> sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle("abc")));
        assertEquals(404, handle.statusCode());

        String name = url.substring(url.lastIndexOf('/') + 1);
        assertThrows(QueueNameExistsException.class, () -> sqs.createQueue(r -> r.queueName(name)
                .attributes(Map.of(QueueAttributeName.DELAY_SECONDS, "2"))));

        var entry = SendMessageBatchRequestEntry.builder().id("same").messageBody("m").build();
        assertThrows(BatchEntryIdsNotDistinctException.class,
                () -> sqs.sendMessageBatch(r -> r.queueUrl(url).entries(entry, entry)));

        var range = assertThrows(SqsException.class,
                () -> sqs.sendMessage(r -> r.queueUrl(url).messageBody("m").delaySeconds(901)));
        assertEquals("InvalidParameterValue", range.awsErrorDetails().errorCode());
        assertTrue(range.getMessage().contains("Value 901 for parameter DelaySeconds is invalid"));
    }
}
