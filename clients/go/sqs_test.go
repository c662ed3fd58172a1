// Package clients drives a running server with the Go SDK v2. Tests only.
package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// newClient returns a stock client of the server under test. The SDK checks digests itself.
func newClient(t *testing.T) (*sqs.Client, context.Context) {
	t.Helper()
	endpoint := os.Getenv("STANCHION_ENDPOINT")
	if endpoint == "" {
		t.Fatal("set STANCHION_ENDPOINT to the address of a running server")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	t.Cleanup(cancel)
	return sqs.New(sqs.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		Retryer:      aws.NopRetryer{},
	}), ctx
}

// makeQueue creates a queue that is removed when the test is over.
func makeQueue(t *testing.T, client *sqs.Client, attributes map[string]string) *string {
	t.Helper()
	name := fmt.Sprintf("go-%d", time.Now().UnixNano())
	if attributes["FifoQueue"] == "true" {
		name += ".fifo"
	}
	made, err := client.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	must(t, err)
	t.Cleanup(func() {
		_, err := client.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: made.QueueUrl})
		var missing *types.QueueDoesNotExist
		if err != nil && !errors.As(err, &missing) {
			t.Errorf("delete queue: %v", err)
		}
	})
	return made.QueueUrl
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// receive returns the messages of one receive call with all attributes asked for.
func receive(t *testing.T, client *sqs.Client, ctx context.Context, url *string, count, wait int32) []types.Message {
	t.Helper()
	reply, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: count, WaitTimeSeconds: wait,
		// The older spelling of the system attribute names, which every release of the SDK knows.
		AttributeNames:        []types.QueueAttributeName{types.QueueAttributeNameAll},
		MessageAttributeNames: []string{"All"},
	})
	must(t, err)
	return reply.Messages
}

func bodies(messages []types.Message) string {
	var texts []string
	for _, message := range messages {
		texts = append(texts, *message.Body)
	}
	return strings.Join(texts, " ")
}

func attribute(t *testing.T, client *sqs.Client, ctx context.Context, url *string, name types.QueueAttributeName) string {
	t.Helper()
	found, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{name},
	})
	must(t, err)
	return found.Attributes[string(name)]
}

func TestAQueueIsCreatedFoundListedChangedAndTagged(t *testing.T) {
	client, ctx := newClient(t)
	url := makeQueue(t, client, map[string]string{"VisibilityTimeout": "7"})
	name := (*url)[strings.LastIndex(*url, "/")+1:]
	found, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	must(t, err)
	equal(t, *found.QueueUrl, *url)

	pages := sqs.NewListQueuesPaginator(client, &sqs.ListQueuesInput{QueueNamePrefix: &name, MaxResults: aws.Int32(1)})
	var listed []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		must(t, err)
		listed = append(listed, page.QueueUrls...)
	}
	equal(t, strings.Join(listed, " "), *url)

	_, err = client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "3"}})
	must(t, err)
	equal(t, attribute(t, client, ctx, url, types.QueueAttributeNameVisibilityTimeout), "7")
	equal(t, attribute(t, client, ctx, url, types.QueueAttributeNameDelaySeconds), "3")

	_, err = client.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "1", "b": "2"}})
	must(t, err)
	_, err = client.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}})
	must(t, err)
	tags, err := client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url})
	must(t, err)
	equal(t, fmt.Sprint(tags.Tags), "map[b:2]")
}

func TestAMessageKeepsItsBodyAndAttributes(t *testing.T) {
	client, ctx := newClient(t)
	url := makeQueue(t, client, nil)
	body := "line\r\n漢字 🦀"
	sent, err := client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: url, MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"Count": {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
			"a":     {DataType: aws.String("String"), StringValue: aws.String("é")},
			"blob":  {DataType: aws.String("Binary.png"), BinaryValue: []byte{0, 1, 2, 255}},
		},
	})
	must(t, err)
	equal(t, *sent.MD5OfMessageAttributes, "b304a10c89ca9d80a53b51b7c3a5b46e")
	messages := receive(t, client, ctx, url, 10, 5)
	equal(t, bodies(messages), body)
	equal(t, *messages[0].MessageId, *sent.MessageId)
	equal(t, string(messages[0].MessageAttributes["blob"].BinaryValue), "\x00\x01\x02\xff")
	equal(t, messages[0].Attributes["ApproximateReceiveCount"], "1")

	_, err = client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: url, ReceiptHandle: messages[0].ReceiptHandle, VisibilityTimeout: 0})
	must(t, err)
	messages = receive(t, client, ctx, url, 10, 5)
	equal(t, messages[0].Attributes["ApproximateReceiveCount"], "2")
	_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: messages[0].ReceiptHandle})
	must(t, err)
	equal(t, attribute(t, client, ctx, url, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible), "0")
}

