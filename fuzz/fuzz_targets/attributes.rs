//! Reads arbitrary text as the value of a queue attribute, policy documents above all; the first byte chooses it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stanchion_types::attributes::{AttributeChange, AttributeName};
use stanchion_wire::attributes::parse;

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let name = AttributeName::ALL[usize::from(*first) % AttributeName::ALL.len()].name();
    let Ok(change) = parse(name, text) else { return };
    assert_eq!(change.name().name(), name);
    // What is returned to clients reads back as the same, to the letter.
    match &change {
        AttributeChange::Policy(Some(policy)) => {
            assert_eq!(policy.text, text);
            assert_eq!(parse(name, &policy.canonical), Ok(change));
        }
        AttributeChange::RedrivePolicy(Some(policy)) => {
            let Ok(AttributeChange::RedrivePolicy(Some(again))) = parse(name, &policy.text) else {
                panic!("{} does not read back", policy.text)
            };
            assert_eq!((&again, &again.text), (policy, &policy.text));
        }
        AttributeChange::RedriveAllowPolicy(Some(policy)) => {
            let Ok(AttributeChange::RedriveAllowPolicy(Some(again))) = parse(name, &policy.text) else {
                panic!("{} does not read back", policy.text)
            };
            assert_eq!((&again, &again.text), (policy, &policy.text));
        }
        _ => {}
    }
});
