//! `AssumeRole`: temporary credentials that may what a role may.

use stanchion_auth::{Bearer, Role, Terms};
use stanchion_policy::{Assuming, Kind, Permission, Policy, Question, Session, decide_trust};
use stanchion_types::AccountId;

use crate::call::Call;
use crate::form::{
    ARN, Checks, EXTERNAL_ID, Form, POLICY, SERIAL_NUMBER, SESSION_NAME, TAG_KEY, TAG_VALUE, TOKEN_CODE,
};
use crate::refusal::Refusal;
use crate::reply::{self, Answer, Value, text};
use crate::session_token::check_factors;

/// How long a session lasts if the request does not say, and how long one may that another session of a role began, in
/// seconds.
const SECONDS_DEFAULT: u64 = 3600;
/// How many tags a session can have, and how many keys of tags a request can name.
const TAGS_MAX: usize = 50;
/// How many policies of the file a session can name.
const POLICY_ARNS_MAX: usize = 10;
/// How long the texts of a session's policies may be together, in bytes.
const POLICIES_BYTES_MAX: usize = 2048;
/// How long policies and tags may be together, in bytes. The service packs them in a way of its own, and says what share of
/// its room they take.
const PACKED_BYTES_MAX: usize = 4096;

/// A permission, as policies know it and as refusals show it.
struct Needed {
    permission: Permission,
    shown: &'static str,
}

const fn needed(name: &'static str, shown: &'static str) -> Needed {
    Needed { permission: Permission { name, shared: true }, shown }
}

const ASSUME_ROLE: Needed = needed("sts:assumerole", "sts:AssumeRole");
const TAG_SESSION: Needed = needed("sts:tagsession", "sts:TagSession");
const SET_SOURCE_IDENTITY: Needed = needed("sts:setsourceidentity", "sts:SetSourceIdentity");

pub(crate) fn assume_role(call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refusal> {
    let wanted = Wanted::read(form)?;
    let (account, name) = parse_role(wanted.role_arn)?;
    let principal = call.principal;
    if principal.kind == Kind::Root {
        return Err(Refusal::access_denied("Roles may not be assumed by root accounts."));
    }
    check_factors(wanted.serial, wanted.code)?;
    let tags = wanted.all_tags(principal.session.as_ref())?;
    let source_identity = wanted.source_identity(principal.session.as_ref())?;
    let role = call.authenticator.and_then(|authenticator| authenticator.role(account, name));
    let role = role.ok_or_else(|| wanted.denied(call, &ASSUME_ROLE, "there is no such role", None))?;
    wanted.authorize(call, &role, &ASSUME_ROLE)?;
    if !tags.is_empty() {
        wanted.authorize(call, &role, &TAG_SESSION)?;
    }
    if source_identity.is_some() {
        wanted.authorize(call, &role, &SET_SOURCE_IDENTITY)?;
    }
    let seconds = wanted.seconds(call, &role)?;
    let policy_names = wanted.policy_names(account)?;
    let packed = wanted.packed_size(call, &policy_names, &tags)?;

    let issued = call.circumstances.now;
    let expires = issued + seconds;
    let inherited = principal.session.as_ref().map_or(&[][..], |session| &session.passed_on);
    let passed_on = wanted.transitive.iter().copied().chain(inherited.iter().map(|(key, _)| key.as_str()));
    let terms = Terms {
        account,
        bearer: Bearer::Role { role: role.name.to_string(), session: wanted.session_name.to_owned() },
        issued,
        expires,
        policy: wanted.policy.map(str::to_owned),
        policy_names,
        passed_on: passed_on.map(str::to_owned).collect(),
        tags,
        source_identity: source_identity.map(str::to_owned),
    };
    let session = call.issue(terms)?;
    let arn = format!("arn:aws:sts::{account}:assumed-role/{name}/{}", wanted.session_name);
    tracing::info!(
        caller = &*principal.arn,
        source = call.circumstances.source.map(tracing::field::display),
        session = arn,
        access_key = session.access_key,
        seconds,
        "a session was issued"
    );
    let user = vec![text("AssumedRoleId", format!("{}:{}", role.id, wanted.session_name)), text("Arn", arn)];
    let mut members = vec![reply::credentials(&session, expires), ("AssumedRoleUser", Value::Members(user))];
    members.extend(packed.map(|percent| text("PackedPolicySize", percent.to_string())));
    members.extend(source_identity.map(|identity| text("SourceIdentity", identity)));
    Ok(Answer { action: "AssumeRole", members })
}

/// Reads the ARN of a role.
fn parse_role(arn: &str) -> Result<(AccountId, &str), Refusal> {
    let rest = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
    let parsed = rest.and_then(|(account, name)| Some((AccountId::new(account)?, name)));
    parsed.ok_or_else(|| Refusal::validation(format!("{arn} is invalid")))
}

/// What a request asks for, within the bounds of the model.
struct Wanted<'f> {
    role_arn: &'f str,
    session_name: &'f str,
    seconds: Option<u64>,
    policy: Option<&'f str>,
    policy_arns: Vec<&'f str>,
    tags: Vec<(&'f str, &'f str)>,
    transitive: Vec<&'f str>,
    external_id: Option<&'f str>,
    source_identity: Option<&'f str>,
    serial: Option<&'f str>,
    code: Option<&'f str>,
}

