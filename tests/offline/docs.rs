//! The documentation: its links lead somewhere, what looks like YAML or JSON is that, and every
//! reason has an entry. What it tells people to run and to apply is run and applied in
//! `tests/control_plane/docs.rs`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a page has many kinds of parts, and few are of interest"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Tag, TagEnd};
use serde::Deserialize;

use crate::markdown::{blocks, pages, parse, read, root};

/// Where the links of a page lead.
fn links(text: &str) -> Vec<String> {
    let of = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.to_string())
        }
        _ => None,
    };
    parse(text).filter_map(of).collect()
}

/// The anchors of a page's headings, as GitHub makes them: lower case, without punctuation, hyphens
/// for spaces, and a number behind what was there before.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in parse(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let is_kept = |char: &char| char.is_alphanumeric() || " -_".contains(*char);
                let text: String =
                    heading.take().unwrap().to_lowercase().chars().filter(is_kept).collect();
                let anchor = text.replace(' ', "-");
                let times = seen.entry(anchor.clone()).or_default();
                anchors.insert(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
                *times += 1;
            }
            _ => {}
        }
    }
    anchors
}

/// What is wrong with a link, if anything.
fn trouble(page: &Path, link: &str) -> Option<String> {
    if let Some((scheme, _)) = link.split_once("://") {
        let uri: Result<http::Uri, _> = link.parse();
        let is_fine = scheme == "https"
            && uri.is_ok_and(|uri| uri.host().is_some_and(|host| host.contains('.')));
        return (!is_fine).then(|| "is no https address".to_owned());
    }
    let (path, anchor) =
        link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { page.to_owned() } else { page.parent().unwrap().join(path) };
    let mut plain = PathBuf::new();
    for part in target.components() {
        if part == Component::ParentDir {
            if !plain.pop() {
                return Some("leads out of the project".to_owned());
            }
        } else {
            plain.push(part);
        }
    }
    if !root().join(&plain).exists() {
        return Some("leads nowhere".to_owned());
    }
    let anchor = anchor?;
    (!anchors(&read(&plain)).contains(anchor)).then(|| "has an anchor that is not there".to_owned())
}

#[test]
fn every_link_leads_somewhere() {
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages() {
        for link in links(&read(&page)) {
            count += 1;
            wrong.extend(
                trouble(&page, &link)
                    .map(|trouble| format!("{}: {link} {trouble}", page.display())),
            );
        }
    }
    assert!(count > 100, "{count} links");
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn wrong_links_are_found() {
    let page = Path::new("docs/metrics.md");
    for link in [
        "troubleshooting.md#throttling",
        "#alerts",
        "../README.md",
        "iam/key-pairs.json",
        "https://example.com/a#b",
    ] {
        assert_eq!(trouble(page, link), None, "{link}");
    }
    for link in [
        "nowhere.md",
        "#nowhere",
        "troubleshooting.md#nowhere",
        "../../x",
        "http://example.com",
        "https://localhost",
    ] {
        assert!(trouble(page, link).is_some(), "{link}");
    }
}

/// What a block may be called, and what is done with it in tests.
const BLOCKS: &[&str] = &[
    "yaml",          // applied, or parsed if it is somebody else's kind
    "yaml fragment", // parsed
    "yaml values",   // values of the chart: it is rendered with them
    "sh",            // run
    "console",       // run, and what it prints is compared
    "json",
    "promql",
    "text",
    "lua",
    "hcl",
    "python",
    "javascript",
    "rust",
    "mermaid",
];

#[test]
fn blocks_are_what_they_are_called() {
    let mut count = 0;
    for page in pages() {
        for block in blocks(&read(&page)) {
            let (info, text) = (block.info.as_str(), &block.text);
            assert!(BLOCKS.contains(&info), "{}: {info:?} is not known: {text}", page.display());
            if info.starts_with("yaml") {
                for document in serde_yaml_ng::Deserializer::from_str(text) {
                    let parsed = serde_yaml_ng::Value::deserialize(document);
                    assert!(
                        parsed.is_ok_and(|it| it.is_mapping()),
                        "{}: no YAML: {text}",
                        page.display()
                    );
                }
            }
            if info == "json" {
                assert!(
                    serde_json::from_str::<serde_json::Value>(text).is_ok(),
                    "{}: no JSON: {text}",
                    page.display()
                );
            }
            count += 1;
        }
    }
    assert!(count > 50, "{count} blocks");
}

/// Nobody can change a reset, so a reader who applies two examples with the same name gets an error
/// if they differ.
#[test]
fn resets_with_the_same_name_are_the_same_on_all_pages() {
    let mut texts: Vec<(String, String)> = Vec::new();
    for page in pages() {
        let of_page = blocks(&read(&page)).into_iter().filter(|block| block.info == "yaml");
        texts.extend(of_page.map(|block| (page.display().to_string(), block.text)));
    }
    for entry in std::fs::read_dir(root().join("deploy/samples")).unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    let (mut specs, mut places) = (BTreeMap::new(), 0);
    for (place, text) in texts {
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let object = serde_json::Value::deserialize(document).unwrap();
            if object["kind"] != "HostKeyReset" {
                continue;
            }
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
            let at = format!("{namespace}/{}", object["metadata"]["name"]);
            let spec = object["spec"].clone();
            let (first, there) = specs.entry(at).or_insert((place.clone(), spec.clone()));
            assert_eq!(*there, spec, "in {first} and in {place}");
            places += 1;
        }
    }
    assert!(places > specs.len() && specs.len() > 2, "{places} places");
}

