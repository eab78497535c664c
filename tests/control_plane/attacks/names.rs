//! Names of key pairs, which are what holds tenants of one AWS account apart.

use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};

use super::arena::Arena;
use super::{refused, shows, try_all};

const NOT_ALLOWED: &str = "AccountNotAllowed";
const NO_NAME: &str = "keyPairName may contain only";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_others_are_out_of_reach() {
    let arena = Arena::new("attack-names", &[]).await;
    let named = |name: &str| arena.pair("x", &[("/keyPairName", json!(name))]);
    let by_object = || arena.pair("x", &[("/keyPairName", Value::Null)]);
    let (own, foreign) = (arena.own(""), arena.foreign(""));
    let namespace = arena.attacker.namespace.as_str();
    let is_called = |name: &str| json!({ "name": name });
    let long = |start: &str, length: usize| format!("{start}{}", "x".repeat(length - start.len()));
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows("another namespace's pair", named(&arena.foreign("fleet")), NOT_ALLOWED),
            shows("a free name of another namespace's", named(&arena.foreign("new")), NOT_ALLOWED),
            shows(
                "a namespace's name and -, which begins another one's",
                named(&format!("{namespace}-x")),
                NOT_ALLOWED,
            ),
            shows("the namespace alone", named(namespace), NOT_ALLOWED),
            shows("the namespace and nothing after the _", named(&own), NOT_ALLOWED),
            shows(
                "the namespace in upper case",
                named(&arena.own("x").to_uppercase()),
                NOT_ALLOWED,
            ),
            shows("the namespace behind something", named(&format!("x{own}x")), NOT_ALLOWED),
            shows("255 characters in another's name", named(&long(&foreign, 255)), NOT_ALLOWED),
            shows("a pair of the platform team's", named("everyones"), NOT_ALLOWED),
            shows("the same by the name of the object", by_object(), NOT_ALLOWED)
                .with(is_called("everyones")),
            shows("the default pair by the name of the object", by_object(), NOT_ALLOWED)
                .with(is_called("lightsaildefaultkeypair")),
            refused("the default pair", named("LightsailDefaultKeyPair"), "default key pair"),
            refused(
                "the default pair in upper case",
                named("LIGHTSAILDEFAULTKEYPAIR"),
                "default key pair",
            ),
            refused("256 characters", named(&long(&own, 256)), "Too long"),
            refused("the variable of the account", named("$(namespace)_x"), NO_NAME),
            refused("a pattern", named(&arena.own("*")), NO_NAME),
            refused("a path", named(&format!("{own}x/../{foreign}fleet")), NO_NAME),
            refused("a full-width _", named(&format!("{namespace}\u{ff3f}x")), NO_NAME),
            refused("a Cyrillic a", named(&format!("\u{430}{}", &own[1..])), NO_NAME),
            refused("a combining mark", named(&format!("{own}e\u{301}")), NO_NAME),
            refused("a name and a line break", named(&arena.foreign("fleet\n")), NO_NAME),
            refused("a name and a zero", named(&arena.foreign("fleet\0")), NO_NAME),
            shows("its own, with 255 characters", named(&long(&own, 255)), "Imported"),
        ],
    )
    .await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_compared_as_the_account_writes_them() {
    let names = json!(["fleet-*", "bastion", "$(namespace)_*"]);
    let arena = Arena::new("attack-patterns", &[("/allowed/keyPairNames", names)]).await;
    let called = |name: &str| arena.pair("x", &[("/keyPairName", json!(name))]);
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows("less than the beginning", called("fleet"), NOT_ALLOWED),
            shows("another beginning", called("my-fleet-1"), NOT_ALLOWED),
            shows("the beginning in upper case", called("Fleet-1"), NOT_ALLOWED),
            shows("more than an exact name", called("bastion-2"), NOT_ALLOWED),
            shows("an exact name in another case", called("Bastion"), NOT_ALLOWED),
            shows("another namespace's", called(&arena.foreign("fleet")), NOT_ALLOWED),
        ],
    )
    .await;
    arena.end().await;
}
