//! Whatever a tenant creates in numbers: others do not notice, and AWS is not asked.

use kube::api::{DeleteParams, ListParams, Preconditions};
use lightsail_operator::api::{LightsailKeyPair, LightsailKeyPairStatus};
use serde_json::{Value, json};

use super::arena::{Arena, SHARED};
use crate::bed::{name_of, public_key, ready_reason, wait_for};

/// This many objects are made together.
const MANY: usize = 300;

/// What is changed in the spec of each object.
type Change = fn(&Arena, usize) -> (&'static str, Value);

/// Creates many objects as the tenant, some at a time.
async fn create_many(arena: &Arena, spec: impl Fn(usize) -> Value) {
    use futures::StreamExt;
    let create = |number: usize| {
        let (attacker, spec) = (&arena.attacker, spec(number));
        async move {
            let name = format!("many-{number}");
            attacker.create::<LightsailKeyPair>(&name, &spec).await.unwrap();
        }
    };
    futures::stream::iter(0..MANY).map(create).buffer_unordered(16).collect::<Vec<()>>().await;
}

/// Takes an object away without its finalizer, which the operator adds again whenever it is missed:
/// with it, the pair would go too.
async fn delete_without_finalizer(arena: &Arena, name: &str) {
    let strip = json!({ "metadata": { "finalizers": null } });
    wait_for("the object is gone without its finalizer", async || {
        let stripped = arena.attacker.patch::<LightsailKeyPair>(name, &strip).await.unwrap();
        let version = stripped["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        let preconditions = Some(Preconditions { resource_version: version, uid: None });
        let as_stripped = DeleteParams { preconditions, ..DeleteParams::default() };
        arena.attacker.api::<LightsailKeyPair>().delete(name, &as_stripped).await.is_ok()
    })
    .await;
}

/// How many of the tenant's objects show a reason.
async fn count(arena: &Arena, reason: &str) -> usize {
    let all = arena.teams.a.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
    all.iter().filter(|object| ready_reason(*object) == reason).count()
}

/// Another team's object becomes Ready, with as many calls as alone.
async fn of_another_team(arena: &Arena, name: &str) {
    let b = &arena.teams.b;
    let spec = json!({ "accountRef": { "name": arena.theirs }, "type": "Imported",
        "region": "eu-west-1", "keyPairName": arena.foreign(name),
        "imported": { "publicKey": public_key("ed25519") } });
    b.create::<LightsailKeyPair>(name, &spec).await;
    b.wait_ready::<LightsailKeyPair>(name, "Imported").await;
    let own = arena.foreign(name);
    let requests = arena.requests_of(&b.namespace).into_iter();
    let calls = requests.filter(|request| request.resource.as_ref() == Some(&own)).count();
    assert!(calls <= 4, "{calls} calls for one object");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_objects_that_are_refused_cost_no_call() {
    let arena = Arena::new("attack-crowd", &[]).await;
    let rows: [(&str, Change, &str); 3] = [
        (
            "invented regions",
            |_, number| ("/region", json!(format!("aa-north-{number}"))),
            "AccountNotAllowed",
        ),
        (
            "invented accounts",
            |_, number| ("/accountRef/name", json!(format!("none-{number}"))),
            "AccountNotFound",
        ),
        (
            "another team's account",
            |arena, _| ("/accountRef/name", json!(arena.theirs)),
            "AccountNotFound",
        ),
    ];
    for (number, (row, change, reason)) in rows.into_iter().enumerate() {
        create_many(&arena, |number| arena.pair(&format!("x{number}"), &[change(&arena, number)]))
            .await;
        of_another_team(&arena, &format!("beside-{number}")).await;
        wait_for(row, async || count(&arena, reason).await == MANY).await;
        assert_eq!(arena.requests_of(&arena.attacker.namespace).len(), 0, "{row}");
        let all = arena.teams.a.api::<LightsailKeyPair>();
        let _ =
            all.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
        wait_for("they are gone", async || {
            all.list(&ListParams::default()).await.unwrap().items.is_empty()
        })
        .await;
        arena.check(row).await;
    }
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_edits_change_nothing_for_others() {
    let arena = Arena::new("attack-storm", &[]).await;
    // An older object that wants another team's name, and is edited faster than it can be refused.
    let foreign = arena.foreign("new");
    let spec = arena.pair("x", &[("/keyPairName", json!(foreign))]);
    arena.attacker.create::<LightsailKeyPair>("storm", &spec).await.unwrap();
    let edit = async |by: usize| {
        for number in 0.. {
            let change = json!({ "spec": { "tags": { "n": format!("{by}-{number}") } } });
            arena.attacker.patch::<LightsailKeyPair>("storm", &change).await.unwrap();
        }
    };
    let storm = async { futures::join!(edit(0), edit(1), edit(2), edit(3)) };
    let others = async {
        of_another_team(&arena, "new").await;
        for number in 0..3 {
            of_another_team(&arena, &format!("beside-{number}")).await;
        }
    };
    tokio::select! {
        _ = storm => unreachable!("it has no end"),
        () = others => {}
    }
    let (b, conflict) = (&arena.teams.b.namespace, "reason=NameConflict");
    let asked = ["get", "events", "--namespace", b, "--field-selector", conflict, "--no-headers"];
    let events = arena.teams.a.cluster.kubectl(&asked).await.unwrap().or_error().unwrap();
    assert_eq!(events, "", "an object that may not have a name stands in nobody's way");
    arena.wait::<LightsailKeyPair>("storm", "AccountNotAllowed").await;
    assert_eq!(arena.requests_of(&arena.attacker.namespace).len(), 0);
    arena.check("a storm of edits").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_pairs_are_as_many_as_the_account_says() {
    let limits = [("/allowed/maxKeyPairs", json!(3)), ("/callsPerSecond", json!(20))];
    let arena = Arena::new("attack-limit", &limits).await;
    let own = || {
        let pairs = arena.teams.region(SHARED).key_pairs().into_iter();
        let is_own = |name: &str| name.starts_with(&arena.own("x"));
        pairs.filter(|pair| is_own(&pair.name)).count()
    };
    create_many(&arena, |number| arena.pair(&format!("x{number}"), &[])).await;
    of_another_team(&arena, "beside").await;
    wait_for("all of them are decided on", async || {
        count(&arena, "AccountNotAllowed").await + count(&arena, "Imported").await == MANY
    })
    .await;
    assert_eq!(own(), 3);
    // Without finalizers, objects go and their pairs stay, and still count.
    let is_imported = |object: &LightsailKeyPair| ready_reason(object) == "Imported";
    let objects =
        arena.teams.a.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
    for object in objects.into_iter().filter(is_imported) {
        delete_without_finalizer(&arena, &object.metadata.name.unwrap()).await;
    }
    let late = arena.pair("xlate", &[]);
    arena.attacker.create::<LightsailKeyPair>("late", &late).await.unwrap();
    arena.wait::<LightsailKeyPair>("late", "AccountNotAllowed").await;
    assert!(own() <= 3, "{} pairs", own());
    arena.check("a limit of pairs").await;
    arena.end().await;
}

/// The list from before the first import is as old as the tenant's interval allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_pairs_that_are_left_behind_before_a_list_shows_them_make_no_more() {
    let limits = [("/allowed/maxKeyPairs", json!(3)), ("/callsPerSecond", json!(20))];
    let arena = Arena::new("attack-left-behind", &limits).await;
    let own = || {
        let pairs = arena.teams.region(SHARED).key_pairs().into_iter();
        let is_own = |name: &str| name.starts_with(&arena.own("x"));
        pairs.filter(|pair| is_own(&pair.name)).count()
    };
    let changes = [("/interval", json!("168h")), ("/deletionPolicy", json!("Retain"))];
    let objects = arena.teams.a.api::<LightsailKeyPair>();
    let delete_imported = async || {
        let all = objects.list(&ListParams::default()).await.unwrap();
        for object in all {
            let imports =
                |it: &LightsailKeyPairStatus| it.import_intent.is_some() || it.arn.is_some();
            if object.status.as_ref().is_some_and(imports) {
                let _ = arena.attacker.delete::<LightsailKeyPair>(&name_of(&object)).await;
            }
        }
    };
    let create = create_many(&arena, |number| arena.pair(&format!("x{number}"), &changes));
    let decided = wait_for("all that stay are refused", async || {
        delete_imported().await;
        let all = objects.list(&ListParams::default()).await.unwrap().items.len();
        count(&arena, "AccountNotAllowed").await == all && own() == 3
    });
    futures::join!(create, decided);
    // Those that were refused ask again.
    let ask = json!({ "metadata": { "annotations": {
        "lightsail-operator.dev/reconcile": "again" } } });
    let refused = objects.list(&ListParams::default()).await.unwrap();
    for object in refused.items.iter().take(10) {
        arena.attacker.patch::<LightsailKeyPair>(&name_of(object), &ask).await.unwrap();
    }
    wait_for("they are answered", async || {
        let all = objects.list(&ListParams::default()).await.unwrap();
        let answered = |object: &&LightsailKeyPair| {
            let handled = object.status.as_ref().and_then(|it| it.last_handled_reconcile.clone());
            handled.as_deref() == Some("again")
        };
        all.iter().filter(answered).count() == 10
    })
    .await;
    assert_eq!(own(), 3, "pairs that were left behind count");
    arena.check("pairs that were left behind").await;
    arena.end().await;
}
