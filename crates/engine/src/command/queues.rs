//! Commands on queues as a whole: create, delete, describe, list, purge, tag.

use std::ops::Bound;

use stanchion_types::attributes::{AttributeChange, QueueAttributes};
use stanchion_types::{AccountId, Code, Error, QueueArn, Region, Timestamp, limits};

use crate::command::{Description, Reply};
use crate::decide::{Decision, PageWish, Purpose};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::QueueId;

type Decided = Result<Decision, Error>;

impl Engine {
    pub(crate) fn create_queue(
        &self,
        arn: &QueueArn,
        changes: &[AttributeChange],
        tags: &[(String, String)],
        now: Timestamp,
    ) -> Decided {
        if let Some(queue) = self.find(arn) {
            // Only what was given is compared, each by meaning; tags are not.
            let differs = |change: &&AttributeChange| !change.agrees_with(&queue.attributes);
            if let Some(change) = changes.iter().find(differs) {
                if change.name().is_fifo_only() && !queue.is_fifo() {
                    self.changed_attributes(arn, &queue.attributes, std::slice::from_ref(change))?;
                }
                let name = change.name().name();
                let message =
                    format!("A queue already exists with the same name and a different value for attribute {name}");
                return Err(Error::new(Code::QueueNameExists, message));
            }
            return Ok(Decision::answer(Reply::Queue(queue.id)));
        }
        if self.deleted.get(arn).is_some_and(|at| now < at.plus_seconds(self.options.rest_seconds)) {
            let message =
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            return Err(Error::new(Code::QueueDeletedRecently, message));
        }
        let defaults = QueueAttributes::new(arn.name.is_fifo());
        let attributes = Box::new(self.changed_attributes(arn, &defaults, changes)?);
        let queue = QueueId(self.last_queue + 1);
        let event = Event::QueueCreated { queue, arn: arn.clone(), attributes, tags: tags.to_vec() };
        Ok(Decision::Commit { events: vec![event], reply: Reply::Queue(queue) })
    }

    pub(crate) fn delete_queue(&self, queue: QueueId) -> Decided {
        self.existing(queue)?;
        Ok(Decision::done(Event::QueueDeleted { queue }))
    }

    pub(crate) fn set_attributes(&self, id: QueueId, changes: &[AttributeChange], now: Timestamp) -> Decided {
        let queue = self.existing(id)?;
        let attributes = Box::new(self.changed_attributes(&queue.arn, &queue.attributes, changes)?);
        // What is visible already must not be delayed again, and on a page nobody has seen yet that it is.
        if queue.is_fifo()
            && attributes.delay_seconds != queue.attributes.delay_seconds
            && let Some((page, listed)) = queue.due_page(now)
        {
            return Ok(Decision::page(PageWish { queue: id, page, list: listed.list, purpose: Purpose::Thaw }));
        }
        Ok(Decision::done(Event::AttributesSet { queue: id, attributes }))
    }

    pub(crate) fn change_tags(&self, id: QueueId, set: &[(String, String)], remove: &[String]) -> Decided {
        let queue = self.existing(id)?;
        let added = set.iter().filter(|(key, _)| !queue.tags.contains_key(key)).count();
        if queue.tags.len() + added > limits::TAGS_MAX && added > 0 {
            let message = format!("Too many tags added for queue {}.", queue.arn.name);
            return Err(Error::invalid_parameter(message));
        }
        Ok(Decision::done(Event::TagsChanged { queue: id, set: set.to_vec(), removed: remove.to_vec() }))
    }

    pub(crate) fn describe_queue(&self, id: QueueId, now: Timestamp) -> Decided {
        let queue = self.existing(id)?;
        // A page on which something has expired must be read before the counters are right.
        if let Some((sent, page)) = queue.cold.oldest_of_all()
            && sent.plus_seconds(queue.attributes.retention_seconds) <= now
        {
            let list = queue.cold.get(page).expect("the page was just found").list;
            let wish = PageWish { queue: id, page, list, purpose: Purpose::Look };
            return Ok(Decision::page(wish));
        }
        // So must one on which a delay is over.
        if let Some((page, listed)) = queue.due_page(now) {
            return Ok(Decision::page(PageWish { queue: id, page, list: listed.list, purpose: Purpose::Thaw }));
        }
        Ok(Decision::answer(Reply::Description(Box::new(Description {
            arn: queue.arn.clone(),
            attributes: queue.attributes.clone(),
            tags: queue.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            created: queue.created,
            modified: queue.modified,
            counters: queue.counters(),
        }))))
    }

    pub(crate) fn list_queues(
        &self,
        region: &Region,
        account: AccountId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Decision {
        let Some(names) = self.directory.get(&(region.clone(), account)) else { return page([], limit) };
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let found = names.range::<str, _>((start, Bound::Unbounded));
        let found = found.take_while(|(name, _)| name.starts_with(prefix));
        page(found.map(|(_, id)| self.queues[id].arn.clone()), limit)
    }

    pub(crate) fn list_sources(&self, id: QueueId, after: Option<&str>, limit: usize) -> Decided {
        let target = &self.existing(id)?.arn;
        Ok(page(self.sources(target).filter(|arn| after.is_none_or(|after| arn.name.as_str() > after)), limit))
    }

    /// Lists the queues of an account whose dead letters go to `target`, ascending by name.
    pub(crate) fn sources<'a>(&'a self, target: &'a QueueArn) -> impl Iterator<Item = QueueArn> + 'a {
        let names = self.directory.get(&(target.region.clone(), target.account)).into_iter().flatten();
        let queues = names.map(|(_, id)| &self.queues[id]);
        queues
            .filter(move |queue| {
                queue.attributes.redrive_policy.as_ref().is_some_and(|policy| policy.target == *target)
            })
            .map(|queue| queue.arn.clone())
    }

    pub(crate) fn purge(&self, id: QueueId, now: Timestamp) -> Decided {
        let queue = self.existing(id)?;
        if queue.purged.is_some_and(|at| now < at.plus_seconds(self.options.rest_seconds)) {
            let message = format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", queue.arn.name);
            return Err(Error::new(Code::PurgeQueueInProgress, message));
        }
        Ok(Decision::done(Event::Purged { queue: id }))
    }
}

/// Answers with the first `limit` queues, and whether there are more.
fn page(queues: impl IntoIterator<Item = QueueArn>, limit: usize) -> Decision {
    let mut queues = queues.into_iter();
    let page: Vec<QueueArn> = queues.by_ref().take(limit).collect();
    Decision::answer(Reply::Queues { queues: page, more: queues.next().is_some() })
}
