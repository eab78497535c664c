//! Keys in a Secret. Pure: `cluster.rs` reads it.

use k8s_openapi::api::core::v1::Secret;
use zeroize::Zeroizing;

use crate::export::keys::{Keeper, Keys, Place};
use crate::export::report::Report;
use crate::secret::{self, PRIVATE_KEY};
use crate::ssh::{PrivateKey, PublicKey};

/// The longest name of a Secret that an object can refer to (`spec.generated.secret.name`).
const LONGEST_NAME: usize = 240;

/// Reads the keys of a Secret. `is_target`: whether the objects will be in its namespace.
pub(in crate::export) fn add_secret(
    namespace: &str,
    secret: Secret,
    is_target: bool,
    keys: &mut Keys,
    report: &Report,
) {
    let name = secret.metadata.name.clone().unwrap_or_default();
    let marked_for = secret::marked_for(&secret).map(str::to_owned);
    let data = secret.data.clone().unwrap_or_default().into_iter();
    let data = data.map(|(key, bytes)| (key, Zeroizing::new(bytes.0)));
    let found = secret::found(&name, secret, "");
    let is_keeper =
        is_target && found.rejects.is_none() && !found.is_terminating && name.len() <= LONGEST_NAME;
    for (key, bytes) in data {
        let place = || Place::Secret {
            namespace: namespace.to_owned(),
            name: name.clone(),
            key: key.clone(),
        };
        match PublicKey::parse_file(&bytes) {
            Ok(public) => keys.add_public(&public, place()),
            Err(why) if why.is_private() => match PrivateKey::parse_file(&bytes) {
                Ok(private) => {
                    let keeper = (is_keeper && key == PRIVATE_KEY).then(|| Keeper {
                        name: name.clone(),
                        marked_for: marked_for.clone(),
                        forms: private.fingerprints(),
                    });
                    keys.add_private(&private, place(), keeper);
                }
                // Others are keys of web servers, say.
                Err(why) if key == PRIVATE_KEY => report.error(&format!("{}: it {why}", place())),
                Err(_) => {}
            },
            Err(_) => {}
        }
    }
}
