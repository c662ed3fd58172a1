//! Limits and defaults of the service. Sizes are in bytes, times in seconds unless the name says otherwise.

/// Longest queue name in characters, the suffix `.fifo` included.
pub const QUEUE_NAME_CHARS_MAX: usize = 80;
/// Suffix that the name of every FIFO queue has, and of no other.
pub const FIFO_SUFFIX: &str = ".fifo";
/// Most entries of a batch request.
pub const BATCH_ENTRIES_MAX: usize = 10;
/// Longest id of a batch entry in characters.
pub const BATCH_ID_CHARS_MAX: usize = 80;
/// Most bytes of all entries of a batch together, whatever the queue's own limit is.
pub const BATCH_BYTES_MAX: usize = 1_048_576;
/// Largest value and default of `MaximumMessageSize`.
pub const MESSAGE_BYTES_MAX: u32 = 1_048_576;
/// Smallest value of `MaximumMessageSize`.
pub const MESSAGE_BYTES_MAX_LOWEST: u32 = 1024;
/// Most message attributes of a message.
pub const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// Longest name, and longest data type, of a message attribute in characters.
pub const ATTRIBUTE_NAME_CHARS_MAX: usize = 256;
/// Longest message group id, deduplication id and receive request attempt id.
pub const TOKEN_CHARS_MAX: usize = 128;
/// Longest delay of a queue or a message.
pub const DELAY_SECONDS_MAX: u32 = 900;
/// Longest wait of a receive.
pub const WAIT_SECONDS_MAX: u32 = 20;
/// Shortest retention of messages.
pub const RETENTION_SECONDS_MIN: u32 = 60;
/// Longest retention of messages: 14 days.
pub const RETENTION_SECONDS_MAX: u32 = 1_209_600;
/// Default retention of messages: 4 days.
pub const RETENTION_SECONDS_DEFAULT: u32 = 345_600;
/// Longest visibility timeout, and the ceiling for all extensions of one receive together: 12 hours.
pub const VISIBILITY_SECONDS_MAX: u32 = 43_200;
/// Default visibility timeout.
pub const VISIBILITY_SECONDS_DEFAULT: u32 = 30;
/// Most messages that one receive returns.
pub const RECEIVE_MESSAGES_MAX: u32 = 10;
/// Most messages of a queue in flight at once.
pub const IN_FLIGHT_MAX: usize = 120_000;
/// How long a deduplication id is remembered.
pub const DEDUPLICATION_SECONDS: u32 = 300;
/// How long a receive request attempt can be repeated.
pub const ATTEMPT_SECONDS: u32 = 300;
/// How long a receipt handle can delete: 12 hours.
pub const HANDLE_SECONDS: u32 = 43_200;
/// Largest `maxReceiveCount` of a redrive policy; the smallest is 1.
pub const RECEIVE_COUNT_MAX: u32 = 1000;
/// Most source queues that a redrive allow policy can name.
pub const REDRIVE_SOURCES_MAX: usize = 10;
/// Shortest reuse period of a KMS data key.
pub const KMS_REUSE_SECONDS_MIN: u32 = 60;
/// Longest reuse period of a KMS data key.
pub const KMS_REUSE_SECONDS_MAX: u32 = 86_400;
/// Default reuse period of a KMS data key.
pub const KMS_REUSE_SECONDS_DEFAULT: u32 = 300;
/// Most tags of a queue.
pub const TAGS_MAX: usize = 50;
/// Longest key of a tag in characters; the shortest is 1.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Longest value of a tag in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Most queues on one page of a listing.
pub const LIST_MAX: u32 = 1000;
/// Most actions that one permission can grant.
pub const PERMISSION_ACTIONS_MAX: usize = 7;
/// Largest policy document.
pub const POLICY_BYTES_MAX: usize = 8192;
/// Most statements of a policy document.
pub const POLICY_STATEMENTS_MAX: usize = 20;
/// Most principals in one policy document.
pub const POLICY_PRINCIPALS_MAX: usize = 50;
/// Most conditions in one policy document.
pub const POLICY_CONDITIONS_MAX: usize = 10;
/// Fastest message move task in messages per second.
pub const MOVE_RATE_MAX: u32 = 500;
/// Most message move tasks on one page of a listing, and the number of finished ones that are remembered per source.
pub const MOVE_TASKS_LISTED_MAX: u32 = 10;
/// Most active message move tasks of an account.
pub const MOVE_TASKS_ACTIVE_MAX: usize = 100;
/// Longest run of a message move task: 36 hours.
pub const MOVE_TASK_SECONDS_MAX: u32 = 129_600;
/// How long a deleted queue's name stays unusable, and how long after a purge the next is refused.
pub const REST_SECONDS: u32 = 60;
