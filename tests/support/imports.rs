//! Which files of a crate use which others, read from the paths in their code.
//!
//! A path is followed as far as it names modules: `crate::a::b::Thing` leads to the file of `a::b`.
//! A re-export is an arrow of the file that has it; who uses it has an arrow to that file.

use std::collections::{BTreeMap, BTreeSet};

/// A crate: its files by the path of their module.
pub(crate) struct Crate {
    name: String,
    modules: BTreeMap<Vec<String>, (String, String)>,
    /// Files that no other one names: `main.rs` and those of `bin/`.
    roots: Vec<(String, String)>,
}

impl Crate {
    /// Of these files below `folder`, each with its text.
    pub(crate) fn new(name: &str, folder: &str, files: Vec<(String, String)>) -> Self {
        let (mut modules, mut roots) = (BTreeMap::new(), Vec::new());
        for (file, text) in files {
            let text = code(&text);
            let path = file.strip_prefix(folder).unwrap_or(&file).trim_start_matches('/');
            if path == "main.rs" || path.starts_with("bin/") {
                roots.push((file, text));
                continue;
            }
            let parts = path.trim_end_matches(".rs").split('/').map(str::to_owned);
            let mut module: Vec<String> = parts.collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            modules.insert(module, (file, text));
        }
        Self { name: name.to_owned(), modules, roots }
    }

    /// Each file with each other one that it uses.
    pub(crate) fn arrows(&self) -> BTreeSet<(String, String)> {
        let mut arrows = BTreeSet::new();
        let roots = self.roots.iter().map(|(file, text)| (None, file, text));
        let modules = self.modules.iter().map(|(at, (file, text))| (Some(at), file, text));
        for (module, file, text) in roots.chain(modules) {
            for path in self.paths(module, text) {
                let target = self.file_of(&path);
                arrows.extend(target.filter(|to| *to != file).map(|to| (file.clone(), to.clone())));
            }
        }
        arrows
    }

    /// The paths in a file, each from the root of the crate.
    fn paths(&self, module: Option<&Vec<String>>, text: &str) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        let own: Vec<String> = module.cloned().unwrap_or_default();
        let crate_name = format!("{}::", self.name);
        for (start, _) in text.match_indices("::") {
            let before = &text[..start];
            let word_start = before.rfind(|char: char| !is_word(char)).map_or(0, |at| at + 1);
            let word = &before[word_start..];
            // Only the first word of a path counts.
            if before[..word_start].ends_with("::") {
                continue;
            }
            let base = match word {
                "crate" => Vec::new(),
                "self" => own.clone(),
                "super" => own[..own.len().saturating_sub(1)].to_vec(),
                _ if crate_name.trim_end_matches(':') == word => Vec::new(),
                _ if self.modules.contains_key(&[&own[..], &[word.to_owned()]].concat()) => {
                    [&own[..], &[word.to_owned()]].concat()
                }
                _ => continue,
            };
            follow(&text[start + 2..], base, &mut found);
        }
        found
    }

    /// The file of the longest part of a path that is a module.
    fn file_of(&self, path: &[String]) -> Option<&String> {
        let parts = (0..=path.len()).rev().find_map(|end| self.modules.get(&path[..end]));
        parts.map(|(file, _)| file)
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Follows a path, or a tree of them in braces. The rest of the text after it.
fn follow<'a>(text: &'a str, mut base: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            if rest.is_empty() {
                return rest;
            }
            let after = follow(rest, base.clone(), found);
            // What is not a path (`D as E`) is passed over.
            let end = after.find([',', '}']).unwrap_or(after.len());
            rest = &after[end..];
        }
    }
    let end = text.find(|char: char| !is_word(char)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    match word {
        "super" => drop(base.pop()),
        "self" | "" => {}
        _ => base.push(word.to_owned()),
    }
    match rest.strip_prefix("::") {
        Some(rest) if !word.is_empty() => follow(rest, base, found),
        _ => {
            found.push(base);
            rest
        }
    }
}

/// Without comments, and without the places to which a visibility is restricted.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut parts = text.split("pub(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.filter_map(|part| Some(part.split_once(')')?.1)).collect::<String>()
}

/// The sets of files that use each other in a circle.
pub(crate) fn circles(arrows: &BTreeSet<(String, String)>) -> Vec<BTreeSet<String>> {
    let mut reached: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for (from, _) in arrows {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            let used = arrows.iter().filter(|(other, _)| other == file).map(|(_, to)| to);
            next.extend(used.filter(|to| seen.insert(*to)));
        }
        reached.insert(from, seen);
    }
    let meets = |one: &String, other: &String| {
        reached.get(one).is_some_and(|seen| seen.contains(other))
            && reached.get(other).is_some_and(|seen| seen.contains(one))
    };
    let mut circles = BTreeSet::new();
    for file in reached.keys().filter(|file| meets(file, file)) {
        let others = reached.keys().filter(|other| meets(file, other));
        circles.insert(others.map(|other| (*other).clone()).collect::<BTreeSet<String>>());
    }
    circles.into_iter().collect()
}
