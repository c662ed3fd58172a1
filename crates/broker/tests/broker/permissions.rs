//! Edits of policies.

use stanchion_types::attributes::AttributeName;
use stanchion_types::request::{AddPermission, AttributeNames, GetQueueAttributes, RemovePermission};
use stanchion_types::response::Response;
use stanchion_types::{AccountId, Code};

use crate::harness::World;

fn grant(label: &str) -> AddPermission {
    AddPermission {
        label: label.into(),
        accounts: vec![AccountId::new("111122223333").unwrap()],
        actions: vec!["SendMessage".into()],
    }
}

async fn policy(world: &World) -> Option<String> {
    let names = AttributeNames::Listed(vec![AttributeName::Policy]);
    match world.call("q", GetQueueAttributes { names }).await.unwrap() {
        Response::Attributes(mut attributes) => attributes.pop().map(|(_, value)| value),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn permissions_come_and_go_with_their_labels() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.call("q", grant("A")).await.unwrap();
    let error = world.call("q", grant("A")).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidParameterValue);
    assert!(policy(&world).await.unwrap().contains(r#""Sid":"A""#));
    world.call("q", RemovePermission { label: "A".into() }).await.unwrap();
    assert_eq!(policy(&world).await, None);
    assert!(world.call("q", RemovePermission { label: "A".into() }).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_added_at_the_same_time_are_all_there() {
    let world = std::sync::Arc::new(World::new());
    world.create("q", Vec::new()).await;
    let added: Vec<_> = (0..10)
        .map(|index| {
            let world = world.clone();
            tokio::spawn(async move { world.call("q", grant(&format!("L{index}"))).await })
        })
        .collect();
    for answer in added {
        answer.await.unwrap().unwrap();
    }
    let policy = policy(&world).await.unwrap();
    for index in 0..10 {
        assert!(policy.contains(&format!(r#""Sid":"L{index}""#)), "{policy}");
    }
}
