//! What a set of templates is built from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use minijinja::functions::Function;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{FunctionArgs, FunctionResult, Value};
use minijinja::{Environment, UndefinedBehavior};

use crate::error::{Error, Place, Problem};
use crate::folder::{Origin, check_file_name};
use crate::templates::{Limits, Templates};

/// Sets up [`Templates`]; [`Templates::builder`] makes one.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    origin: Origin,
    env: Environment<'static>,
    limits: Limits,
    reload: bool,
    problems: BTreeMap<String, String>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let mut env = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        // As Django does; minijinja would drop the last line end of a file.
        if let Ok(syntax) = syntax.keep_trailing_newline(true).build() {
            env.set_syntax(syntax);
        }
        env.set_auto_reload(false);
        env.set_debug(false);
        env.set_fuel(Some(10_000_000));
        Self {
            origin: Origin::default(),
            env,
            limits: Limits { output: 16 << 20 },
            reload: cfg!(debug_assertions),
            problems: BTreeMap::new(),
        }
    }

    /// Takes every file below this folder, named by its path in it: `jobs/page.html`.
    ///
    /// Files and folders whose names start with `.` or `#`, or end with `~`, are left out. With more than one folder,
    /// the first that has a file wins.
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.origin.folders.push(path.into());
        self
    }

    /// A template that the program brings with it, for instance by `include_str!`; a file of the same name in a
    /// folder takes its place.
    pub fn source(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), Arc::from(text.into()));
        if let Err(reason) = check_file_name(&name) {
            self.problems.insert(name.clone(), reason);
        }
        self.origin.texts.insert(name, text);
        self
    }

    /// A value that every template sees, unless its context has one of the same name.
    ///
    /// ```
    /// # use callboard_templates::Templates;
    /// let templates = Templates::builder().source("a.html", "{{ site }}").global("site", "Example").build()?;
    /// assert_eq!(templates.render("a.html", ())?, "Example");
    /// # Ok::<_, callboard_templates::Error>(())
    /// ```
    pub fn global(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.env.add_global(name.into(), value.into());
        self
    }

    /// A function that templates call as `{{ name(..) }}`.
    pub fn function<F, Rv, Args>(mut self, name: impl Into<String>, function: F) -> Self
    where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.env.add_function(name.into(), function);
        self
    }

    /// A filter that templates use as `{{ value|name }}`.
    ///
    /// ```
    /// # use callboard_templates::Templates;
    /// let shout = |text: String| text.to_uppercase() + "!";
    /// let templates = Templates::builder().source("a.txt", "{{ 'hi'|shout }}").filter("shout", shout).build()?;
    /// assert_eq!(templates.render("a.txt", ())?, "HI!");
    /// # Ok::<_, callboard_templates::Error>(())
    /// ```
    pub fn filter<F, Rv, Args>(mut self, name: impl Into<String>, filter: F) -> Self
    where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.env.add_filter(name.into(), filter);
        self
    }

    /// Whether it is an error to print a variable that does not exist, or to go through it; asking
    /// `{% if variable %}` is always allowed. `false`: it prints nothing, as in Django.
    pub fn strict(mut self, strict: bool) -> Self {
        self.env.set_undefined_behavior(match strict {
            true => UndefinedBehavior::SemiStrict,
            false => UndefinedBehavior::Lenient,
        });
        self
    }

    /// Whether files are read again when they have changed.
    ///
    /// With it, each use looks at the files first, and a broken file is an error of those who use it. Without it,
    /// everything is compiled now, and [`build`](Self::build) fails if anything is wrong. The default is `true` in a
    /// debug build and `false` in a release build.
    pub fn reload(mut self, reload: bool) -> Self {
        self.reload = reload;
        self
    }

    /// The largest output of one rendering, in bytes; 16 MiB.
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.limits.output = bytes;
        self
    }

    /// The work that one rendering may do: about one for each step, and for each 64 bytes that it makes.
    /// 10,000,000 is the default, less than a second; `None` is without bound, for templates that you trust.
    pub fn fuel(mut self, fuel: Option<u64>) -> Self {
        self.env.set_fuel(fuel);
        self
    }

    /// How deep templates may go: a call of a partial or an include costs 10, a call of a macro 4, a loop or a block 1.
    /// 500 is the default and the most.
    pub fn recursion(mut self, limit: usize) -> Self {
        self.env.set_recursion_limit(limit);
        self
    }

    /// Reads and compiles the templates.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if a folder cannot be read; [`Error::Broken`] for names that no template can have, and,
    /// without [`reload`](Self::reload), for everything that [`Templates::check`] finds.
    pub fn build(self) -> Result<Templates, Error> {
        if !self.problems.is_empty() {
            let problem = |(name, message): (String, String)| Problem {
                place: Place { file: name, line: None, partial: None },
                message,
                code: None,
            };
            return Err(Error::Broken(self.problems.into_iter().map(problem).collect()));
        }
        Templates::new(self.env, self.origin, self.limits, self.reload)
    }
}