impl<'f> Wanted<'f> {
    fn read(form: &'f Form<'_>) -> Result<Self, Refusal> {
        let tags = form.pairs("Tags", ["Key", "Value"]);
        let policy_arns = form.pairs("PolicyArns", ["arn", "Arn"]);
        let wanted = Wanted {
            role_arn: form.get("RoleArn").unwrap_or_default(),
            session_name: form.get("RoleSessionName").unwrap_or_default(),
            seconds: form.number("DurationSeconds")?,
            policy: form.get("Policy"),
            policy_arns: policy_arns.iter().filter_map(|(arn, _)| *arn).collect(),
            tags: tags.iter().filter_map(|(key, value)| Some(((*key)?, (*value)?))).collect(),
            transitive: form.texts("TransitiveTagKeys"),
            external_id: form.get("ExternalId"),
            source_identity: form.get("SourceIdentity"),
            serial: form.get("SerialNumber"),
            code: form.get("TokenCode"),
        };
        let mut checks = Checks::default();
        checks.required("roleArn", form.get("RoleArn"), &ARN);
        checks.required("roleSessionName", form.get("RoleSessionName"), &SESSION_NAME);
        checks.number("durationSeconds", wanted.seconds, 900, 43_200);
        checks.optional("policy", wanted.policy, &POLICY);
        checks.count("policyArns", policy_arns.len(), POLICY_ARNS_MAX);
        for ((arn, _), number) in policy_arns.iter().zip(1..) {
            checks.optional(&format!("policyArns.{number}.member.arn"), *arn, &ARN);
        }
        checks.count("tags", tags.len(), TAGS_MAX);
        for ((key, value), number) in tags.iter().take(TAGS_MAX).zip(1..) {
            checks.required(&format!("tags.{number}.member.key"), *key, &TAG_KEY);
            checks.required(&format!("tags.{number}.member.value"), *value, &TAG_VALUE);
        }
        checks.count("transitiveTagKeys", wanted.transitive.len(), TAGS_MAX);
        for (key, number) in wanted.transitive.iter().take(TAGS_MAX).zip(1..) {
            checks.required(&format!("transitiveTagKeys.{number}.member"), Some(key), &TAG_KEY);
        }
        checks.optional("externalId", wanted.external_id, &EXTERNAL_ID);
        checks.optional("sourceIdentity", wanted.source_identity, &SESSION_NAME);
        checks.optional("serialNumber", wanted.serial, &SERIAL_NUMBER);
        checks.optional("tokenCode", wanted.code, &TOKEN_CODE);
        checks.finish()?;
        if form.get("ProvidedContexts.member.1.ProviderArn").is_some() {
            return Err(Refusal::invalid_value("There is no provider of contexts."));
        }
        Ok(wanted)
    }

    /// Returns the tags of the session: those that are asked for, and those that come from the caller's own session.
    fn all_tags(&self, own: Option<&Session>) -> Result<Vec<(String, String)>, Refusal> {
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let inherited = own.map_or(&[][..], |session| &session.passed_on);
        for (at, (key, _)) in self.tags.iter().enumerate() {
            if self.tags[..at].iter().any(|(other, _)| same(key, other)) {
                let text = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(Refusal::invalid_value(text));
            }
            if inherited.iter().any(|(other, _)| same(key, other)) {
                let text = "One of the specified transitive tag keys can't be set because it conflicts with a \
                            transitive tag key from the calling session.";
                return Err(Refusal::invalid_value(text));
            }
        }
        if self.transitive.iter().any(|key| !self.tags.iter().any(|(other, _)| key == other)) {
            let text = "The specified transitive tag key must be included in the requested tags.";
            return Err(Refusal::invalid_value(text));
        }
        Ok(self.own_tags().into_iter().chain(inherited.iter().cloned()).collect())
    }

