"""Who is known to a server with several accounts."""

OWNER = ("AKIAOWNER", "owner-0123456789abcdef")
PRODUCER = ("AKIAPRODUCER", "producer-0123456789abcdef")
STRANGER = ("AKIASTRANGER", "stranger-0123456789abcdef")
GUEST = ("AKIAGUEST", "guest-0123456789abcdef")
WORKER = "arn:aws:iam::000000000000:role/worker"

# The account that owns the queues, a user of it who may only send, and a role; another account, and a user of it who may
# assume that role.
CREDENTIALS = f"""
[policies]
produce = '''{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}}}}'''
everything = '''{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}}}}'''
assume = '''{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}}}'''

[[accounts]]
id = "000000000000"
keys = [{{ id = "{OWNER[0]}", secret = "{OWNER[1]}" }}]

[[accounts.users]]
name = "producer"
policies = ["produce"]
keys = [{{ id = "{PRODUCER[0]}", secret = "{PRODUCER[1]}" }}]

[[accounts.roles]]
name = "worker"
policies = ["everything"]
trust = '''{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {{"AWS": "111122223333"}},
    "Action": "sts:AssumeRole", "Condition": {{"StringEquals": {{"sts:ExternalId": "agreed"}}}}}}}}'''

[[accounts]]
id = "111122223333"
keys = [{{ id = "{STRANGER[0]}", secret = "{STRANGER[1]}" }}]

[[accounts.users]]
name = "guest"
policies = ["assume"]
keys = [{{ id = "{GUEST[0]}", secret = "{GUEST[1]}" }}]
"""
