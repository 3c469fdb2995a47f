//! A set of templates, and one of them.

use std::fmt;
use std::sync::Arc;

use minijinja::Environment;
use minijinja::value::{Serde, Value, ValueKind};
use parking_lot::Mutex;
use serde::Serialize;

use crate::builder::Builder;
use crate::error::Error;
use crate::folder::{Origin, Reading};
use crate::generation::Generation;
use crate::locate::render_error;
use crate::names::split_name;
use crate::output::Bounded;

/// What bounds a rendering, beside the fuel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) output: usize,
}

/// A set of templates, to be shared: a clone is cheap and is the same set.
///
/// ```
/// use callboard_templates::Templates;
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Page { jobs: Vec<&'static str> }
///
/// let page = "<ul>{% for job in jobs %}{% partialdef row inline %}<li>{{ job }}{% endpartialdef %}{% endfor %}</ul>";
/// let templates = Templates::builder().source("jobs.html", page).build()?;
///
/// assert_eq!(templates.render("jobs.html", Page { jobs: vec!["a", "b"] })?, "<ul><li>a<li>b</ul>");
/// let one = std::collections::HashMap::from([("job", "<c>")]);
/// assert_eq!(templates.render("jobs.html#row", one)?, "<li>&lt;c&gt;");
/// # Ok::<_, callboard_templates::Error>(())
/// ```
#[derive(Clone)]
pub struct Templates {
    state: Arc<State>,
    limits: Limits,
}

enum State {
    /// Compiled once.
    Fixed(Arc<Generation>),
    /// Looked at before each use.
    Watched { origin: Origin, env: Box<Environment<'static>>, latest: Mutex<(Reading, Arc<Generation>)> },
}

impl Templates {
    /// Starts with nothing: no folder, no template.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(env: Environment<'static>, origin: Origin, limits: Limits, reload: bool) -> Result<Self, Error> {
        let reading = origin.read(None)?.unwrap_or_default();
        let generation = Arc::new(Generation::new(env.clone(), &reading.sources));
        let state = if reload {
            State::Watched { origin, env: Box::new(env), latest: Mutex::new((reading, generation)) }
        } else {
            match generation.problems() {
                problems if problems.is_empty() => State::Fixed(generation),
                problems => return Err(Error::Broken(problems)),
            }
        };
        Ok(Self { state: Arc::new(state), limits })
    }

    /// Renders a template: a file by its name, or a partial of it as `page.html#row`.
    ///
    /// The context is a map or a struct that serde serializes; `()` is an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] or [`Error::Broken`] as [`get`](Self::get), and those of [`Template::render`].
    pub fn render(&self, name: &str, context: impl Serialize) -> Result<String, Error> {
        render(&*self.now()?, name, &Value::from(Serde(&context)), self.limits)
    }

    /// Looks a template up. It stays as it is, whatever becomes of its file.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such file, or it has no such partial; [`Error::Broken`] if the file has a
    /// fault, even one outside of the partial; [`Error::Folder`] if files are watched and cannot be listed.
    pub fn get(&self, name: &str) -> Result<Template, Error> {
        let generation = self.now()?;
        generation.find(name)?;
        Ok(Template { generation, name: name.to_owned(), limits: self.limits })
    }

    /// Looks up the first of these that exists.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] of the last one if none exists; a template that is broken is not passed over.
    pub fn select<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Template, Error> {
        let mut last = Error::NotFound { name: String::new(), reason: "no name was given".into() };
        for name in names {
            match self.get(name) {
                Err(error) if error.is_not_found() => last = error,
                found => return found,
            }
        }
        Err(last)
    }

    /// The names of everything that can be rendered, in order: each file, and each of its partials.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if files are watched and cannot be listed.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let generation = self.now()?;
        let mut names = Vec::new();
        for (file, page) in generation.pages.files.iter().filter(|(_, page)| page.problems.is_empty()) {
            names.push(file.clone());
            names.extend(page.partials.keys().map(|partial| format!("{file}#{partial}")));
        }
        Ok(names)
    }

    /// Finds everything that is wrong with the templates without rendering them: what does not compile, whether
    /// it is used or not, and tags that name a template which does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] with all problems by file and line; [`Error::Folder`] if files are watched and cannot be
    /// listed.
    pub fn check(&self) -> Result<(), Error> {
        match self.now()?.problems() {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Error::Broken(problems)),
        }
    }

    /// The templates as they are now.
    fn now(&self) -> Result<Arc<Generation>, Error> {
        match &*self.state {
            State::Fixed(generation) => Ok(Arc::clone(generation)),
            State::Watched { origin, env, latest } => {
                let mut latest = latest.lock();
                if let Some(reading) = origin.read(Some(&latest.0))? {
                    let generation = Arc::new(Generation::new((**env).clone(), &reading.sources));
                    *latest = (reading, generation);
                }
                Ok(Arc::clone(&latest.1))
            }
        }
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reload = matches!(&*self.state, State::Watched { .. });
        f.debug_struct("Templates").field("reload", &reload).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// One template: a file, or a partial of it.
#[derive(Clone)]
pub struct Template {
    generation: Arc<Generation>,
    name: String,
    limits: Limits,
}

impl Template {
    /// The name by which it was found.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its file.
    #[must_use]
    pub fn file(&self) -> &str {
        split_name(&self.name).0
    }

    /// The name of the partial, if it is not the whole file.
    #[must_use]
    pub fn partial(&self) -> Option<&str> {
        split_name(&self.name).1
    }

    /// What its author wrote: the file, or from the partial's first tag to its end tag.
    #[must_use]
    pub fn source(&self) -> &str {
        let page = self.generation.pages.files.get(self.file());
        page.map_or("", |page| match self.partial().and_then(|partial| page.partials.get(partial)) {
            Some(partial) => &page.source[partial.span.clone()],
            None => &page.source,
        })
    }

    /// Renders it with this context, a map or a struct that serde serializes; `()` is an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::Context`] if the context cannot be used, [`Error::Render`] if the template fails, with the place and
    /// the way there, [`Error::TooLarge`] if it makes too much output.
    pub fn render(&self, context: impl Serialize) -> Result<String, Error> {
        render(&self.generation, &self.name, &Value::from(Serde(&context)), self.limits)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("name", &self.name).finish_non_exhaustive()
    }
}

fn render(generation: &Generation, name: &str, context: &Value, limits: Limits) -> Result<String, Error> {
    let template = generation.find(name)?;
    check_context(name, context)?;
    let mut output = Bounded::new(limits.output);
    match template.render_captured_to(context.clone(), &mut output) {
        Ok(_) => Ok(output.into_text()),
        Err(_) if output.is_full() => Err(Error::TooLarge { name: name.to_owned(), limit: limits.output }),
        Err(error) => Err(render_error(&error, name, &generation.pages)),
    }
}

fn check_context(name: &str, context: &Value) -> Result<(), Error> {
    let reason = match context.kind() {
        ValueKind::Map | ValueKind::None | ValueKind::Undefined => return Ok(()),
        ValueKind::Plain if context.as_object().is_some() => return Ok(()),
        ValueKind::Invalid => context.to_string(),
        kind => format!("it is a {kind}, and must be a map or a struct"),
    };
    Err(Error::Context { name: name.to_owned(), reason })
}
