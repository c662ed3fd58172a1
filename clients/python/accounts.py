"""Who is known to a server with several accounts."""

OWNER = ("AKIAOWNER", "owner-0123456789abcdef")
PRODUCER = ("AKIAPRODUCER", "producer-0123456789abcdef")
STRANGER = ("AKIASTRANGER", "stranger-0123456789abcdef")

# The account that owns the queues, a user of it who may only send, and another account.
CREDENTIALS = f"""
[policies]
produce = '''{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}}}}'''

[[accounts]]
id = "000000000000"
keys = [{{ id = "{OWNER[0]}", secret = "{OWNER[1]}" }}]

[[accounts.users]]
name = "producer"
policies = ["produce"]
keys = [{{ id = "{PRODUCER[0]}", secret = "{PRODUCER[1]}" }}]

[[accounts]]
id = "111122223333"
keys = [{{ id = "{STRANGER[0]}", secret = "{STRANGER[1]}" }}]
"""
