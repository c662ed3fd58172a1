use std::cell::Cell;

use stanchion_keyring::service::Reason;

use super::*;

const PERIOD: Duration = Duration::from_secs(60);

fn slots() -> Slots<String, u32> {
    Slots::new(3)
}

/// Gets a value; a second one is the count of questions so far.
async fn get(slots: &Slots<String, u32>, key: &str, asked: &Cell<u32>) -> Result<u32, Refusal> {
    let ask = async || {
        asked.set(asked.get() + 1);
        Ok(asked.get())
    };
    slots.get(key, PERIOD, |value| Some(*value), ask).await
}

fn refusal() -> Refusal {
    Refusal::new(Reason::Unavailable, "out of order")
}

#[tokio::test(start_paused = true)]
async fn a_value_is_asked_for_once_in_its_period() {
    let (slots, asked) = (slots(), Cell::new(0));
    assert_eq!(get(&slots, "a", &asked).await, Ok(1));
    tokio::time::advance(PERIOD - Duration::from_millis(1)).await;
    assert_eq!(get(&slots, "a", &asked).await, Ok(1));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(get(&slots, "a", &asked).await, Ok(2));
    let sooner = slots.get("a", Duration::ZERO, |value| Some(*value), async || Ok(9)).await;
    assert_eq!(sooner, Ok(9), "a shorter period counts at once");
}

#[tokio::test(start_paused = true)]
async fn a_value_of_which_nothing_can_be_taken_is_replaced() {
    let (slots, asked) = (slots(), Cell::new(0));
    assert_eq!(get(&slots, "a", &asked).await, Ok(1));
    let fresh = slots.get("a", PERIOD, |value| (*value > 1).then_some(*value), async || Ok(7)).await;
    assert_eq!(fresh, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stands_for_a_moment_and_takes_nothing_else_with_it() {
    let (slots, asked) = (slots(), Cell::new(0));
    let refused = slots.get("a", PERIOD, |value| Some(*value), async || Err(refusal())).await;
    assert_eq!(refused, Err(refusal()));
    assert_eq!(get(&slots, "b", &asked).await, Ok(1));
    assert_eq!(get(&slots, "a", &asked).await, Err(refusal()), "not asked again at once");
    tokio::time::advance(REFUSAL_REST).await;
    assert_eq!(get(&slots, "a", &asked).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn while_one_asks_others_wait_for_the_answer_and_other_keys_do_not() {
    let (slots, asked) = (Arc::new(slots()), Cell::new(10));
    let slow = |answer: u32| {
        let slots = slots.clone();
        tokio::spawn(async move {
            let ask = async || {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok(answer)
            };
            slots.get("a", PERIOD, |value| Some(*value), ask).await
        })
    };
    let (first, second) = (slow(1), slow(2));
    tokio::task::yield_now().await;
    let before = Instant::now();
    assert_eq!(get(&slots, "b", &asked).await, Ok(11));
    assert_eq!(Instant::now(), before, "another key waited");
    let (first, second) = (first.await.expect("ends"), second.await.expect("ends"));
    assert_eq!(first, second);
    assert_eq!(Instant::now(), before + Duration::from_secs(5), "both asked");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_asking_leaves_the_question_to_the_next() {
    let (slots, asked) = (slots(), Cell::new(0));
    let never = slots.get("a", PERIOD, |value: &u32| Some(*value), async || std::future::pending().await);
    assert!(tokio::time::timeout(Duration::from_secs(1), never).await.is_err());
    assert_eq!(get(&slots, "a", &asked).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_places_than_allowed() {
    let (slots, asked) = (slots(), Cell::new(0));
    for key in ["a", "b", "c", "d", "e"] {
        get(&slots, key, &asked).await.expect("asked");
        assert!(slots.len() <= 3, "{} places", slots.len());
    }
    tokio::time::advance(PERIOD).await;
    get(&slots, "f", &asked).await.expect("asked");
    assert_eq!(slots.len(), 1, "those whose time is over make room");
}
