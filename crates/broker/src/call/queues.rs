//! Actions on queues: create, describe, list, tag, permit.

use stanchion_engine::command::{Command, Description, Reply};
use stanchion_types::attributes::AttributeChange;
use stanchion_types::limits::LIST_MAX;
use stanchion_types::request::{AddPermission, AttributeNames, CreateQueue, ListQueues, Page};
use stanchion_types::response::{Queues, Response};
use stanchion_types::{Error, QueueArn};

use super::{Target, unexpected};
use crate::attributes;
use crate::broker::Broker;
use crate::caller::Caller;

impl Broker {
    pub(super) async fn create_queue(&self, caller: &Caller, request: CreateQueue) -> Result<Response, Error> {
        let arn = QueueArn { region: caller.region.clone(), account: caller.account, name: request.name };
        let command = Command::CreateQueue { arn: arn.clone(), attributes: request.attributes, tags: request.tags };
        match self.owner(&arn).ask(command, None).await? {
            Reply::Queue(_) => Ok(Response::Queue(arn)),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn list_queues(&self, caller: &Caller, request: ListQueues) -> Result<Response, Error> {
        let mut found = Vec::new();
        let mut cut = false;
        for driver in self.drivers() {
            let command = Command::ListQueues {
                region: caller.region.clone(),
                account: caller.account,
                prefix: request.prefix.clone(),
                after: request.page.after.as_ref().map(|name| name.as_str().to_owned()),
                limit: limit(&request.page),
            };
            match driver.ask(command, None).await? {
                Reply::Queues { queues, more } => {
                    found.extend(queues);
                    cut |= more;
                }
                reply => return Err(unexpected(&reply)),
            }
        }
        Ok(page(found, cut, &request.page))
    }

    /// Sets attributes. A policy waits for edits of policies under way, so that none of them is lost.
    pub(super) async fn set_queue_attributes(
        &self,
        queue: Target,
        attributes: Vec<AttributeChange>,
    ) -> Result<Response, Error> {
        let sets_policy = attributes.iter().any(|change| matches!(change, AttributeChange::Policy(_)));
        let _edit = if sets_policy { Some(self.edits.lock().await) } else { None };
        queue.ask_done(|queue| Command::SetQueueAttributes { queue, attributes }).await
    }

    pub(super) async fn add_permission(&self, queue: Target, request: AddPermission) -> Result<Response, Error> {
        let _edit = self.edits.lock().await;
        let described = queue.describe().await?;
        let policy = stanchion_policy::grant(described.attributes.policy.as_ref(), &queue.arn, &request)?;
        queue.set_policy(Some(policy)).await
    }

    pub(super) async fn remove_permission(&self, queue: Target, label: &str) -> Result<Response, Error> {
        let _edit = self.edits.lock().await;
        let described = queue.describe().await?;
        queue.set_policy(stanchion_policy::revoke(described.attributes.policy.as_ref(), label)?).await
    }
}

impl Target {
    pub(super) async fn describe(&self) -> Result<Description, Error> {
        match self.driver.ask(Command::DescribeQueue { queue: self.listing.id }, None).await? {
            Reply::Description(description) => Ok(*description),
            reply => Err(unexpected(&reply)),
        }
    }

    async fn set_policy(&self, policy: Option<stanchion_types::attributes::Document>) -> Result<Response, Error> {
        let attributes = vec![AttributeChange::Policy(policy)];
        self.ask_done(|queue| Command::SetQueueAttributes { queue, attributes }).await
    }

    pub(super) async fn attributes(&self, names: &AttributeNames) -> Result<Response, Error> {
        Ok(Response::Attributes(attributes::render(&self.describe().await?, names)?))
    }

    /// Answers with the queue itself, once it is durable that there is one.
    pub(super) async fn url(&self) -> Result<Response, Error> {
        Ok(Response::Queue(self.describe().await?.arn))
    }

    pub(super) async fn tags(&self) -> Result<Response, Error> {
        Ok(Response::Tags(self.describe().await?.tags))
    }

    pub(super) async fn sources(&self, wanted: Page) -> Result<Response, Error> {
        let after = wanted.after.as_ref().map(|name| name.as_str().to_owned());
        let command = Command::ListSources { queue: self.listing.id, after, limit: limit(&wanted) };
        match self.driver.ask(command, None).await? {
            Reply::Queues { queues, more } => Ok(page(queues, more, &wanted)),
            reply => Err(unexpected(&reply)),
        }
    }
}

fn limit(page: &Page) -> usize {
    page.max_results.unwrap_or(LIST_MAX) as usize
}

/// Merges what the shards listed into one page. A client that asked for no page is not told that there is more.
fn page(mut queues: Vec<QueueArn>, cut: bool, wanted: &Page) -> Response {
    queues.sort_by(|a, b| a.name.cmp(&b.name));
    let cut = cut || queues.len() > limit(wanted);
    queues.truncate(limit(wanted));
    Response::Queues(Queues { queues, more: cut && wanted.max_results.is_some() })
}
