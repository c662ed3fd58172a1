//! The one place where it is decided what a caller may do.

use std::sync::Arc;

use stanchion_engine::command::{Command, Reply};
use stanchion_engine::ids::QueueId;
use stanchion_policy::{Circumstances, Decision, Kind, Policy, Principal, Question, decide, permission};
use stanchion_types::limits::LIST_MAX;
use stanchion_types::request::{Action, CancelMessageMoveTask, Envelope, Request, StartMessageMoveTask};
use stanchion_types::{AccountId, Code, Error, QueueArn, QueueLocator};

use super::{Target, unexpected};
use crate::broker::Broker;
use crate::caller::{Authority, Caller};
use crate::driver::Listing;
use crate::handles;

/// A request that its caller may make, and the queue that it addresses. Nobody but the gate makes one, and without one
/// nothing is done.
pub(super) struct Authorized {
    request: Request,
    target: Option<Target>,
}

impl Authorized {
    pub(super) fn open(self) -> (Request, Option<Target>) {
        (self.request, self.target)
    }
}

impl Broker {
    /// Finds the queue of a request and decides whether the caller may make it.
    ///
    /// # Errors
    /// `AccessDenied` or `MissingAuthenticationToken`, that there is no such queue, or what is wrong with the values of
    /// the request: in this order.
    pub(super) async fn authorize(
        &self,
        caller: &Caller,
        envelope: Envelope,
        decision: &mut Option<Decision>,
    ) -> Result<Authorized, Error> {
        let Envelope { action, queue, request } = envelope;
        let arn = queue.map(|locator| address(caller, locator));
        if let Authority::Policies(principal, circumstances) = &caller.authority {
            let mut case = Case { broker: self, caller, principal, circumstances, decision };
            case.judge(action, arn.as_ref(), &request)?;
            if let Ok(Request::StartMessageMoveTask(StartMessageMoveTask { source, destination: None, .. })) = &request
            {
                let origins = self.origins(source).await?;
                origins.iter().try_for_each(|queue| case.ask(Action::SendMessage, queue, &[]))?;
            }
        }
        let target = match arn {
            Some(arn) => Some(self.find(arn).await?),
            None => None,
        };
        Ok(Authorized { request: request?, target })
    }

    /// Returns the queues that a move task without a destination brings messages back to, to which its caller must be
    /// allowed to send: those whose dead letters go to its source when it starts.
    async fn origins(&self, source: &QueueArn) -> Result<Vec<QueueArn>, Error> {
        let driver = self.owner(source);
        let (mut origins, mut after) = (Vec::new(), None);
        // A source that is not there is refused for that by whoever starts the task.
        let Some(queue) = driver.find(source).map(|listing| listing.id) else { return Ok(origins) };
        loop {
            let (queues, more) =
                match driver.ask(Command::ListSources { queue, after, limit: LIST_MAX as usize }, None).await? {
                    Reply::Queues { queues, more } => (queues, more),
                    reply => return Err(unexpected(&reply)),
                };
            after = queues.last().filter(|_| more).map(|queue| queue.name.as_str().to_owned());
            origins.extend(queues);
            if after.is_none() {
                return Ok(origins);
            }
        }
    }

    /// Finds a queue.
    pub(super) async fn find(&self, arn: QueueArn) -> Result<Target, Error> {
        let driver = self.owner(&arn);
        if let Some(listing) = driver.find(&arn) {
            return Ok(Target { driver: driver.clone(), arn, listing });
        }
        // That the queue is not there may follow from a deletion that a crash could still undo. So the refusal goes
        // through the shard, which lets it out when the deletion is durable. No queue ever has the number 0.
        driver.ask(Command::DescribeQueue { queue: QueueId(0) }, None).await?;
        Err(Error::no_such_queue())
    }

    /// Returns the policy of a queue as it is now.
    fn policy(&self, listing: &Listing) -> Rules {
        let Some(text) = &listing.policy else { return Rules::None };
        let read = self.policies.find(listing.id, text).unwrap_or_else(|| self.policies.read(listing.id, text.clone()));
        read.map_or(Rules::Unreadable, Rules::Policy)
    }
}

/// What a queue says about callers.
enum Rules {
    None,
    Policy(Arc<Policy>),
    /// A text that is no policy. Nobody knows what it forbids.
    Unreadable,
}

/// A caller with a request.
struct Case<'a> {
    broker: &'a Broker,
    caller: &'a Caller,
    principal: &'a Principal,
    circumstances: &'a Circumstances,
    /// What was said last.
    decision: &'a mut Option<Decision>,
}