/// Nothing is published under the placeholder `OWNER`, so whoever shows an address with it says
/// when it works.
#[test]
fn what_cannot_be_fetched_yet_is_said() {
    const WORDS: [&str; 3] = ["the first release", "Until a chart is published", "no release yet"];
    let mut texts: Vec<(PathBuf, String)> = Vec::new();
    for page in pages() {
        let text = read(&page);
        let is_address = |text: &str| text.contains("/OWNER/");
        if blocks(&text).iter().any(|block| is_address(&block.text)) {
            texts.push((page, text));
        }
    }
    let flux = PathBuf::from("deploy/flux/operator/release.yaml");
    texts.push((flux.clone(), read(&flux).replace("\n# ", " ")));
    assert!(texts.len() > 10, "{} files", texts.len());
    for (path, text) in texts {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(WORDS.iter().any(|words| text.contains(words)), "{}", path.display());
    }
}

/// Each word has one row in one of the tables, and no row is for a word that is not there.
#[test]
fn every_reason_has_an_entry_in_the_troubleshooting_page() {
    let source = std::fs::read_to_string(root().join("src/api/reason.rs")).unwrap();
    let body = source.split("reasons! {\n").nth(1).unwrap().split("\n}").next().unwrap();
    let mut words: Vec<&str> =
        body.lines().filter_map(|line| line.trim().strip_suffix(',')).collect();
    words.sort_unstable();
    let page = read(Path::new("docs/troubleshooting.md"));
    let row = |line: &'_ str| {
        line.strip_prefix("| `")
            .and_then(|rest| rest.split_once("` |"))
            .map(|(word, _)| word.to_owned())
    };
    let mut entries: Vec<String> =
        page.lines().filter_map(row).filter(|word| word.chars().all(char::is_alphabetic)).collect();
    entries.retain(|word| word.starts_with(char::is_uppercase));
    entries.sort_unstable();
    assert!(words.len() > 30);
    assert_eq!(entries, words);
}

