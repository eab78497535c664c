//! Who follows a page of docs/how-to: files are saved under the names that the page gives them,
//! commands run in a shell against an operator at work, and what the page shows is compared with
//! what there is to see.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use pulldown_cmark::{Event, Tag};
use tempfile::TempDir;
use testbed::cluster::Output;

use crate::bed::{Bed, DEADLINE, POLL};
use crate::docs::{VARYING, run};
use crate::markdown::{Block, blocks, parse, read};

/// The AWS CLI. What it prints of Lightsail is left in a file. Other services are not simulated: it
/// checks its arguments, and the simulator refuses the request. A document, as a policy is one,
/// must be JSON without placeholders.
pub(crate) const AWS: &str = r#"
if [[ $1 == lightsail ]]; then
  aws "$@" | tee --append printed-by-aws
  exit
fi
for argument; do
  [[ $argument != file://* ]] || argument=$(< "${argument#file://}")
  [[ $argument != "{"* ]] ||
    jq --exit-status 'tostring | test("<[A-Z_]+>") | not' <<< "$argument" > /dev/null
done
# IAM has no regions, but with an endpoint that is set the CLI wants to know one.
[[ $1 != iam ]] || export AWS_DEFAULT_REGION=us-east-1
said=$(aws "$@" 2>&1) || [[ $said == *"An error occurred ("*" when calling the "* ]] || {
  echo "$said" >&2
  exit 1
}"#;

/// Follows one page.
pub(crate) struct Reader {
    pub(crate) bed: Bed,
    page: &'static str,
    /// What stands on the page, and what it is here.
    here: Vec<(&'static str, String)>,
    folder: TempDir,
    /// How many blocks have been followed.
    followed: usize,
}

impl Reader {
    /// The namespace of the page is the bed's.
    pub(crate) fn new(bed: Bed, page: &'static str) -> Self {
        let here = vec![("team-a", bed.namespace.clone())];
        Self { bed, page, here, folder: tempfile::tempdir().unwrap(), followed: 0 }
    }

    /// Reads this wherever the page has that.
    pub(crate) fn reads(&mut self, on_page: &'static str, here: &str) {
        self.here.push((on_page, here.to_owned()));
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// A program that this machine lacks, as a script of bash.
    pub(crate) fn program(&self, name: &str, script: &str) {
        write_program(self.folder.path(), name, script);
    }

    /// A program that talks to the simulated AWS.
    pub(crate) async fn program_with_aws(&self, name: &str, script: &str) {
        let variables = self.bed.options(None).await.environment;
        let export = |(name, value): &(String, String)| format!("export {name}='{value}'\n");
        self.program(name, &(variables.iter().map(export).collect::<String>() + script));
    }

    pub(crate) async fn sh(&self, script: &str) -> Output {
        let script = format!("PATH=$PWD/bin:$PATH\n{script}");
        run(&self.bed.cluster, &self.bed.namespace, self.folder.path(), &script).await
    }

    /// Follows the page from where it was left, up to the block with these words.
    pub(crate) async fn follow_until(&mut self, words: &str) {
        let rest = self.rest();
        let end = rest.iter().position(|(_, block)| block.text.contains(words));
        assert!(end.is_some(), "{}: no {words}", self.page);
        self.follow_blocks(rest.into_iter().take(end.unwrap() + 1)).await;
    }

    /// Follows the page from where it was left to its end.
    pub(crate) async fn follow(&mut self) {
        let rest = self.rest();
        assert!(rest.iter().any(|(_, block)| block.info == "console"), "nothing is compared");
        self.follow_blocks(rest.into_iter()).await;
    }

    fn rest(&self) -> Vec<(Option<String>, Block)> {
        let text = read(&Path::new("docs/how-to").join(self.page));
        for (on_page, _) in &self.here {
            assert!(text.contains(on_page), "{}: no {on_page}", self.page);
        }
        parts(&text).split_off(self.followed)
    }

    /// A text of the page, as it is here.
    fn here(&self, text: &str) -> String {
        let replace = |text: String, (on_page, here): &(&str, String)| text.replace(on_page, here);
        self.here.iter().fold(text.to_owned(), replace)
    }

    async fn follow_blocks(&mut self, all: impl Iterator<Item = (Option<String>, Block)>) {
        for (file, Block { info, text }) in all {
            self.followed += 1;
            match (info.as_str(), file) {
                ("sh", _) => {
                    let Output { success, stdout, stderr } = self.sh(&self.here(&text)).await;
                    assert!(success, "{}: {text}\n{stdout}\n{stderr}", self.page);
                }
                ("console", _) => {
                    for command in text.strip_prefix("$ ").unwrap().split("\n$ ") {
                        let (command, shown) = command.split_once('\n').unwrap();
                        self.see(&self.here(command), shown).await;
                    }
                }
                ("yaml fragment", _) => {}
                (_, file) => {
                    assert!(file.is_some(), "{}: save it as what?\n{text}", self.page);
                    self.write(&file.unwrap(), &self.here(&text));
                }
            }
        }
    }

    /// Runs a command until it shows this, if running it again changes nothing.
    async fn see(&self, command: &str, shown: &str) {
        let is_read = ["kubectl get ", "kubectl auth can-i "].iter().any(|it| command.contains(it));
        let may_repeat = is_read || command.contains("--dry-run=server");
        let start = Instant::now();
        loop {
            let Output { stdout, stderr, .. } = self.sh(command).await;
            let seen = format!("{stdout}{stderr}");
            if self.looks_like(shown, &seen) {
                return;
            }
            assert!(
                may_repeat && start.elapsed() < DEADLINE,
                "{}: $ {command}\nshown:\n{shown}\nseen:\n{seen}",
                self.page
            );
            tokio::time::sleep(POLL).await;
        }
    }

    fn looks_like(&self, shown: &str, seen: &str) -> bool {
        if shown.starts_with("NAME ") && seen.starts_with("NAME ") {
            // The columns are those of the page.
            let mut cells = table(shown);
            for cell in cells.iter_mut().flatten() {
                *cell = self.here(cell);
            }
            return cells == table(seen);
        }
        self.here(shown).trim_end() == seen.trim_end()
    }

    /// The private key in a Secret, which is left for the search of all logs.
    pub(crate) async fn private_key(&self, secret: &str) -> String {
        let data = self.bed.secrets().get(secret).await.unwrap().data.unwrap();
        let text = String::from_utf8(data["ssh-privatekey"].0.clone()).unwrap();
        self.bed.note_private_key(&format!("{secret}.pem"), &text);
        text
    }
}

/// Writes a program into the folder `bin`, as a script of bash. `bin` is first in the PATH of its
/// users; what the script calls comes from the rest.
pub(crate) fn write_program(folder: &Path, name: &str, script: &str) {
    let file = folder.join("bin").join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let head = "#!/bin/bash\nset -euo pipefail\nPATH=${PATH#*:}\n";
    std::fs::write(&file, format!("{head}{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The blocks of a page, each with the name of the file that the prose before it names last.
fn parts(text: &str) -> Vec<(Option<String>, Block)> {
    let is_file = |code: &str| {
        !code.contains([' ', '/'])
            && [".yaml", ".json", ".tf", ".env"].iter().any(|it| code.ends_with(it))
    };
    let (mut files, mut last) = (Vec::new(), None);
    for event in parse(text) {
        if let Event::Code(code) = &event
            && is_file(code)
        {
            last = Some(code.to_string());
        }
        if matches!(event, Event::Start(Tag::CodeBlock(_))) {
            files.push(last.take());
        }
    }
    files.into_iter().zip(blocks(text)).collect()
}

/// The cells of a table of kubectl, by the columns of its header, without what differs each time.
fn table(text: &str) -> Vec<Vec<String>> {
    let header = text.lines().next().unwrap();
    let is_start =
        |at: &usize| !header[*at..].starts_with(' ') && (*at == 0 || header[..*at].ends_with("  "));
    let starts: Vec<usize> = (0..header.len()).filter(is_start).collect();
    let cells = |line: &str| {
        let cell = |(index, start): (usize, &usize)| {
            let end = starts.get(index + 1).copied().unwrap_or(line.len()).min(line.len());
            line.get(*start..end).unwrap_or_default().trim().to_owned()
        };
        starts.iter().enumerate().map(cell).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = text.lines().map(cells).collect();
    let names = rows[0].clone();
    for row in &mut rows[1..] {
        for (cell, _) in row.iter_mut().zip(&names).filter(|(_, it)| VARYING.contains(&it.as_str()))
        {
            cell.clear();
        }
    }
    rows
}
