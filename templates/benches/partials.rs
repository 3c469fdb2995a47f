//! What partials cost: `cargo bench -p callboard-templates --bench partials`.
//!
//! A table of 100 rows, written in each of the ways that a template has, and one row alone. All ways take turns in
//! one run, so that a slow moment of the machine meets all of them.
#![allow(clippy::unwrap_used, missing_docs, reason = "this is a bench")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use callboard_templates::minijinja::{Environment, Value};
use callboard_templates::{Templates, context};

const ROUNDS: usize = 40;
const ROUND: Duration = Duration::from_millis(10);

const ROW: &str = "<tr><td>{{ job.id }}</td><td>{{ job.name }}</td><td>{{ job.phase }}</td></tr>\n";

/// One way to render, and what one rendering took in each round, in nanoseconds.
struct Way {
    name: &'static str,
    run: Box<dyn Fn() -> usize>,
    took: Vec<f64>,
}

fn main() {
    let text = "<p>some text of the page</p>\n".repeat(30);
    let page = |body: &str| format!("{text}{body}{text}");
    let rows = |row: &str| format!("{{% for job in jobs %}}{row}{{% endfor %}}");
    let def = |row: &str| format!("{{% partialdef row %}}{row}{{% endpartialdef %}}");
    let files = [
        ("plain.html", page(&rows(ROW))),
        ("inline.html", page(&rows(&format!("{{% partialdef row inline %}}{ROW}{{% endpartialdef %}}")))),
        ("called.html", page(&(def(ROW) + &rows("{% partial row %}")))),
        ("block.html", page(&format!("{}{{% block b %}}{}{{% endblock %}}", def(ROW), rows("{% partial row %}")))),
        ("row.html", ROW.to_owned()),
        ("included.html", page(&rows("{% include 'row.html' %}"))),
        ("macro.html", page(&format!("{{% macro row(job) %}}{ROW}{{% endmacro %}}{}", rows("{{ row(job) }}")))),
    ];
    let templates = files.iter().fold(Templates::builder().reload(false), |all, (name, text)| all.source(*name, text));
    let templates = templates.build().unwrap();
    let mut env = Environment::new();
    env.set_auto_reload(false);
    for (name, text) in files.iter().filter(|(_, text)| !text.contains("partial")) {
        env.add_template_owned(*name, text.clone()).unwrap();
    }
    let env: &'static Environment<'static> = Box::leak(Box::new(env));

    let jobs: Vec<Value> =
        (0..100).map(|id| context! { id, name => format!("job <{id}>"), phase => "ready" }).collect();
    let context = context! { job => jobs[3].clone(), jobs };
    assert_eq!(templates.render("plain.html", &context).unwrap(), templates.render("called.html", &context).unwrap());

    let ours = |label: &'static str, name: &'static str| {
        let (templates, context) = (templates.clone(), context.clone());
        Way { name: label, run: Box::new(move || templates.render(name, &context).unwrap().len()), took: Vec::new() }
    };
    let unbounded = files.iter().fold(Templates::builder().reload(false), |all, (name, text)| all.source(*name, text));
    let unbounded = unbounded.fuel(None).build().unwrap();
    let free = |label: &'static str, name: &'static str| {
        let (templates, context) = (unbounded.clone(), context.clone());
        Way { name: label, run: Box::new(move || templates.render(name, &context).unwrap().len()), took: Vec::new() }
    };
    let bare = |label: &'static str, name: &'static str| {
        let context = context.clone();
        Way {
            name: label,
            run: Box::new(move || env.get_template(name).unwrap().render(&context).unwrap().len()),
            took: Vec::new(),
        }
    };
    let splitting = files[2].1.clone();
    let mut ways = vec![
        ours("100 rows, plain", "plain.html"),
        ours("100 rows, each an inline partial", "inline.html"),
        ours("100 rows, each a called partial", "called.html"),
        ours("100 rows, each a partial called in a block", "block.html"),
        ours("100 rows, each an include", "included.html"),
        ours("100 rows, each a macro", "macro.html"),
        free("100 rows, plain, without bound to the fuel", "plain.html"),
        bare("100 rows, plain, minijinja alone without limits", "plain.html"),
        bare("100 rows, each an include, minijinja alone", "included.html"),
        ours("one row, a partial", "called.html#row"),
        ours("one row, a file", "row.html"),
        bare("one row, a file, minijinja alone", "row.html"),
        Way {
            name: "reading a page of 2 KB with a partial",
            run: Box::new(move || {
                let built = Templates::builder().source("called.html", splitting.as_str()).reload(false).build();
                built.unwrap().names().unwrap().len()
            }),
            took: Vec::new(),
        },
    ];
    for _ in 0..ROUNDS {
        for way in &mut ways {
            let (started, mut times) = (Instant::now(), 0_u32);
            while started.elapsed() < ROUND {
                for _ in 0..8 {
                    black_box((way.run)());
                }
                times += 8;
            }
            #[allow(clippy::cast_precision_loss)]
            way.took.push(started.elapsed().as_nanos() as f64 / f64::from(times));
        }
    }
    println!("{:<50} {:>10} {:>10}", "microseconds", "median", "best");
    for way in &mut ways {
        way.took.sort_by(f64::total_cmp);
        println!("{:<50} {:>10.2} {:>10.2}", way.name, way.took[ROUNDS / 2] / 1_000.0, way.took[0] / 1_000.0);
    }
}