func TestABatchFailsEntryByEntry(t *testing.T) {
	client, ctx := newClient(t)
	url := makeQueue(t, client, nil)
	var entries []types.SendMessageBatchRequestEntry
	for i := 0; i < 10; i++ {
		entry := types.SendMessageBatchRequestEntry{
			Id: aws.String(fmt.Sprintf("e%d", i)), MessageBody: aws.String(fmt.Sprint(i))}
		if i == 4 {
			entry.DelaySeconds = 901
		}
		entries = append(entries, entry)
	}
	sent, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
	must(t, err)
	equal(t, len(sent.Successful), 9)
	equal(t, len(sent.Failed), 1)
	equal(t, *sent.Failed[0].Id+" "+*sent.Failed[0].Code, "e4 InvalidParameterValue")
	equal(t, sent.Failed[0].SenderFault, true)

	var handles []types.DeleteMessageBatchRequestEntry
	for attempt := 0; attempt < 10 && len(handles) < 9; attempt++ {
		for _, message := range receive(t, client, ctx, url, 10, 5) {
			handles = append(handles, types.DeleteMessageBatchRequestEntry{
				Id: aws.String(fmt.Sprintf("d%d", len(handles))), ReceiptHandle: message.ReceiptHandle})
		}
	}
	equal(t, len(handles), 9)
	handles = append(handles, types.DeleteMessageBatchRequestEntry{
		Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense")})
	deleted, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: handles})
	must(t, err)
	equal(t, len(deleted.Successful), 9)
	equal(t, len(deleted.Failed), 1)
	equal(t, *deleted.Failed[0].Code, "ReceiptHandleIsInvalid")
}

func TestALongPollIsAnsweredByASend(t *testing.T) {
	client, ctx := newClient(t)
	url := makeQueue(t, client, nil)
	started := time.Now()
	failed := make(chan error, 1)
	go func() {
		_, err := client.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: url, MessageBody: aws.String("m"), DelaySeconds: 1})
		failed <- err
	}()
	equal(t, bodies(receive(t, client, ctx, url, 1, 20)), "m")
	must(t, <-failed)
	if took := time.Since(started); took > 15*time.Second {
		t.Fatalf("the poll took %v", took)
	}
}

func TestADeadLetterQueueTakesAndReturnsAMessage(t *testing.T) {
	client, ctx := newClient(t)
	dead := makeQueue(t, client, nil)
	arn := attribute(t, client, ctx, dead, types.QueueAttributeNameQueueArn)
	source := makeQueue(t, client, map[string]string{
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":"%s","maxReceiveCount":1}`, arn),
		"VisibilityTimeout": "0",
	})
	sent, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: source, MessageBody: aws.String("m")})
	must(t, err)
	equal(t, len(receive(t, client, ctx, source, 1, 5)), 1)
	equal(t, len(receive(t, client, ctx, source, 1, 0)), 0)

	sources, err := client.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead})
	must(t, err)
	equal(t, strings.Join(sources.QueueUrls, " "), *source)

	_, err = client.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
	must(t, err)
	back := receive(t, client, ctx, source, 1, 15)
	equal(t, bodies(back), "m")
	if *back[0].MessageId == *sent.MessageId {
		t.Fatal("a moved message is a new one")
	}
	tasks, err := client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
	must(t, err)
	equal(t, len(tasks.Results), 1)
	equal(t, *tasks.Results[0].SourceArn, arn)
}

func TestAFifoQueueKeepsOrderAndDropsDuplicates(t *testing.T) {
	client, ctx := newClient(t)
	url := makeQueue(t, client, map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	for _, text := range []string{"a1", "a2", "b1", "a1"} {
		sent, err := client.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: url, MessageBody: aws.String(text), MessageGroupId: aws.String(text[:1])})
		must(t, err)
		if aws.ToString(sent.SequenceNumber) == "" {
			t.Fatal("a FIFO send has a sequence number")
		}
	}
	first := receive(t, client, ctx, url, 1, 5)
	equal(t, bodies(first), "a1")
	equal(t, bodies(receive(t, client, ctx, url, 10, 5)), "b1")
	_, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: first[0].ReceiptHandle})
	must(t, err)
	equal(t, bodies(receive(t, client, ctx, url, 10, 5)), "a2")
}

func TestAPurgeLeavesNothing(t *testing.T) {
	client, ctx := newClient(t)
	url := makeQueue(t, client, nil)
	_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("m")})
	must(t, err)
	_, err = client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url})
	must(t, err)
	equal(t, len(receive(t, client, ctx, url, 10, 0)), 0)
}

// status returns the HTTP status behind an error.
func status(err error) int {
	var reply *smithyhttp.ResponseError
	if errors.As(err, &reply) {
		return reply.HTTPStatusCode()
	}
	return 0
}

func TestErrorsHaveTheClientsOwnTypes(t *testing.T) {
	client, ctx := newClient(t)
	url := makeQueue(t, client, map[string]string{"DelaySeconds": "1"})

	_, err := client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(*url + "-missing"), MessageBody: aws.String("m")})
	var missing *types.QueueDoesNotExist
	equal(t, errors.As(err, &missing), true)
	equal(t, missing.ErrorCode(), "AWS.SimpleQueueService.NonExistentQueue")
	equal(t, status(err), 400)

	_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("abc")})
	var handle *types.ReceiptHandleIsInvalid
	equal(t, errors.As(err, &handle), true)
	equal(t, status(err), 404)

	name := (*url)[strings.LastIndex(*url, "/")+1:]
	_, err = client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: &name, Attributes: map[string]string{"DelaySeconds": "2"}})
	var exists *types.QueueNameExists
	equal(t, errors.As(err, &exists), true)

	_, err = client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("same"), MessageBody: aws.String("m")}, {Id: aws.String("same"), MessageBody: aws.String("m")}}})
	var distinct *types.BatchEntryIdsNotDistinct
	equal(t, errors.As(err, &distinct), true)

	_, err = client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("m"), DelaySeconds: 901})
	var any smithy.APIError
	equal(t, errors.As(err, &any), true)
	equal(t, any.ErrorCode(), "InvalidParameterValue")
}
