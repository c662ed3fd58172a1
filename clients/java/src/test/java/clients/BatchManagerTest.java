package clients;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.batchmanager.SqsAsyncBatchManager;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;
import software.amazon.awssdk.services.sqs.model.SqsException;

/** The batch manager: single calls gathered into batches, and messages received ahead. */
@Timeout(60)
class BatchManagerTest extends Support {
    private static final int COUNT = 25;

    private static <T> List<T> all(List<CompletableFuture<T>> futures) throws Exception {
        List<T> results = new ArrayList<>();
        for (CompletableFuture<T> future : futures) {
            results.add(future.get(20, TimeUnit.SECONDS));
        }
        return results;
    }

    @Test
    void everyCallOfABatchIsAnswered() throws Exception {
        String url = makeQueue(Map.of());
        try (SqsAsyncClient client = asyncClient();
                SqsAsyncBatchManager manager = client.batchManager()) {
            List<SendMessageResponse> sent = all(IntStream.range(0, COUNT)
                    .mapToObj(i -> manager.sendMessage(r -> r.queueUrl(url).messageBody("body " + i)))
                    .collect(Collectors.toList()));
            assertEquals(COUNT, sent.stream().map(SendMessageResponse::messageId).distinct().count());

            Map<String, Message> received = new java.util.HashMap<>();
            Set<String> bodies = new HashSet<>();
            for (int attempt = 0; attempt < 200 && received.size() < COUNT; attempt++) {
                for (Message message : manager.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(10))
                        .get(20, TimeUnit.SECONDS).messages()) {
                    received.put(message.messageId(), message);
                    bodies.add(message.body());
                }
            }
            assertEquals(COUNT, received.size());
            assertEquals(IntStream.range(0, COUNT).mapToObj(i -> "body " + i).collect(Collectors.toSet()), bodies);

            all(received.values().stream()
                    .map(m -> manager.changeMessageVisibility(
                            r -> r.queueUrl(url).receiptHandle(m.receiptHandle()).visibilityTimeout(120)))
                    .collect(Collectors.toList()));
            all(received.values().stream()
                    .map(m -> manager.deleteMessage(r -> r.queueUrl(url).receiptHandle(m.receiptHandle())))
                    .collect(Collectors.toList()));
        }
        assertEquals("0", attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE));
        assertEquals("0", attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES));
    }

    @Test
    void oneBadEntryFailsItsOwnFuture() throws Exception {
        String url = makeQueue(Map.of());
        try (SqsAsyncClient client = asyncClient();
                SqsAsyncBatchManager manager = client.batchManager()) {
            var good = manager.sendMessage(r -> r.queueUrl(url).messageBody("good"));
            var bad = manager.sendMessage(r -> r.queueUrl(url).messageBody("bad").delaySeconds(901));
            assertEquals(36, good.get(20, TimeUnit.SECONDS).messageId().length());
            var failure = assertThrows(ExecutionException.class, () -> bad.get(20, TimeUnit.SECONDS));
            var cause = assertInstanceOf(SqsException.class, failure.getCause());
            assertEquals("InvalidParameterValue", cause.awsErrorDetails().errorCode());
        }
        assertEquals("1", attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES));
    }
}
