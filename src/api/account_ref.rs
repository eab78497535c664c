//! How an object refers to the account that it uses.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema::is_object_name;

/// The `LightsailAccount` that an object uses.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRef {
    /// The name of a `LightsailAccount`, for example `production`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(is_object_name("self"))
        .message("accountRef.name must be the name of a LightsailAccount: lowercase letters, \
                  digits, - and .; write, for example, production"))]
    pub name: String,
}
