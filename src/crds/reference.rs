//! `docs/reference.md`: every field of the CRDs as a row of a table, from their schemas.

use std::fmt::Write;

use serde_json::Value;

const INTRODUCTION: &str = "\
<!-- Generated from src/api by `make crds`. Do not edit. -->

# Reference

Every field of the custom resources, as `kubectl explain` describes it. The API version is
`lightsail-operator.dev/v1alpha1`. [Refused by the API server](reasons.md#refused-by-the-api-server)
lists the rules for a spec, and [troubleshooting.md](troubleshooting.md) explains the reasons in
conditions.

`conditions` are those of Kubernetes, with the fields `type`, `status`, `reason`, `message`,
`lastTransitionTime` and `observedGeneration`.
";

/// The page, with a section for each CRD.
pub(super) fn page(crds: &[Value]) -> String {
    let sections: Vec<String> = crds.iter().map(section).collect();
    format!("{INTRODUCTION}{}", sections.concat())
}

fn section(crd: &Value) -> String {
    let names = &crd["spec"]["names"];
    let kind = text(&names["kind"]);
    let fields = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let (spec, status) = (&fields["spec"], &fields["status"]);
    let scope = text(&crd["spec"]["scope"]).to_lowercase();
    let mut section = format!(
        "\n## {kind}\n\n{}\n\nScope: {scope}. Short name: `{}`.\n\n### {kind} spec\n\n",
        prose(text(&spec["description"])),
        text(&names["shortNames"][0]),
    );
    section += "| field | type | default | description |\n|---|---|---|---|\n";
    for Field { path, schema, is_required } in fields_of(spec, "") {
        let (type_, about) = (type_of(schema), prose(text(&schema["description"])));
        let default = if is_required { "required".to_owned() } else { default_of(schema) };
        let _ = writeln!(section, "| `{path}` | {type_} | {default} | {about} |");
    }
    let _ = writeln!(section, "\n### {kind} status\n");
    section += "| field | type | description |\n|---|---|---|\n";
    for Field { path, schema, .. } in fields_of(status, "") {
        let (type_, about) = (type_of(schema), prose(text(&schema["description"])));
        let _ = writeln!(section, "| `{path}` | {type_} | {about} |");
    }
    section
}

struct Field<'a> {
    path: String,
    schema: &'a Value,
    is_required: bool,
}

/// The fields of an object, each followed by those inside it.
fn fields_of<'a>(object: &'a Value, prefix: &str) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    for (name, schema) in object["properties"].as_object().into_iter().flatten() {
        let required = object["required"].as_array().into_iter().flatten();
        let is_required = required.into_iter().any(|required| required == name);
        let path = format!("{prefix}{name}");
        fields.push(Field { path: path.clone(), schema, is_required });
        if name != "conditions" {
            fields.extend(fields_of(schema, &format!("{path}.")));
            fields.extend(fields_of(&schema["items"], &format!("{path}[].")));
        }
    }
    fields
}

/// The type of a value and its limits, for example "string (2 to 255 characters)".
fn type_of(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", text(value))).collect();
        return values.join(", ");
    }
    match text(&schema["type"]) {
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        "string" => limited("string", schema, "Length", " characters"),
        "integer" => limited("integer", schema, "imum", ""),
        "array" => limited("list", schema, "Items", " items") + " of " + &type_of(&schema["items"]),
        "object" if schema["additionalProperties"].is_object() => {
            let map = limited("map", schema, "Properties", " entries");
            map + " of " + &type_of(&schema["additionalProperties"])
        }
        other => other.to_owned(),
    }
}

/// The type with the limits that the schema names `min…` and `max…`.
fn limited(type_: &str, schema: &Value, of: &str, unit: &str) -> String {
    let limit =
        |which: &str| schema[format!("{which}{of}")].as_f64().map(|limit| limit.to_string());
    match (limit("min"), limit("max")) {
        (Some(min), Some(max)) if min == max => format!("{type_} ({max}{unit})"),
        (Some(min), Some(max)) => format!("{type_} ({min} to {max}{unit})"),
        (Some(min), None) => format!("{type_} (at least {min}{unit})"),
        (None, Some(max)) => format!("{type_} (at most {max}{unit})"),
        (None, None) => type_.to_owned(),
    }
}

fn default_of(schema: &Value) -> String {
    let default = &schema["default"];
    match default.as_str() {
        Some(text) => format!("`{text}`"),
        None if default.is_null() => String::new(),
        None => format!("`{default}`"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A description on one line: its paragraphs one behind the other, the items of its lists as
/// sentences, and outside of code nothing that Markdown or HTML would take for its own.
fn prose(description: &str) -> String {
    let lines = description.lines().filter(|line| !line.is_empty());
    let line: Vec<&str> = lines.map(|line| line.strip_prefix("- ").unwrap_or(line)).collect();
    let mut prose = String::new();
    let mut in_code = false;
    for char in line.join(" ").chars() {
        in_code ^= char == '`';
        if char == '|' || (!in_code && "*_<".contains(char)) {
            prose.push('\\');
        }
        prose.push(char);
    }
    prose
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_written_with_its_limits() {
        for (schema, expected) in [
            (json!({ "type": "boolean" }), "boolean"),
            (json!({ "type": "string", "enum": ["A", "B"] }), "`A`, `B`"),
            (json!({ "type": "string", "format": "date-time", "maxLength": 35 }), "time"),
            (json!({ "type": "string", "maxLength": 9 }), "string (at most 9 characters)"),
            (json!({ "type": "integer", "minimum": 30.0, "maximum": 60.0 }), "integer (30 to 60)"),
            (
                json!({ "type": "array", "minItems": 2, "items": { "type": "object" } }),
                "list (at least 2 items) of object",
            ),
        ] {
            assert_eq!(type_of(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_field_is_followed_by_those_inside_it() {
        let inner = json!({ "properties": { "id": {} }, "required": ["id"] });
        let object = json!({ "properties": {
            "conditions": { "items": inner }, "list": { "items": inner }, "object": inner,
        }});
        let fields: Vec<(String, bool)> =
            fields_of(&object, "").into_iter().map(|at| (at.path, at.is_required)).collect();
        let expected = [
            ("conditions", false),
            ("list", false),
            ("list[].id", true),
            ("object", false),
            ("object.id", true),
        ];
        assert_eq!(fields, expected.map(|(path, required)| (path.to_owned(), required)));
    }

    #[test]
    fn a_description_fits_into_a_table() {
        let description = "Any of:\n\n- `A|B_*`: one.\n- `C`: a_<b> *.";
        assert_eq!(prose(description), r"Any of: `A\|B_*`: one. `C`: a\_\<b> \*.");
    }
}
