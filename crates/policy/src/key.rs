//! The keys that conditions and variables ask for.

/// A key of a condition. Upper and lower case are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// `aws:SourceIp`.
    SourceIp,
    /// `aws:SecureTransport`.
    SecureTransport,
    /// `aws:CurrentTime`, in ISO 8601.
    CurrentTime,
    /// `aws:EpochTime`, in seconds since 1970.
    EpochTime,
    /// `aws:UserAgent`.
    UserAgent,
    /// `aws:Referer`.
    Referer,
    /// `aws:PrincipalArn`.
    PrincipalArn,
    /// `aws:PrincipalAccount`.
    PrincipalAccount,
    /// `aws:PrincipalType`.
    PrincipalType,
    /// `aws:PrincipalTag/...`.
    PrincipalTag(String),
    /// `aws:userid`.
    UserId,
    /// `aws:username`.
    UserName,
    /// `aws:TokenIssueTime`.
    TokenIssueTime,
    /// `aws:MultiFactorAuthPresent`.
    MultiFactorAuthPresent,
    /// `aws:SourceIdentity`.
    SourceIdentity,
    /// `sts:ExternalId`.
    ExternalId,
    /// `sts:RoleSessionName`.
    RoleSessionName,
    /// `sts:SourceIdentity`.
    RequestedSourceIdentity,
    /// `aws:RequestedRegion`.
    RequestedRegion,
    /// `aws:ResourceAccount`.
    ResourceAccount,
    /// `aws:ResourceTag/...`.
    ResourceTag(String),
    /// `aws:RequestTag/...`.
    RequestTag(String),
    /// `aws:TagKeys`.
    TagKeys,
    /// `aws:ViaAWSService`.
    ViaAwsService,
    /// A key that no request to this server has.
    Absent,
}

impl Key {
    /// Reads the name of a key. The names of tags keep their case: IAM compares the keys of tags without it, so they are
    /// compared without it later.
    pub(crate) fn parse(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let tag = |prefix: &str| lower.starts_with(prefix).then(|| name[prefix.len()..].to_owned());
        if let Some(tag) = tag("aws:principaltag/") {
            return Key::PrincipalTag(tag);
        }
        if let Some(tag) = tag("aws:resourcetag/") {
            return Key::ResourceTag(tag);
        }
        if let Some(tag) = tag("aws:requesttag/") {
            return Key::RequestTag(tag);
        }
        match lower.as_str() {
            "aws:sourceip" => Key::SourceIp,
            "aws:securetransport" => Key::SecureTransport,
            "aws:currenttime" => Key::CurrentTime,
            "aws:epochtime" => Key::EpochTime,
            "aws:useragent" => Key::UserAgent,
            "aws:referer" => Key::Referer,
            "aws:principalarn" => Key::PrincipalArn,
            "aws:principalaccount" => Key::PrincipalAccount,
            "aws:principaltype" => Key::PrincipalType,
            "aws:userid" => Key::UserId,
            "aws:username" => Key::UserName,
            "aws:tokenissuetime" => Key::TokenIssueTime,
            "aws:multifactorauthpresent" => Key::MultiFactorAuthPresent,
            "aws:sourceidentity" => Key::SourceIdentity,
            "sts:externalid" => Key::ExternalId,
            "sts:rolesessionname" => Key::RoleSessionName,
            "sts:sourceidentity" => Key::RequestedSourceIdentity,
            "aws:requestedregion" => Key::RequestedRegion,
            "aws:resourceaccount" => Key::ResourceAccount,
            "aws:tagkeys" => Key::TagKeys,
            "aws:viaawsservice" => Key::ViaAwsService,
            _ => Key::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_without_regard_to_case() {
        assert_eq!(Key::parse("AWS:sourceIP"), Key::SourceIp);
        assert_eq!(Key::parse("aws:PRINCIPALTAG/Team"), Key::PrincipalTag("Team".into()));
        assert_eq!(Key::parse("s3:prefix"), Key::Absent);
    }
}
