use stanchion_types::limits::PERMISSION_ACTIONS_MAX;
use stanchion_types::request::AddPermission;
use stanchion_types::{AccountId, Code, Error};

use crate::fields::{Fields, Name, required};
use crate::op::Checked;
use crate::op::permission::{LABEL, check_action, check_label};

const ACCOUNTS: Name = Name::new("AWSAccountIds", "AWSAccountId");
const ACTIONS: Name = Name::new("Actions", "ActionName");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let label = required(fields, LABEL)?;
    let accounts = fields.texts(ACCOUNTS)?;
    let actions = fields.texts(ACTIONS)?;
    if actions.is_empty() {
        return Err(Error::missing_parameter(ACTIONS.json));
    }
    Ok(check(label, &accounts, &actions).map(Into::into))
}

fn check(label: &str, accounts: &[&str], actions: &[&str]) -> Result<AddPermission, Error> {
    let label = check_label(label)?;
    if actions.len() > PERMISSION_ACTIONS_MAX {
        let found = actions.len();
        let message = format!("{found} Actions were found, maximum allowed is {PERMISSION_ACTIONS_MAX}.");
        return Err(Error::new(Code::OverLimit, message));
    }
    actions.iter().try_for_each(|action| check_action(action))?;
    let known: Option<Vec<AccountId>> = accounts.iter().map(|account| AccountId::new(account)).collect();
    let accounts = known.filter(|known| !known.is_empty()).ok_or_else(|| {
        Error::invalid_value(format_args!("[{}]", accounts.join(", ")), "PrincipalId", "Unable to verify.")
    })?;
    Ok(AddPermission { label, accounts, actions: actions.iter().map(|action| (*action).to_owned()).collect() })
}
