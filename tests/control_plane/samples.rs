//! What the project shows its users is accepted by a real API server: the samples, and the YAML in the documentation.

use std::path::Path;

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_and_the_yaml_of_the_documentation_are_accepted() {
    let bed = Bed::new("samples").await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = Vec::new();
    let rendered = bed.cluster.kubectl(&[Path::new("kustomize"), &root.join("deploy/samples")]).await.unwrap();
    documents.extend(rendered.or_error().unwrap().split("\n---\n").map(str::to_owned));
    let files = std::fs::read_dir(root.join("deploy/samples")).unwrap().count();
    assert_eq!(documents.len(), files - 1, "kustomization.yaml names all others");
    let samples = documents.len();
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.filter(|path| path.extension().is_some_and(|it| it == "md")).chain([root.join("README.md")]) {
        let text = std::fs::read_to_string(page).unwrap();
        documents.extend(text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()));
    }
    // Those of Argo CD and Flux are checked by their definitions in `make test-all`.
    documents
        .retain(|document| !document.contains(".fluxcd.io/v") && !document.starts_with("apiVersion: argoproj.io/"));
    assert!(samples >= 5 && documents.len() >= samples + 10, "{samples} samples, {} in all", documents.len());
    for document in documents {
        let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let output = bed.cluster.kubectl_with_input(&arguments, &document).await.unwrap();
        assert!(output.success, "{document}\n{}", output.stderr);
    }
}