impl Case<'_> {
    /// Asks the policies about everything that a request needs.
    fn judge(
        &mut self,
        action: Action,
        queue: Option<&QueueArn>,
        request: &Result<Request, Error>,
    ) -> Result<(), Error> {
        let tags = request.as_ref().map(request_tags).unwrap_or_default();
        if let Some(queue) = queue {
            return self.ask(action, queue, &tags);
        }
        if self.principal.kind == Kind::Anonymous {
            return Err(Error::new(Code::MissingAuthenticationToken, "Request is missing Authentication Token"));
        }
        match request {
            Ok(Request::CreateQueue(create)) => {
                let (region, account) = (self.caller.region.clone(), self.caller.account);
                let queue = QueueArn { region, account, name: create.name.clone() };
                self.ask(action, &queue, &tags)?;
                if tags.is_empty() { Ok(()) } else { self.ask(Action::TagQueue, &queue, &tags) }
            }
            Ok(Request::StartMessageMoveTask(start)) => {
                let reads = [action, Action::ReceiveMessage, Action::DeleteMessage, Action::GetQueueAttributes];
                self.ask_all(&reads, &start.source)?;
                // Without a destination messages go back to queues that only they know.
                start.destination.as_ref().map_or(Ok(()), |queue| self.ask(Action::SendMessage, queue, &tags))
            }
            Ok(Request::CancelMessageMoveTask(CancelMessageMoveTask { task_handle })) => {
                // A handle that names no queue is refused for that by whoever reads it next.
                let Some((_, source)) = handles::open_task(task_handle) else { return Ok(()) };
                let needs = [action, Action::ReceiveMessage, Action::DeleteMessage, Action::GetQueueAttributes];
                self.ask_all(&needs, &source)
            }
            Ok(Request::ListMessageMoveTasks(list)) => {
                self.ask_all(&[action, Action::GetQueueAttributes], &list.source)
            }
            Ok(Request::ListQueues(_)) => self.ask_in_account(action),
            // Every other action addresses a queue; without one it is refused for that.
            Ok(_) => Ok(()),
            // Nothing is done with a request that cannot be read, and its refusal tells of no queue.
            Err(_) => Ok(()),
        }
    }

    fn ask_all(&mut self, actions: &[Action], queue: &QueueArn) -> Result<(), Error> {
        actions.iter().try_for_each(|action| self.ask(*action, queue, &[]))
    }

    /// Asks about a queue, whether or not it exists: that one does not is nothing to tell to whom it is forbidden.
    fn ask(&mut self, action: Action, queue: &QueueArn, request_tags: &[(String, String)]) -> Result<(), Error> {
        let listing = self.broker.owner(queue).find(queue);
        let tags = || {
            let tags = listing.iter().flat_map(|listing| &listing.tags);
            tags.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let rules = listing.as_deref().map_or(Rules::None, |listing| self.broker.policy(listing));
        self.decide(action, &queue.to_string(), queue.account, &rules, request_tags, &tags)
    }

    /// Asks about all queues of the caller's account.
    fn ask_in_account(&mut self, action: Action) -> Result<(), Error> {
        let (region, account) = (&self.caller.region, self.caller.account);
        let resource = format!("arn:aws:sqs:{region}:{account}:*");
        self.decide(action, &resource, account, &Rules::None, &[], &Vec::new)
    }

    fn decide(
        &mut self,
        action: Action,
        resource: &str,
        owner: AccountId,
        rules: &Rules,
        request_tags: &[(String, String)],
        resource_tags: &dyn Fn() -> Vec<(String, String)>,
    ) -> Result<(), Error> {
        let question = Question {
            principal: self.principal,
            permission: permission(action),
            resource,
            owner,
            region: &self.caller.region,
            circumstances: self.circumstances,
            request_tags,
            resource_tags,
            assuming: None,
        };
        let is_owner = self.principal.kind == Kind::Root && self.principal.account == owner;
        let decision = match rules {
            Rules::None => decide(&question, None),
            Rules::Policy(policy) => decide(&question, Some(policy)),
            Rules::Unreadable if is_owner => return Ok(()),
            Rules::Unreadable => {
                tracing::error!(
                    resource,
                    "the policy of a queue cannot be read, so only its account's root may use it"
                );
                Decision::unreadable()
            }
        };
        if decision.allowed {
            *self.decision = Some(decision);
            return Ok(());
        }
        let statement = decision.statement.as_ref().map(ToString::to_string);
        tracing::info!(
            caller = &*self.principal.arn,
            source = self.circumstances.source.map(tracing::field::display),
            action = question.permission.name,
            resource,
            statement,
            "denied: {}",
            decision.reason
        );
        let error = Error::new(Code::AccessDenied, decision.denial(&question));
        *self.decision = Some(decision);
        Err(error)
    }
}

/// Returns the ARN of the queue that a request names.
pub(super) fn address(caller: &Caller, locator: QueueLocator) -> QueueArn {
    let QueueLocator { account, name } = locator;
    QueueArn { region: caller.region.clone(), account: account.unwrap_or(caller.account), name }
}

/// Returns the tags that a request would set, or with empty values remove.
fn request_tags(request: &Request) -> Vec<(String, String)> {
    match request {
        Request::CreateQueue(create) => create.tags.clone(),
        Request::TagQueue(tag) => tag.tags.clone(),
        Request::UntagQueue(untag) => untag.keys.iter().map(|key| (key.clone(), String::new())).collect(),
        _ => Vec::new(),
    }
}
