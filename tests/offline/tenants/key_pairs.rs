//! What the session of a namespace may do: `tenants.json`, alone and beside other files.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_lightsail::Client;
use lightsail_operator::api::OWNER_TAG;
use testbed::simulator::{Options, Role, Simulator};

use super::weaker::{Row, file_is_as_the_rows_say_and_no_part_is_idle};
use super::{
    ACCOUNT, ASK, Ask, CLUSTER, ELSEWHERE, HERE, HOUR, NAMESPACE, OPERATOR, OPERATORS_ACCOUNT,
    ROLE, TEAM_A, Tags, assume, client_config, credentials_of, not_denied,
};
use crate::iam_files::{document, statements};

const KEY: &str = "ssh-ed25519 \
                   AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA \
                   nobody@example.com";
const INSTANCE: &str = "web-1";

/// A request, about a key pair of its own or the instance.
#[derive(Clone, Copy, Debug)]
enum Call {
    Get,
    List,
    Import,
    Delete,
    Tag(Tags),
    Untag(&'static str),
    Download,
    Reset,
}

use Call::{Delete, Download, Get, Import, List, Reset, Tag, Untag};

/// Who sends it, where, what tags the key pair has, and the request.
type Question = (Tags, &'static str, Tags, Call);

const TEAM_AB: Tags = &[(CLUSTER, "test"), (NAMESPACE, "team-ab")];
const OTHER_CLUSTER: Tags = &[(CLUSTER, "other"), (NAMESPACE, "team-a")];
const SHARED_READS: Tags = &[(CLUSTER, "test"), (NAMESPACE, "_read")];
const NO_CLUSTER: Tags = &[(NAMESPACE, "team-a")];
const NO_NAMESPACE: Tags = &[(CLUSTER, "test")];
const SESSIONS: &[Tags] = &[TEAM_A, TEAM_AB, OTHER_CLUSTER, SHARED_READS, NO_CLUSTER, NO_NAMESPACE];

const NONE: Tags = &[];
const PLAIN: Tags = &[("team", "a")];
const OF_A: Tags = &[(OWNER_TAG, "test/team-a/target")];
const OF_AB: Tags = &[(OWNER_TAG, "test/team-ab/target")];
const OF_B: Tags = &[(OWNER_TAG, "test/team-b/target")];
const OF_OTHER_CLUSTER: Tags = &[(OWNER_TAG, "other/team-a/target")];
const OF_SHARED_READS: Tags = &[(OWNER_TAG, "test/_read/target")];
const SECOND_SPELLING: &str = "Lightsail-Operator.dev/Owner";
const OF_B_IN_OTHER_LETTERS: Tags = &[(SECOND_SPELLING, "test/team-b/target")];
const OF_A_AND_B: Tags =
    &[(OWNER_TAG, "test/team-a/target"), (SECOND_SPELLING, "test/team-b/target")];

#[rustfmt::skip]
const TENANTS: &[Row<Question>] = &[
    ("a namespace reads a key pair", (TEAM_A, HERE, NONE, Get), true),
    ("and one of another namespace", (TEAM_A, HERE, OF_B, Get), true),
    ("it imports", (TEAM_A, HERE, NONE, Import), true),
    ("but not into another region", (TEAM_A, ELSEWHERE, NONE, Import), false),

    ("it claims a key pair without an owner", (TEAM_A, HERE, NONE, Tag(OF_A)), true),
    ("and one with other tags", (TEAM_A, HERE, PLAIN, Tag(OF_A)), true),
    ("but not in another region", (TEAM_A, ELSEWHERE, NONE, Tag(OF_A)), false),
    ("nor for another namespace", (TEAM_A, HERE, NONE, Tag(OF_B)), false),
    ("nor for one whose name begins alike", (TEAM_A, HERE, NONE, Tag(OF_AB)), false),
    ("nor for another cluster", (TEAM_A, HERE, NONE, Tag(OF_OTHER_CLUSTER)), false),
    ("nor does it tag it without claiming it", (TEAM_A, HERE, NONE, Tag(PLAIN)), false),
    ("nor does it claim one that has an owner", (TEAM_A, HERE, OF_B, Tag(OF_A)), false),
    ("nor one of another cluster", (TEAM_A, HERE, OF_OTHER_CLUSTER, Tag(OF_A)), false),
    ("nor one whose owner tag has other letters",
        (TEAM_A, HERE, OF_B_IN_OTHER_LETTERS, Tag(OF_A)), false),
    ("a key pair without an owner is not deleted", (TEAM_A, HERE, NONE, Delete), false),
    ("nor are its tags", (TEAM_A, HERE, PLAIN, Untag("team")), false),

    ("a namespace tags its own key pair", (TEAM_A, HERE, OF_A, Tag(PLAIN)), true),
    ("and sets its own owner tag again", (TEAM_A, HERE, OF_A, Tag(OF_A)), true),
    ("and removes a tag", (TEAM_A, HERE, OF_A, Untag("team")), true),
    ("and releases it", (TEAM_A, HERE, OF_A, Untag(OWNER_TAG)), true),
    ("and deletes it", (TEAM_A, HERE, OF_A, Delete), true),
    ("but not one in another region", (TEAM_A, ELSEWHERE, OF_A, Delete), false),

    ("a key pair of another namespace is not deleted", (TEAM_A, HERE, OF_B, Delete), false),
    ("nor tagged", (TEAM_A, HERE, OF_B, Tag(PLAIN)), false),
    ("nor robbed of its owner tag", (TEAM_A, HERE, OF_B, Untag(OWNER_TAG)), false),
    ("nor one of a namespace whose name goes on", (TEAM_A, HERE, OF_AB, Delete), false),
    ("nor one of a namespace whose name is shorter", (TEAM_AB, HERE, OF_A, Delete), false),
    ("nor one of the namespace of this name in another cluster",
        (TEAM_A, HERE, OF_OTHER_CLUSTER, Delete), false),
    ("nor the other way round", (OTHER_CLUSTER, HERE, OF_A, Delete), false),
    ("nor one with owner tags in two spellings", (TEAM_A, HERE, OF_A_AND_B, Delete), false),

    ("a namespace does not give its key pair away", (TEAM_A, HERE, OF_A, Tag(OF_B)), false),
    ("nor to another cluster", (TEAM_A, HERE, OF_A, Tag(OF_OTHER_CLUSTER)), false),
    ("nor by a key in other letters", (TEAM_A, HERE, OF_A, Tag(OF_B_IN_OTHER_LETTERS)), false),
    ("nor by a second owner tag", (TEAM_A, HERE, OF_A, Tag(OF_A_AND_B)), false),

    ("shared reads list", (SHARED_READS, HERE, NONE, List), true),
    ("and read", (SHARED_READS, HERE, NONE, Get), true),
    ("but import nothing", (SHARED_READS, HERE, NONE, Import), false),
    ("nor claim anything", (SHARED_READS, HERE, NONE, Tag(OF_SHARED_READS)), false),
    ("nor delete what says that it is theirs", (SHARED_READS, HERE, OF_SHARED_READS, Delete),
        false),
    ("nor delete what is a namespace's", (SHARED_READS, HERE, OF_A, Delete), false),

    ("a session without the tag of a namespace reads", (NO_NAMESPACE, HERE, NONE, Get), true),
    ("but imports nothing", (NO_NAMESPACE, HERE, NONE, Import), false),
    ("and deletes nothing", (NO_NAMESPACE, HERE, OF_A, Delete), false),
    ("a session without the tag of a cluster reads", (NO_CLUSTER, HERE, NONE, Get), true),
    ("but does not import", (NO_CLUSTER, HERE, NONE, Import), false),
    ("and does not delete", (NO_CLUSTER, HERE, OF_A, Delete), false),

    ("nobody downloads the default key pair", (TEAM_A, HERE, NONE, Download), false),
    ("and nobody resets host keys", (TEAM_A, HERE, NONE, Reset), false),
];

/// Sessions of the role, whatever policy it has.
struct World {
    simulator: Simulator,
    clients: HashMap<(Tags, &'static str), Client>,
    pairs: AtomicUsize,
}

impl World {
    async fn new() -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let world = Self { simulator, clients: HashMap::new(), pairs: AtomicUsize::new(0) };
        world.attach(&document(&[]));
        let (simulator, mut clients) = (&world.simulator, HashMap::new());
        let operator = credentials_of(simulator.add_session(OPERATORS_ACCOUNT, OPERATOR, HOUR));
        let operator = client_config(simulator, operator, HERE).await;
        for &tags in SESSIONS {
            let session = assume(&operator, Ask { tags, ..ASK }).await.unwrap();
            for region in [HERE, ELSEWHERE] {
                let config = client_config(simulator, session.clone(), region).await;
                clients.insert((tags, region), Client::new(&config));
            }
        }
        let here = simulator.region(ACCOUNT, HERE);
        here.add_instance(INSTANCE);
        here.set_tags(INSTANCE, &[("lightsail-operator.dev/host-key-resets", Some("allowed"))]);
        Self { clients, ..world }
    }

    fn attach(&self, policy: &str) {
        let role = Role { name: ROLE.to_owned(), session_tags: true, ..Role::default() };
        self.simulator.set_role(ACCOUNT, role, Some(policy)).unwrap();
    }

    /// Whether the request is allowed. Each is about a new key pair.
    async fn allows(&self, (session, region, tags, call): Question) -> bool {
        let client = &self.clients[&(session, region)];
        let name = format!("pair-{}", self.pairs.fetch_add(1, Ordering::Relaxed));
        let there = self.simulator.region(ACCOUNT, region);
        if !matches!(call, Import) {
            there.import_key_pair(&name, KEY);
            let tags: Vec<_> = tags.iter().map(|(key, value)| (*key, Some(*value))).collect();
            there.set_tags(&name, &tags);
        }
        match call {
            Get => not_denied(client.get_key_pair().key_pair_name(name).send().await).is_some(),
            List => not_denied(client.get_key_pairs().send().await).is_some(),
            Import => {
                let import = client.import_key_pair().key_pair_name(name).public_key_base64(KEY);
                not_denied(import.send().await).is_some()
            }
            Delete => {
                not_denied(client.delete_key_pair().key_pair_name(name).send().await).is_some()
            }
            Tag(tags) => {
                let tag = |(key, value): &(&str, &str)| {
                    aws_sdk_lightsail::types::Tag::builder().key(*key).value(*value).build()
                };
                let tags = tags.iter().map(tag).collect();
                let request = client.tag_resource().resource_name(name).set_tags(Some(tags));
                not_denied(request.send().await).is_some()
            }
            Untag(key) => {
                let request = client.untag_resource().resource_name(name).tag_keys(key);
                not_denied(request.send().await).is_some()
            }
            Download => not_denied(client.download_default_key_pair().send().await).is_some(),
            Reset => {
                let request = client.delete_known_host_keys().instance_name(INSTANCE);
                not_denied(request.send().await).is_some()
            }
        }
    }
}

#[tokio::test]
async fn a_session_of_a_namespace_changes_the_key_pairs_of_the_namespace_only() {
    let world = World::new().await;
    let is_allowed = async |question| world.allows(question).await;
    let attach = |policy: &str| world.attach(policy);
    file_is_as_the_rows_say_and_no_part_is_idle("tenants", TENANTS, attach, is_allowed).await;
}

/// A row: a file that is attached to the role of the tenants too, and what that does to a namespace
/// or to shared reads. `true` is why the page says not to attach it.
#[rustfmt::skip]
const BESIDE: &[(&str, &str, Question, bool)] = &[
    ("a namespace deletes the key pairs of all others",
        "key-pairs", (TEAM_A, HERE, OF_B, Delete), true),
    ("a namespace takes the key pairs of any namespace of the other cluster",
        "key-pair-take-over", (TEAM_A, HERE, &[(OWNER_TAG, "old/team-b/target")], Tag(OF_A)), true),
    ("every namespace downloads the default private key",
        "default-key-pairs", (TEAM_A, HERE, NONE, Download), true),
    ("a namespace tags key pairs that are nobody's",
        "default-key-pairs", (TEAM_A, HERE, NONE, Tag(PLAIN)), true),
    ("every namespace resets the host keys of tagged instances",
        "host-key-resets", (TEAM_A, HERE, NONE, Reset), true),
    ("shared reads do not, whatever is attached beside",
        "host-key-resets", (SHARED_READS, HERE, NONE, Reset), false),
    ("nor do they import", "key-pairs", (SHARED_READS, HERE, NONE, Import), false),
    ("nor does anybody without the tag of a namespace",
        "host-key-resets", (NO_NAMESPACE, HERE, NONE, Reset), false),
    ("a protected key pair is protected from its namespace",
        "protected", (TEAM_A, HERE, &[
            (OWNER_TAG, "test/team-a/target"), ("lightsail-operator.dev/protected", "true"),
        ], Delete), false),
    ("and others are not", "protected", (TEAM_A, HERE, OF_A, Delete), true),
];

#[tokio::test]
async fn what_other_files_do_beside_that_of_the_tenants() {
    let world = World::new().await;
    for (name, file, question, wanted) in BESIDE {
        let mut both = statements("tenants.json", "any");
        both.extend(statements(&format!("{file}.json"), "any"));
        world.attach(&document(&both));
        assert_eq!(world.allows(*question).await, *wanted, "{file}: {name}");
    }
}
