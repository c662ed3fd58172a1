//! What each action needs.

use stanchion_types::request::Action;

/// A permission: the name that policies know, and whether another account can have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Name in lower case, with the service in front: `sqs:sendmessage`.
    pub name: &'static str,
    /// Whether the policy of a queue can give it to other accounts. The others are the owner's alone, whatever a policy
    /// says.
    pub shared: bool,
}

/// Returns the permission that an action needs. The forms for batches have none of their own.
pub const fn permission(action: Action) -> Permission {
    let (name, shared) = match action {
        Action::AddPermission => ("sqs:addpermission", false),
        Action::CancelMessageMoveTask => ("sqs:cancelmessagemovetask", false),
        Action::ChangeMessageVisibility | Action::ChangeMessageVisibilityBatch => ("sqs:changemessagevisibility", true),
        Action::CreateQueue => ("sqs:createqueue", false),
        Action::DeleteMessage | Action::DeleteMessageBatch => ("sqs:deletemessage", true),
        Action::DeleteQueue => ("sqs:deletequeue", false),
        Action::GetQueueAttributes => ("sqs:getqueueattributes", true),
        Action::GetQueueUrl => ("sqs:getqueueurl", true),
        Action::ListDeadLetterSourceQueues => ("sqs:listdeadlettersourcequeues", true),
        Action::ListMessageMoveTasks => ("sqs:listmessagemovetasks", false),
        Action::ListQueueTags => ("sqs:listqueuetags", false),
        Action::ListQueues => ("sqs:listqueues", false),
        Action::PurgeQueue => ("sqs:purgequeue", true),
        Action::ReceiveMessage => ("sqs:receivemessage", true),
        Action::RemovePermission => ("sqs:removepermission", false),
        Action::SendMessage | Action::SendMessageBatch => ("sqs:sendmessage", true),
        Action::SetQueueAttributes => ("sqs:setqueueattributes", false),
        Action::StartMessageMoveTask => ("sqs:startmessagemovetask", false),
        Action::TagQueue => ("sqs:tagqueue", false),
        Action::UntagQueue => ("sqs:untagqueue", false),
    };
    Permission { name, shared }
}
