package clients;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.amazonaws.services.sqs.AmazonSQSRequester;
import com.amazonaws.services.sqs.AmazonSQSRequesterClientBuilder;
import com.amazonaws.services.sqs.AmazonSQSResponder;
import com.amazonaws.services.sqs.AmazonSQSResponderClientBuilder;
import com.amazonaws.services.sqs.MessageContent;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.SendMessageRequest;

/** The temporary queue client: requests with answers over virtual queues that share one real queue. */
@Timeout(60)
class TemporaryQueuesTest extends Support {
    private static final int REQUESTS = 6;

    @Test
    void eachRequesterGetsItsOwnAnswer() throws Exception {
        String url = makeQueue(Map.of());
        String prefix = "__" + unique();
        AmazonSQSRequester requester = AmazonSQSRequesterClientBuilder.standard()
                .withAmazonSQS(sqs).withInternalQueuePrefix(prefix).withIdleQueueSweepingPeriod(0, TimeUnit.SECONDS).build();
        AmazonSQSResponder responder = AmazonSQSResponderClientBuilder.standard()
                .withAmazonSQS(sqs).withInternalQueuePrefix(prefix).build();
        try {
            List<CompletableFuture<Message>> answers = new ArrayList<>();
            for (int i = 0; i < REQUESTS; i++) {
                answers.add(requester.sendMessageAndGetResponseAsync(
                        SendMessageRequest.builder().queueUrl(url).messageBody("question " + i).build(),
                        20, TimeUnit.SECONDS));
            }
            int answered = 0;
            for (int attempt = 0; attempt < 20 && answered < REQUESTS; attempt++) {
                for (Message message : receive(url, 10, 5)) {
                    MessageContent question = MessageContent.fromMessage(message);
                    responder.sendResponseMessage(
                            question, new MessageContent(message.body().replace("question", "answer")));
                    sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()));
                    answered++;
                }
            }
            for (int i = 0; i < REQUESTS; i++) {
                assertEquals("answer " + i, answers.get(i).get(20, TimeUnit.SECONDS).body());
            }
        } finally {
            responder.shutdown();
            requester.shutdown();
            sqs.listQueues(r -> r.queueNamePrefix(prefix)).queueUrls().forEach(left -> sqs.deleteQueue(r -> r.queueUrl(left)));
        }
    }
}
