//! What is still done when the disk is full.
//!
//! A full disk gets its space back by receives and deletes, so these go on as long as there is anything to write to.
//! Everything that adds to the queues is refused at once, with the error that clients answer by trying again later.

use stanchion_journal::Room;
use stanchion_shard::Space;
use stanchion_types::request::Action;
use stanchion_types::{Code, Error};

/// Decides whether there is room for an action.
///
/// # Errors
/// `ServiceUnavailable` if there is not; the action has not been tried.
pub(crate) fn check(room: Room, action: Action) -> Result<(), Error> {
    if room <= most(action) {
        return Ok(());
    }
    let text = match most(action) {
        Room::Plenty => {
            "The disk of the server is full: nothing is taken in until there is space. \
             Messages can still be received and deleted."
        }
        Room::Low | Room::Full => {
            "The disk of the server is full, and its reserve is used up: until there is space, \
             messages can only be deleted."
        }
    };
    Err(Error::new(Code::ServiceUnavailable, text))
}

/// Returns how much space there is for survivors that a shard moves: they add to the journal before they give back.
pub(crate) fn space(room: Room) -> Space {
    match room {
        Room::Plenty => Space::Plenty,
        Room::Low => Space::Scarce,
        Room::Full => Space::Last,
    }
}

/// Returns how little room there may be for an action.
fn most(action: Action) -> Room {
    match action {
        Action::AddPermission
        | Action::CreateQueue
        | Action::SendMessage
        | Action::SendMessageBatch
        | Action::SetQueueAttributes
        | Action::StartMessageMoveTask
        | Action::TagQueue => Room::Plenty,
        // Each adds a little to the journal, and gives nothing back by itself.
        Action::ChangeMessageVisibility | Action::ChangeMessageVisibilityBatch | Action::ReceiveMessage => Room::Low,
        Action::CancelMessageMoveTask
        | Action::DeleteMessage
        | Action::DeleteMessageBatch
        | Action::DeleteQueue
        | Action::GetQueueAttributes
        | Action::GetQueueUrl
        | Action::ListDeadLetterSourceQueues
        | Action::ListMessageMoveTasks
        | Action::ListQueueTags
        | Action::ListQueues
        | Action::PurgeQueue
        | Action::RemovePermission
        | Action::UntagQueue => Room::Full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_room_there_is_the_less_is_done_and_what_gives_space_back_always_is() {
        let done = |room| Action::ALL.iter().filter(|action| check(room, **action).is_ok()).count();
        assert_eq!(done(Room::Plenty), Action::ALL.len());
        assert!(done(Room::Low) < done(Room::Plenty) && done(Room::Full) < done(Room::Low));
        for action in [Action::DeleteMessage, Action::DeleteMessageBatch, Action::PurgeQueue, Action::DeleteQueue] {
            assert_eq!(check(Room::Full, action), Ok(()), "{action:?}");
        }
        for action in [Action::SendMessage, Action::SendMessageBatch, Action::CreateQueue] {
            let refused = check(Room::Low, action).unwrap_err();
            assert!(refused.code == Code::ServiceUnavailable && refused.message.contains("full"), "{refused:?}");
        }
    }
}
