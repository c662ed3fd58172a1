"""Celery with a real worker process: results, retries, countdowns and late acknowledgement."""

import importlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from conftest import unique
from helpers import attributes, eventually

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def worker(sqs, endpoint, tmp_path_factory):
    """The application, with a worker that serves it until the tests are over."""
    results = tmp_path_factory.mktemp("results")
    prefix = unique("celery") + "-"
    os.environ.update(CLIENTS_RESULTS=str(results), CLIENTS_PREFIX=prefix, STANCHION_ENDPOINT=endpoint)
    log = results / "worker.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency=2", "--loglevel=INFO",
             "--without-gossip", "--without-mingle", "--without-heartbeat", "-Q", "tasks"],
            cwd=HERE, stdout=output, stderr=subprocess.STDOUT)
    sys.path.insert(0, str(HERE))
    try:
        tasks = importlib.import_module("tasks")
        tasks.prefix = prefix
        yield tasks
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        print(log.read_text()[-4000:])
        sys.path.remove(str(HERE))
        for url in sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", []):
            sqs.delete_queue(QueueUrl=url)


def test_results_come_back(worker):
    answers = [worker.add.delay(number, 1) for number in range(20)]
    assert [answer.get(timeout=30) for answer in answers] == [number + 1 for number in range(20)]


def test_a_task_is_tried_again_until_it_succeeds(worker):
    assert worker.flaky.delay(2).get(timeout=30) == 2


def test_a_countdown_is_kept(worker):
    asked = time.time()
    ran = worker.stamp.apply_async(countdown=2).get(timeout=30)
    assert ran - asked >= 1.9


def test_a_task_whose_process_died_comes_back(worker):
    assert worker.dies_once.delay(unique()).get(timeout=40) == "survived"


def test_nothing_is_left_in_the_queue(sqs, worker):
    url = sqs.get_queue_url(QueueName=worker.prefix + "tasks")["QueueUrl"]

    def drained():
        found = attributes(sqs, url)
        return all(found["ApproximateNumberOfMessages" + kind] == "0" for kind in ("", "NotVisible", "Delayed"))

    eventually(drained)
