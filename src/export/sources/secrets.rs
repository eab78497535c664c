//! Keys in a Secret. Pure: `cluster.rs` reads it.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use zeroize::Zeroizing;

use super::lines;
use crate::api::LightsailKeyPair;
use crate::export::keys::{Keeper, Keys, Location};
use crate::secret::{self, PRIVATE_KEY};
use crate::ssh::{self, PrivateKey, PublicKey};

/// The longest name of a Secret that an object can refer to (`spec.generated.secret.name`).
const LONGEST_NAME: usize = 240;

/// Reads the keys of a Secret. `is_target`: whether the objects will be in its namespace.
/// `unreadable`: gets what is to be a private key and cannot be read, and why.
pub(in crate::export) fn add_secret(
    namespace: &str,
    secret: Secret,
    is_target: bool,
    keys: &mut Keys,
    unreadable: &mut Vec<(String, String)>,
) {
    let name = secret.metadata.name.clone().unwrap_or_default();
    let owner = secret::owner_of(&secret).map(str::to_owned);
    let data = secret.data.clone().unwrap_or_default().into_iter();
    let data = data.map(|(key, bytes)| (key, Zeroizing::new(bytes.0)));
    let found = secret::found(&name, secret, "");
    // Another controller that owns it writes it, and its keys go with that owner.
    let is_own = |owner: &OwnerReference| owner.kind == LightsailKeyPair::kind(&());
    let is_free = found.owners.iter().all(is_own);
    let is_free = is_free && found.rejects.is_none() && !found.is_terminating;
    let is_keeper = is_target && is_free && name.len() <= LONGEST_NAME;
    for (key, bytes) in data {
        let location = || Location::Secret {
            namespace: namespace.to_owned(),
            name: name.clone(),
            key: key.clone(),
        };
        let is_private = match PublicKey::parse_file(&bytes) {
            Ok(public) => {
                keys.add_public(&public, location());
                continue;
            }
            Err(why) => why.is_private(),
        };
        match is_private.then(|| PrivateKey::parse_file(&bytes)) {
            Some(Ok(private)) => {
                let keeper = (is_keeper && key == PRIVATE_KEY).then(|| Keeper {
                    name: name.clone(),
                    owner: owner.clone(),
                    forms: private.fingerprints(),
                });
                keys.add_private(&private, location(), keeper);
                continue;
            }
            // Others are keys of web servers, say, or speak of a private key in a comment.
            Some(Err(why)) if key == PRIVATE_KEY => {
                unreadable.push((location().to_string(), format!("it {why}")));
            }
            Some(Err(_)) | None => {}
        }
        for (_, public) in lines::find(&ssh::decode(&bytes)).keys {
            keys.add_public(&public, location());
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::key_pair::KeyAlgorithm;
    use crate::ssh::generate;

    fn secret(type_: &str, key: &str, value: &str) -> Secret {
        let data = [(key.to_owned(), ByteString(value.as_bytes().to_vec()))];
        Secret {
            metadata: ObjectMeta { name: Some("kept".to_owned()), ..ObjectMeta::default() },
            type_: Some(type_.to_owned()),
            data: Some(data.into_iter().collect()),
            ..Secret::default()
        }
    }

    /// The keys, the Secrets that objects can refer to, and the errors.
    fn found(secret: Secret, is_target: bool, key: &PrivateKey) -> (usize, usize, String) {
        let (mut keys, mut unreadable) = (Keys::default(), Vec::new());
        add_secret("team-a", secret, is_target, &mut keys, &mut unreadable);
        let form = key.fingerprints().forms()[0].as_str().into();
        let keepers = keys.find(&form).map_or(0, |key| key.keepers.len());
        let said = unreadable.into_iter().map(|(location, why)| format!("{location}: {why}"));
        (keys.len(), keepers, said.collect())
    }

    #[test]
    fn an_object_can_refer_to_a_secret_that_the_operator_can_write() {
        const SSH: &str = "kubernetes.io/ssh-auth";
        let key = generate(KeyAlgorithm::Ed25519).unwrap();
        let (private, public) = (key.expose_pem(), key.public().line());
        let kept = || secret(SSH, PRIVATE_KEY, private);
        let two = format!("# a\n{public}\nrestrict {public}\n");
        let words = format!("# the secret key is elsewhere\n{two}");
        let immutable = Secret { immutable: Some(true), ..kept() };
        let mut deleted = kept();
        deleted.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        let owned = |kind: &str| {
            let mut kept = kept();
            let owner = OwnerReference { kind: kind.to_owned(), ..OwnerReference::default() };
            kept.metadata.owner_references = Some(vec![owner]);
            kept
        };
        let mut long = kept();
        long.metadata.name = Some("a".repeat(241));
        for (name, secret, is_target, expected) in [
            ("kept", kept(), true, (1, 1)),
            ("in another namespace", kept(), false, (1, 0)),
            ("immutable", immutable, true, (1, 0)),
            ("being deleted", deleted, true, (1, 0)),
            ("with a long name", long, true, (1, 0)),
            ("another controller's", owned("ExternalSecret"), true, (1, 0)),
            ("an object's", owned("LightsailKeyPair"), true, (1, 1)),
            ("of another type", secret("Opaque", PRIVATE_KEY, private), true, (1, 0)),
            ("under another key", secret("Opaque", "id_ed25519", private), true, (1, 0)),
            ("a public key", secret("Opaque", "a.pub", public), true, (1, 0)),
            ("lines", secret("Opaque", "authorized_keys", &two), true, (1, 0)),
            ("a comment", secret("Opaque", "authorized_keys", &words), true, (1, 0)),
            ("a password", secret("Opaque", "password", "hunter2"), true, (0, 0)),
        ] {
            let (keys, keepers, said) = found(secret, is_target, &key);
            assert_eq!((keys, keepers, said.as_str()), (expected.0, expected.1, ""), "{name}");
        }
        let mut owned = kept();
        let labels = [("app.kubernetes.io/managed-by", crate::api::FIELD_MANAGER)];
        let annotations = [("lightsail-operator.dev/owner", "LightsailKeyPair/another")];
        let map = |of: [(&str, &str); 1]| of.map(|(key, value)| (key.into(), value.into())).into();
        owned.metadata.labels = Some(map(labels));
        owned.metadata.annotations = Some(map(annotations));
        let mut keys = Keys::default();
        add_secret("team-a", owned, true, &mut keys, &mut Vec::new());
        let form = key.fingerprints().forms()[0].as_str().into();
        let keeper = &keys.find(&form).unwrap().keepers[0];
        assert_eq!(keeper.owner.as_deref(), Some("another"));
    }

    #[test]
    fn a_private_key_that_cannot_be_read_is_reported_without_its_content() {
        let key = generate(KeyAlgorithm::Ed25519).unwrap();
        let cut = &key.expose_pem()[..200];
        let (_, _, said) = found(secret("kubernetes.io/ssh-auth", PRIVATE_KEY, cut), true, &key);
        assert!(said.contains("Secret team-a/kept ssh-privatekey: it is a damaged"), "{said}");
        assert!(!said.contains(&cut[100..140]), "{said}");
        let (_, _, said) = found(secret("Opaque", "tls.key", cut), true, &key);
        assert_eq!(said, "", "keys of others are not for SSH");
    }
}
