//! Schemas that Kubernetes fixes and that no type of ours can derive.

use schemars::{Schema, SchemaGenerator, json_schema};

/// `metav1.Condition` as a list-map by type, with upstream's limits.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "What the last reconciliation found, in the words of the Kubernetes API \
                        conventions.",
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "type": {
                    "description": "The type of the condition, in one CamelCase word.",
                    "type": "string",
                    "maxLength": 316,
                    "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
                },
                "status": {
                    "description": "The status: True, False or Unknown.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"]
                },
                "observedGeneration": {
                    "description": "The generation of the spec that this condition describes.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0
                },
                "lastTransitionTime": {
                    "description": "When the status of this condition last changed.",
                    "type": "string",
                    "format": "date-time"
                },
                "reason": {
                    "description": "The reason, in one CamelCase word: the same in Events, \
                                    metrics and the documentation.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": {
                    "description": "A human-readable message.",
                    "type": "string",
                    "maxLength": 32768
                }
            }
        }
    })
}

/// Tags of Lightsail, with its limits; a few places of the 50 are left to others.
pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    text_map(40, 256)
}

/// In a CEL rule: whether these can be the keys of tags, and this the value of a key.
pub(super) fn are_tags(value: &str) -> String {
    let character = r"[\\p{L}\\p{N} +=._:/@-]";
    format!(
        "self.all(key, key.matches('^{character}{{1,128}}$') && \
         {value}.matches('^{character}*$'))"
    )
}

/// Labels of Kubernetes.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    text_map(20, 63)
}

fn text_map(entries: u32, length: u32) -> Schema {
    let value = json_schema!({ "type": "string", "maxLength": length });
    json_schema!({ "type": "object", "maxProperties": entries, "additionalProperties": value })
}

/// A time as RFC 3339.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "nullable": true })
}

/// A time as RFC 3339 that a user writes. The schema's format would let pass what is no time (a
/// month of 13), or not one that every part of the system can read, and refuses in words that help
/// nobody. Which days a month has, `timestamp` knows.
pub(super) fn future_time(_: &mut SchemaGenerator) -> Schema {
    let time = "2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:\
                [0-5][0-9]([.][0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])";
    json_schema!({
        "type": "string",
        "maxLength": 35,
        "x-kubernetes-validations": [{
            "rule": format!("self.matches('^{time}$') && timestamp(self) == timestamp(self)"),
            "message": "notAfter must be a time in RFC 3339; write, for example, \
                        2026-12-01T00:00:00Z",
        }],
    })
}

/// A number of seconds, as Jobs have it.
pub(super) fn seconds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": i32::MAX })
}

/// The ARN of an instance.
pub(super) fn instance_arn(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 200,
        "x-kubernetes-validations": [{
            "rule": r"self.matches('^arn:aws[a-z-]*:lightsail:[a-z0-9-]+:[0-9]{12}:Instance/[A-Za-z0-9-]+$')",
            "message": "instanceARN must look like \
                        arn:aws:lightsail:<region>:<account>:Instance/<id>; `aws lightsail \
                        get-instance` prints it as arn",
        }]
    })
}

/// What stands for a generation until the first reconciliation.
pub(super) fn never_observed() -> i64 {
    -1
}

/// An integer that is -1 until the first reconciliation.
pub(super) fn observed_generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "default": -1 })
}

/// In a CEL rule: whether this is a name that an object can have, RFC 1123.
pub(super) fn is_object_name(value: &str) -> String {
    let part = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    format!("{value}.matches('^{part}([.]{part})*$')")
}

/// A count that is at least 1.
pub(super) fn positive(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": i32::MAX })
}

/// A text that keeps a rule.
fn text(length: u32, rule: &str, message: &str) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": length,
        "x-kubernetes-validations": [{ "rule": rule, "message": message }],
    })
}

/// A list of texts.
fn texts(least: u32, text: &Schema) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": least,
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "items": text,
    })
}

