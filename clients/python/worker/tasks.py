"""The application of a Celery user: tasks that leave their results in a directory of files."""

import os
import pathlib
import time
import uuid
from urllib.parse import quote

from celery import Celery

RESULTS = pathlib.Path(os.environ["CLIENTS_RESULTS"])

ADDRESS = os.environ["STANCHION_ENDPOINT"].split("://", 1)[1]
# A secret may have any character, and this is a URL.
KEY = ":".join(quote(os.environ[name], safe="") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))

app = Celery("clients", broker=f"sqs://{KEY}@{ADDRESS}//")
app.conf.update(
    broker_transport_options={
        "region": "us-east-1",
        "queue_name_prefix": os.environ["CLIENTS_PREFIX"],
        "visibility_timeout": 4,
        "wait_time_seconds": 2,
        "polling_interval": 0.2,
        "is_secure": False,
    },
    result_backend="file://" + os.environ["CLIENTS_RESULTS"],
    task_default_queue="tasks",
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


def note(name, text):
    """Leaves a line behind for the test to read."""
    (RESULTS / f"note-{name}-{uuid.uuid4().hex}").write_text(text)


@app.task(name="tasks.add")
def add(left, right):
    """Adds."""
    return left + right


@app.task(name="tasks.flaky", bind=True, max_retries=3, default_retry_delay=1)
def flaky(self, succeed_at):
    """Fails until the given attempt; each retry is a delayed message."""
    if self.request.retries < succeed_at:
        raise self.retry(exc=RuntimeError("not yet"))
    return self.request.retries


@app.task(name="tasks.stamp")
def stamp():
    """The time at which it ran."""
    return time.time()


@app.task(name="tasks.dies_once", acks_late=True, reject_on_worker_lost=True)
def dies_once(name):
    """Kills its own process the first time; the message has to come back."""
    mark = RESULTS / f"died-{name}"
    if not mark.exists():
        mark.write_text("once")
        os._exit(9)
    return "survived"
