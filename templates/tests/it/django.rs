//! The corpus, rendered by Django and by us: the same text.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use callboard_templates::Templates;
use serde_json::{Map, Value, json};

struct Case {
    title: String,
    render: String,
    context: Value,
    files: Map<String, Value>,
}

#[test]
fn django_and_we_render_the_corpus_alike() {
    let cases = corpus();
    assert!(cases.len() >= 60, "the corpus has only {} cases", cases.len());
    let Some(python) = python() else { return };
    let answers = ask(&python, &cases);
    assert_eq!(answers.len(), cases.len());
    let mut differences = Vec::new();
    for (case, theirs) in cases.iter().zip(&answers) {
        let ours = match ours(case) {
            Ok(text) => json!({"text": text}),
            Err(error) => json!({"error": error.to_string()}),
        };
        // Both must accept it: two errors are no agreement.
        if ours != *theirs || ours.get("text").is_none() {
            differences.push(format!("{}\n  Django:    {theirs}\n  Callboard: {ours}", case.title));
        }
    }
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), cases.len(), differences.join("\n"));
}

fn ours(case: &Case) -> Result<String, callboard_templates::Error> {
    let add = |builder: callboard_templates::Builder, (name, text): (&String, &Value)| {
        builder.source(name, text.as_str().unwrap())
    };
    let templates = case.files.iter().fold(Templates::builder().reload(false), add).build()?;
    templates.render(&case.render, &case.context)
}

/// The Python of `ci/python.sh`. Without it the comparison is not run, which `cargo test` says at its end; where
/// everything is to be run, that is a failure.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = root.join("target/python/bin/python");
    if python.exists() {
        return Some(python);
    }
    let all = std::env::var("CALLBOARD_TEST").is_ok_and(|tests| matches!(&*tests, "all" | "full"));
    assert!(!all, "the comparison with Django needs target/python: run ci/python.sh");
    // Not by `eprintln!`, which a test that passes keeps to itself.
    std::io::stderr().write_all(b"not run: the comparison with Django, which needs ci/python.sh\n").unwrap();
    None
}

fn ask(python: &Path, cases: &[Case]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django_corpus.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("target/python");
    let question: Vec<Value> = cases
        .iter()
        .map(|case| json!({"templates": case.files, "render": case.render, "context": case.context}))
        .collect();
    writeln!(child.stdin.take().unwrap(), "{}", Value::from(question)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "tests/django_corpus.py failed; ci/python.sh makes its Python anew");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn corpus() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    paths.iter().flat_map(|path| read(&fs::read_to_string(path).unwrap())).collect()
}

/// The cases of one file; `tests/corpus/README.md` says how they are written.
fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut file: Option<String> = None;
    for line in text.split_inclusive('\n') {
        if let Some(title) = line.strip_prefix("== ") {
            let title = title.trim().to_owned();
            cases.push(Case { title, render: "page.html".into(), context: json!({}), files: Map::new() });
            file = None;
            continue;
        }
        let case = cases.last_mut().expect("a file starts with a title");
        if let Some(name) = line.strip_prefix("-- ") {
            let name = name.trim().to_owned();
            case.files.insert(name.clone(), json!(""));
            file = Some(name);
        } else if let Some(name) = &file {
            let text = case.files[name].as_str().unwrap().to_owned() + line;
            case.files.insert(name.clone(), json!(text));
        } else if let Some(name) = line.strip_prefix("=> ") {
            case.render = name.trim().to_owned();
        } else {
            case.context = serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}", case.title));
        }
    }
    cases
}