/// Who follows a page gets the version that it describes.
#[test]
fn pages_name_this_version() {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    for (path, name, end) in [
        ("docs/gitops.md", "targetRevision", '*'),
        ("deploy/flux/operator/release.yaml", "semver", 'x'),
    ] {
        let range = format!("{name}: {major}.{minor}.{end}\n");
        assert!(read(Path::new(path)).contains(&range), "{path} does not have {range}");
    }
    let mut count = 0;
    for page in pages() {
        for rest in read(&page).split("?ref=v").skip(1) {
            assert!(
                rest.starts_with(env!("CARGO_PKG_VERSION")),
                "{}: {}",
                page.display(),
                rest.lines().next().unwrap()
            );
            count += 1;
        }
    }
    assert!(count >= 2, "{count} places");
}

/// Whatever creates the operator's namespace.
#[test]
fn the_operators_namespace_is_restricted() {
    let label = "pod-security.kubernetes.io/enforce";
    let namespace = "metadata:\n  name: lightsail-operator\n  labels:\n    ";
    for (path, labels) in [
        ("deploy/base/namespace.yaml", namespace),
        ("deploy/flux/operator/namespace.yaml", namespace),
        ("docs/gitops.md", "    managedNamespaceMetadata:\n      labels:\n        "),
    ] {
        let restricted = format!("{labels}{label}: restricted\n");
        assert!(read(Path::new(path)).contains(&restricted), "{path}");
    }
    assert!(read(Path::new("docs/install.md")).contains(&format!("{label}=restricted\n")));
}

/// The code that a sentence names is there, below the project or the page's own folder.
#[test]
fn files_of_code_that_pages_name_are_there() {
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages() {
        let folder = root().join(page.parent().unwrap());
        for event in parse(&read(&page)) {
            let Event::Code(code) = event else { continue };
            let is_path = ["src/", "tests/", "testbed/"].iter().any(|it| code.starts_with(it));
            if !is_path || code.contains('*') {
                continue;
            }
            let path = code.split(' ').next().unwrap();
            let is_there = root().join(path).exists() || folder.join(path).exists();
            wrong.extend((!is_there).then(|| format!("{}: {code}", page.display())));
            count += 1;
        }
    }
    assert!(count > 30, "{count} files");
    assert_eq!(wrong, [""; 0]);
}

/// The targets of `make` that a sentence names are there.
#[test]
fn targets_are_those_of_the_makefile() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut count = 0;
    for page in pages() {
        for event in parse(&read(&page)) {
            let Event::Code(code) = event else { continue };
            let Some(words) = code.strip_prefix("make ") else { continue };
            for target in words.split(' ').take_while(|word| !word.contains('=')) {
                let is_there = makefile.contains(&format!("\n{target}: "));
                assert!(is_there, "{}: there is no target {target}", page.display());
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count} targets");
}

/// The flags of the operator that a page names are there.
#[test]
fn flags_are_those_of_the_operator() {
    let mut command = <lightsail_operator::config::Config as clap::CommandFactory>::command();
    let help = command.render_long_help().to_string();
    let export = command.find_subcommand_mut("export").unwrap().render_long_help().to_string();
    let help = [help, export].concat();
    let mut count = 0;
    for page in pages() {
        for event in parse(&read(&page)) {
            let Event::Code(code) = event else { continue };
            let flag = code.split(['=', ' ']).next().unwrap();
            if let Some(name) = flag.strip_prefix("--").filter(|_| !OTHERS_FLAGS.contains(&flag)) {
                assert!(
                    help.contains(&format!("--{name} ")) || help.contains(&format!("--{name}\n")),
                    "{}: {flag}",
                    page.display()
                );
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count} flags");
}

/// Flags of others that pages name: the simulator, the API server, Helm, kubectl, aws.
#[rustfmt::skip]
const OTHERS_FLAGS: &[&str] = &[
    "--address", "--port", "--access-key-id", "--secret-access-key", "--instance",
    "--default-key-pair", "--windows-instance", "--switch", "--policy", "--request-log",
        "--kept-requests",
    "--no-memory-limit",
    "--event-ttl",
    "--disable-session-tags",
    "--dry-run", "--force", "--force-conflicts", "--server-side", "--set", "--set-file",
        "--take-ownership", "--wait",
    "--as", "--as-group",
];
