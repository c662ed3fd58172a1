//! `stanchion policy`.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use stanchion_auth::Directory;
use stanchion_policy::{Circumstances, Kind, Policy, Principal, Question, decide, permission};
use stanchion_types::request::Action;
use stanchion_types::{QueueArn, QueueName};

use crate::cli::{PolicyCommand, Stop};
use crate::commands::inspect::{self, Rules};
use crate::credentials::Credentials;
use crate::settings::Settings;
use crate::storage;
use crate::words::say;

/// Does what was asked for.
pub(crate) fn run(command: &PolicyCommand) -> Result<(), Stop> {
    let PolicyCommand::Simulate(arguments) = command;
    let settings = arguments.data.settings()?;
    let file = arguments.credentials.as_deref().or(settings.credentials.as_deref());
    let file = file.ok_or_else(|| Stop::misused("name a file with --credentials"))?;
    let directory = Credentials::peek(file).map_err(Stop::failed)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let caller = find_caller(&directory, &arguments.caller, &settings, now)?;
    let caller = match &arguments.session_policy {
        Some(file) => within(&caller, file)?,
        None => caller,
    };
    let action = read_action(&arguments.action)?;
    let queue = read_queue(&arguments.queue, &caller, &settings)?;
    let found = look_up(&settings, &queue)?;
    if found.is_none() {
        say!("there is no queue {queue}, so only identity policies are asked");
    }
    let Rules { policy, tags } = found.unwrap_or_default();
    let policy = policy.map(|text| Policy::of_queue(&text)).transpose();
    let policy = policy.map_err(|fault| Stop::failed(format_args!("policy of {queue}: {fault}")))?;
    let circumstances =
        Circumstances { source: arguments.source_ip, secure: false, now, user_agent: None, referer: None };
    let question = Question {
        principal: &caller,
        permission: permission(action),
        resource: &queue.to_string(),
        owner: queue.account,
        region: &queue.region,
        circumstances: &circumstances,
        request_tags: &[],
        resource_tags: &|| tags.clone(),
        assuming: None,
    };
    let decision = decide(&question, policy.as_ref());
    let statement = decision.statement.as_ref().map(|cited| format!(": {cited}")).unwrap_or_default();
    if decision.allowed {
        say!("allowed: {}{statement}", decision.reason);
        return Ok(());
    }
    Err(Stop::failed(format_args!("denied: {}{statement}\n{}", decision.reason, decision.denial(&question))))
}

fn find_caller(directory: &Directory, wanted: &str, settings: &Settings, now: u64) -> Result<Arc<Principal>, Stop> {
    if wanted == "anonymous" {
        return Ok(Arc::new(Principal::anonymous(settings.account)));
    }
    let found = directory.callers(wanted, now);
    match found.as_slice() {
        [caller] => Ok(caller.clone()),
        [] => Err(Stop::misused(format_args!("the file of credentials has no {wanted}"))),
        several => {
            let arns: Vec<&str> = several.iter().map(|caller| &*caller.arn).collect();
            Err(Stop::misused(format_args!("{wanted} can be {}", arns.join(" or "))))
        }
    }
}

/// Returns the session of a role with a policy that it must keep within.
fn within(caller: &Principal, file: &Path) -> Result<Arc<Principal>, Stop> {
    let wrong = |why: &dyn Display| Stop::misused(format_args!("session policy {}: {why}", file.display()));
    let mut caller = caller.clone();
    let session = match (&caller.kind, &mut caller.session) {
        (Kind::AssumedRole(_), Some(session)) => session,
        _ => return Err(wrong(&"only the session of a role can have one")),
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let policy = Policy::of_identity(&text).map_err(|fault| wrong(&fault))?;
    session.policies.push((file.display().to_string().into(), Arc::new(policy)));
    Ok(Arc::new(caller))
}

fn read_action(text: &str) -> Result<Action, Stop> {
    let name = text.strip_prefix("sqs:").unwrap_or(text);
    Action::from_name(name).ok_or_else(|| Stop::misused(format_args!("there is no action {text}")))
}

/// Reads an ARN, or a name that means the caller's account and the server's region.
fn read_queue(text: &str, caller: &Principal, settings: &Settings) -> Result<QueueArn, Stop> {
    if let Some(arn) = QueueArn::parse(text) {
        return Ok(arn);
    }
    let name = QueueName::new(text).ok_or_else(|| Stop::misused(format_args!("{text:?} is no name of a queue")))?;
    Ok(QueueArn { region: settings.region.clone(), account: caller.account, name })
}

fn look_up(settings: &Settings, queue: &QueueArn) -> Result<Option<Rules>, Stop> {
    let data_dir = &settings.data_dir;
    if !data_dir.exists() {
        return Ok(None);
    }
    let disk = storage::to_read(settings).map_err(Stop::failed)?;
    inspect::rules(&disk, queue)
        .map_err(|fault| Stop::failed(format_args!("data directory {}: {fault}", data_dir.display())))
}
