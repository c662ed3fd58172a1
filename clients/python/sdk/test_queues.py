"""Queues: creating, finding, listing, attributes, tags and permissions."""

import json

import pytest

from helpers import arn, attributes, refused


def test_a_created_queue_is_found_by_its_name(sqs, make_queue):
    url = make_queue("found")
    name = url.rsplit("/", 1)[1]
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert arn(sqs, url).endswith(":" + name)
    assert arn(sqs, url).startswith("arn:aws:sqs:us-east-1:")


def test_queues_are_listed_by_prefix(sqs, make_queue, name):
    urls = sorted(make_queue(name) for _ in range(3))
    assert sorted(sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]) == urls
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=name + "nothing")


def test_pages_hold_every_queue_once(sqs, make_queue, name):
    urls = sorted(make_queue(name) for _ in range(5))
    pages = list(
        sqs.get_paginator("list_queues").paginate(QueueNamePrefix=name, PaginationConfig={"PageSize": 2})
    )
    assert [len(page["QueueUrls"]) for page in pages] == [2, 2, 1]
    assert sorted(url for page in pages for url in page["QueueUrls"]) == urls


def test_without_a_page_size_no_token_is_given(sqs, make_queue, name):
    make_queue(name)
    assert "NextToken" not in sqs.list_queues(QueueNamePrefix=name)


def test_a_new_queue_has_the_defaults(sqs, queue):
    found = attributes(sqs, queue)
    expected = {
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "VisibilityTimeout": "30",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["CreatedTimestamp"].isdigit() and found["LastModifiedTimestamp"].isdigit()
    assert "FifoQueue" not in found and "Policy" not in found and "RedrivePolicy" not in found


def test_a_fifo_queue_shows_its_own_attributes(sqs, fifo):
    found = attributes(sqs, fifo)
    expected = {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "FifoThroughputLimit": "perQueue",
    }
    assert {key: found.get(key) for key in expected} == expected


def test_set_attributes_change_and_the_others_stay(sqs, make_queue):
    url = make_queue(VisibilityTimeout=7, DelaySeconds=3)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "43200"})
    found = attributes(sqs, url, "VisibilityTimeout", "DelaySeconds")
    assert found == {"VisibilityTimeout": "43200", "DelaySeconds": "3"}


def test_no_names_ask_for_no_attributes(sqs, queue):
    # The Query parser of the client fills in an empty map.
    assert not sqs.get_queue_attributes(QueueUrl=queue).get("Attributes")


def test_a_name_without_a_value_is_left_out(sqs, queue):
    assert attributes(sqs, queue, "Policy", "RedrivePolicy", "KmsMasterKeyId") == {}


def test_a_set_call_with_one_bad_value_changes_nothing(sqs, queue):
    with refused("InvalidAttributeValue", text="VisibilityTimeout"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "9", "VisibilityTimeout": "43201"})
    assert attributes(sqs, queue, "DelaySeconds") == {"DelaySeconds": "0"}


def test_the_receive_count_of_a_redrive_policy_comes_back_as_a_number(sqs, make_queue):
    target = arn(sqs, make_queue("dead"))
    policy = {"deadLetterTargetArn": target, "maxReceiveCount": "4"}
    url = make_queue(RedrivePolicy=json.dumps(policy))
    stored = json.loads(attributes(sqs, url, "RedrivePolicy")["RedrivePolicy"])
    assert stored == {"deadLetterTargetArn": target, "maxReceiveCount": 4}


@pytest.mark.parametrize("attribute", ["Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"])
def test_an_empty_text_removes_the_attribute(sqs, make_queue, attribute):
    url = make_queue()
    target = arn(sqs, make_queue("dead"))
    value = {
        "Policy": json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn(sqs, url)}]}),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 1}),
        "RedriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"}),
        "KmsMasterKeyId": "alias/aws/sqs",
    }[attribute]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={attribute: value})
    stored = attributes(sqs, url, attribute)[attribute]
    assert stored == value or json.loads(stored) == json.loads(value)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={attribute: ""})
    assert attribute not in attributes(sqs, url)


def test_creating_again_with_a_part_of_the_attributes_is_no_conflict(sqs, make_queue):
    url = make_queue(VisibilityTimeout=11, DelaySeconds=2)
    name = url.rsplit("/", 1)[1]
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    assert sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "2"})["QueueUrl"] == url


def test_creating_again_with_another_value_is_a_conflict(sqs, make_queue):
    name = make_queue(VisibilityTimeout=11).rsplit("/", 1)[1]
    with refused("QueueAlreadyExists", text="VisibilityTimeout", exception=sqs.exceptions.QueueNameExists):
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "12"})


def test_false_is_no_value_for_the_fifo_attribute(sqs, name):
    with refused("InvalidAttributeName", text="FifoQueue", exception=sqs.exceptions.InvalidAttributeName):
        sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "false"})


def test_tags_are_added_replaced_and_removed(sqs, make_queue):
    url = make_queue(tags={"team": "orders", "stage": "dev"})
    sqs.tag_queue(QueueUrl=url, Tags={"stage": "live", "Team": "upper case"})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "orders", "stage": "live", "Team": "upper case"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["team", "Team", "never set"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"stage": "live"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["stage"])
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)


def test_a_permission_becomes_a_statement_and_goes_again(sqs, queue):
    sqs.add_permission(
        QueueUrl=queue, Label="partner", AWSAccountIds=["111122223333"], Actions=["SendMessage", "GetQueueUrl"]
    )
    statement = json.loads(attributes(sqs, queue, "Policy")["Policy"])["Statement"][0]
    assert statement["Sid"] == "partner" and statement["Effect"] == "Allow"
    assert statement["Action"] == ["SQS:SendMessage", "SQS:GetQueueUrl"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert statement["Resource"] == arn(sqs, queue)
    sqs.remove_permission(QueueUrl=queue, Label="partner")
    assert "partner" not in attributes(sqs, queue).get("Policy", "")


def test_a_deleted_queue_is_gone(sqs, queue):
    name = queue.rsplit("/", 1)[1]
    sqs.delete_queue(QueueUrl=queue)
    with refused("AWS.SimpleQueueService.NonExistentQueue", exception=sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName=name)
    with refused("AWS.SimpleQueueService.NonExistentQueue", exception=sqs.exceptions.QueueDoesNotExist):
        sqs.send_message(QueueUrl=queue, MessageBody="late")