    fn own_tags(&self) -> Vec<(String, String)> {
        self.tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// Returns who is behind the session, which the caller's own session has settled if it names somebody.
    fn source_identity<'s>(&'s self, own: Option<&'s Session>) -> Result<Option<&'s str>, Refusal> {
        let settled = own.and_then(|session| session.source_identity.as_deref());
        match (settled, self.source_identity) {
            (Some(settled), Some(other)) if settled != other => Err(Refusal::access_denied(
                "The source identity of a session cannot be changed by the sessions that are begun from it.",
            )),
            (settled, asked) => Ok(settled.or(asked)),
        }
    }

    /// Asks the role and the caller's own policies.
    fn authorize(&self, call: &Call<'_>, role: &Role, needed: &Needed) -> Result<(), Refusal> {
        let (request_tags, tags) = (self.own_tags(), || role.tags.clone());
        let question = Question {
            principal: call.principal,
            permission: needed.permission,
            resource: &role.arn,
            owner: role.account,
            region: call.region,
            circumstances: call.circumstances,
            request_tags: &request_tags,
            resource_tags: &tags,
            assuming: Some(Assuming {
                session_name: self.session_name,
                external_id: self.external_id,
                source_identity: self.source_identity,
            }),
        };
        let decision = decide_trust(&question, &role.trust);
        if decision.allowed {
            return Ok(());
        }
        let statement = decision.statement.as_ref().map(ToString::to_string);
        Err(self.denied(call, needed, &decision.reason.to_string(), statement))
    }

    /// Says no. Whether the role exists the caller does not learn, but the log does.
    fn denied(&self, call: &Call<'_>, needed: &Needed, why: &str, statement: Option<String>) -> Refusal {
        let (caller, resource) = (&*call.principal.arn, self.role_arn);
        let source = call.circumstances.source.map(tracing::field::display);
        tracing::info!(caller, source, action = needed.shown, resource, statement, "denied: {why}");
        let action = needed.shown;
        Refusal::access_denied(format!("User: {caller} is not authorized to perform: {action} on resource: {resource}"))
    }

    fn seconds(&self, call: &Call<'_>, role: &Role) -> Result<u64, Refusal> {
        let seconds = self.seconds.unwrap_or(SECONDS_DEFAULT);
        let is_chained = matches!(call.principal.kind, Kind::AssumedRole(_));
        if is_chained && seconds > SECONDS_DEFAULT {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            ));
        }
        if seconds > role.session_seconds_max {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        Ok(seconds)
    }

    /// Returns the names of the policies of the file that the session must keep within, which count as the account's.
    fn policy_names(&self, account: AccountId) -> Result<Vec<String>, Refusal> {
        let prefix = format!("arn:aws:iam::{account}:policy/");
        let name = |arn: &&str| {
            let name = arn.strip_prefix(&prefix).map(str::to_owned);
            name.ok_or_else(|| missing_policy(arn))
        };
        self.policy_arns.iter().map(name).collect()
    }

    /// Checks the session's policies, and returns the share of the room for them and the tags, in percent, if there are any.
    fn packed_size(
        &self,
        call: &Call<'_>,
        policy_names: &[String],
        tags: &[(String, String)],
    ) -> Result<Option<usize>, Refusal> {
        if let Some(text) = self.policy {
            Policy::of_identity(text).map_err(|fault| Refusal::malformed_policy(fault.to_string()))?;
        }
        let mut policies = self.policy.map_or(0, str::len);
        for (name, arn) in policy_names.iter().zip(&self.policy_arns) {
            let bytes = call.authenticator.and_then(|authenticator| authenticator.policy_bytes(name));
            policies += bytes.ok_or_else(|| missing_policy(arn))?;
        }
        let all = policies + tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        let share = |bytes: usize, room: usize| (bytes * 100).div_ceil(room);
        match share(policies, POLICIES_BYTES_MAX).max(share(all, PACKED_BYTES_MAX)) {
            percent if percent > 100 => Err(Refusal::packed_too_large(percent)),
            _ => Ok(Some(share(all, PACKED_BYTES_MAX)).filter(|percent| *percent > 0)),
        }
    }
}

fn missing_policy(arn: &str) -> Refusal {
    Refusal::malformed_policy(format!("Policy {arn} does not exist or is not attachable."))
}
