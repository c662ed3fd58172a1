package clients;

import java.net.URI;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;

/** Stock clients of the server under test, and queues that are removed after each test. */
abstract class Support {
    protected final SqsClient sqs = SqsClient.builder()
            .endpointOverride(endpoint())
            .region(Region.US_EAST_1)
            .overrideConfiguration(c -> c.retryStrategy(r -> r.maxAttempts(1)))
            .build();
    private final Deque<String> made = new ArrayDeque<>();

    static URI endpoint() {
        String address = System.getenv("STANCHION_ENDPOINT");
        if (address == null) {
            throw new IllegalStateException("set STANCHION_ENDPOINT to the address of a running server");
        }
        return URI.create(address);
    }

    static SqsAsyncClient asyncClient() {
        return SqsAsyncClient.builder()
                .endpointOverride(endpoint())
                .region(Region.US_EAST_1)
                .build();
    }

    static String unique() {
        return "java-" + UUID.randomUUID().toString().substring(0, 13);
    }

    String makeQueue(Map<QueueAttributeName, String> attributes) {
        String name = unique() + (attributes.containsKey(QueueAttributeName.FIFO_QUEUE) ? ".fifo" : "");
        Map<QueueAttributeName, String> given = new HashMap<>(attributes);
        String url = sqs.createQueue(r -> r.queueName(name).attributes(given)).queueUrl();
        made.push(url);
        return url;
    }

    List<Message> receive(String url, int count, int wait) {
        return sqs.receiveMessage(r -> r.queueUrl(url)
                        .maxNumberOfMessages(count)
                        .waitTimeSeconds(wait)
                        .messageAttributeNames("All")
                        .messageSystemAttributeNames(MessageSystemAttributeName.ALL))
                .messages();
    }

    String attribute(String url, QueueAttributeName name) {
        return sqs.getQueueAttributes(r -> r.queueUrl(url).attributeNames(name)).attributes().get(name);
    }

    /** Asks again until the condition holds, for at most twenty seconds. */
    static void eventually(BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not true within 20 s");
            }
            Thread.sleep(50);
        }
    }

    @AfterEach
    void removeQueues() {
        while (!made.isEmpty()) {
            String url = made.pop();
            try {
                sqs.deleteQueue(r -> r.queueUrl(url));
            } catch (QueueDoesNotExistException gone) {
                // The test has deleted it already.
            }
        }
        sqs.close();
    }
}