/// The name of a namespace.
pub(super) fn namespace_name(_: &mut SchemaGenerator) -> Schema {
    let message = "the name of a namespace has at most 63 lowercase letters, digits and -; write, \
                   for example, team-a";
    text(63, "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')", message)
}

/// Names of namespaces.
pub(super) fn namespace_names(generator: &mut SchemaGenerator) -> Schema {
    texts(1, &namespace_name(generator))
}

/// AWS regions.
pub(super) fn regions(_: &mut SchemaGenerator) -> Schema {
    let message = "a region must be the name of an AWS region, not of a zone; write, for example, \
                   eu-west-1";
    texts(1, &text(32, "self.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]+$')", message))
}

/// Names of key pairs, or beginnings of them.
pub(super) fn key_pair_names(_: &mut SchemaGenerator) -> Schema {
    let rule = r"self.matches('^([A-Za-z0-9_][A-Za-z0-9_.-]*[*]?|[*]|[$][(]namespace[)]_[*])$')";
    let message = "a name must be exact, a prefix followed by *, $(namespace)_*, or * for every \
                   name; with $(namespace) in any other place, one namespace could use another's \
                   names";
    texts(1, &text(253, rule, message))
}

/// Ids of clusters.
pub(super) fn cluster_ids(_: &mut SchemaGenerator) -> Schema {
    let message = "the ID of a cluster has at most 64 letters, digits and . _ -; the default ID is \
                   the UID of the namespace kube-system";
    texts(0, &text(64, "self.matches('^[A-Za-z0-9._-]+$')", message))
}

/// In a CEL rule: whether this is a key that a label can have.
fn is_label_key(key: &str) -> String {
    let part = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
    let name = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
    format!("{key}.matches('^({part}([.]{part})*/)?{name}$') && {key}.indexOf('/') <= 253")
}

/// In a CEL rule: whether this is a value that a label can have.
fn is_label_value(value: &str) -> String {
    format!("{value}.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?)?$')")
}

/// A selector of labels, as Kubernetes has it. `access` checks the same of objects from before
/// these rules.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let message = "key must be the key of a label: at most 63 letters, digits, -, _ and ., alone \
                   or after a DNS name and a /; write, for example, team";
    let mut key = text(317, &is_label_key("self"), message);
    key.insert("description".to_owned(), "The key of the label.".into());
    let value = json_schema!({
        "type": "string",
        "maxLength": 63,
        "x-kubernetes-validations": [{
            "rule": is_label_value("self"),
            "message": "each of values must be the value of a label: at most 63 letters, digits, \
                        -, _ and ., with a letter or digit at each end; write, for example, team-a",
        }],
    });
    let are_labels =
        format!("self.all(key, {} && {})", is_label_key("key"), is_label_value("self[key]"));
    json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "description": "Labels that the namespace must have, with these values.",
                "type": "object",
                "maxProperties": 64,
                "additionalProperties": { "type": "string", "maxLength": 63 },
                "x-kubernetes-validations": [{
                    "rule": are_labels,
                    "message": "matchLabels must have keys and values of labels: at most 63 \
                                letters, digits, -, _ and ., with a letter or digit at each end, \
                                and a key alone or after a DNS name and a /; write, for example, \
                                team: a",
                }],
            },
            "matchExpressions": {
                "description": "Requirements that must all be met.",
                "type": "array",
                "maxItems": 64,
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": key,
                        "operator": {
                            "description": "`In`: the value of the label is in `values`. `NotIn`: \
                                            it is not, or the namespace lacks the label. \
                                            `Exists`: the namespace has the label. \
                                            `DoesNotExist`: it does not.",
                            "type": "string",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "The values, for `In` and `NotIn`.",
                            "type": "array",
                            "maxItems": 64,
                            "items": value,
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == \
                                 (has(self.values) && size(self.values) > 0)",
                        "message": "In and NotIn need values, and Exists and DoesNotExist must \
                                    have none; add or remove them",
                    }],
                },
            },
        },
    })
}
