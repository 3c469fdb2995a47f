//! [minijinja] with the template partials of Django: a fragment of a page is a template of its own.
//!
//! A page says which of its parts have names, and those parts can be used again in the page, and be rendered alone,
//! for instance to answer the request of a script that replaces one row of a table:
//!
//! ```
//! use callboard_templates::{Templates, context};
//!
//! let page = "\
//! {% partialdef row %}<tr><td>{{ job.name }}</td></tr>{% endpartialdef %}
//! <table>{% for job in jobs %}{% partial row %}{% endfor %}</table>";
//! let templates = Templates::builder().source("jobs.html", page).build()?;
//!
//! let jobs = context! { jobs => [context! { name => "digest" }] };
//! assert_eq!(templates.render("jobs.html", jobs)?, "\n<table><tr><td>digest</td></tr></table>");
//! let job = context! { job => context! { name => "a & b" } };
//! assert_eq!(templates.render("jobs.html#row", job)?, "<tr><td>a &amp; b</td></tr>");
//! # Ok::<_, callboard_templates::Error>(())
//! ```
//!
//! Usually templates stand in a folder: `Templates::builder().dir("templates").build()?`.
//!
//! | | |
//! |---|---|
//! | `{% partialdef row %}..{% endpartialdef %}` | defines a partial, which prints nothing here |
//! | `{% partialdef row inline %}..{% endpartialdef %}` | defines it and prints it here |
//! | `{% partial row %}` | prints it, with the variables that are seen here |
//! | `jobs.html#row` | its name, wherever the name of a template goes: rendering, `include`, [`Templates::get`] |
//!
//! The guide is `docs/templates.md`. [`Templates`] renders, [`Builder`] says from what and how, [`Error`] tells the
//! file, the line, the partial and the way there.

mod builder;
mod error;
mod folder;
mod generation;
mod lines;
mod locate;
mod names;
mod near;
mod output;
mod page;
mod rewrite;
mod scan;
mod split;
mod templates;
#[cfg(test)]
mod tests;
mod walk;

pub use minijinja;
pub use minijinja::context;

pub use crate::builder::Builder;
pub use crate::error::{Error, Failure, Limit, Place, Problem};
pub use crate::templates::{Template, Templates};

/// The examples of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/templates.md")]
struct Guide;
