//! What can go wrong, and where: in a file, in a line, in a partial, on the way from page to page.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A line of a template's file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The name of the file, as templates are named: `jobs/page.html`.
    pub file: String,
    /// Its line, from 1; `None` if the whole file is meant.
    pub line: Option<usize>,
    /// The partial around it, if one is known.
    pub partial: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match &self.partial {
            Some(partial) => write!(f, " in partial {partial}"),
            None => Ok(()),
        }
    }
}

/// What is wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and how to mend it where that is known.
    pub message: String,
    /// The piece of the template that it is about, if one is known.
    pub code: Option<String>,
}

impl Problem {
    fn write(&self, f: &mut fmt::Formatter<'_>, way: &[Place]) -> fmt::Result {
        /// So much of a way is told; a partial that calls itself would fill the screen.
        const STEPS: usize = 4;
        write!(f, "{}", self.place)?;
        for place in way.iter().take(STEPS) {
            write!(f, ", from {place}")?;
        }
        if way.len() > STEPS {
            write!(f, ", and {} more", way.len() - STEPS)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.code {
            Some(code) => write!(f, " at `{code}`"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &[])
    }
}

/// A template that failed while it was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The template that was to be rendered.
    pub name: String,
    /// What failed, and where.
    pub problem: Problem,
    /// How the way there went, from the inside to the outside: who called, included or extended.
    pub way: Vec<Place>,
    /// The limit that was met, if that is the reason.
    pub limit: Option<Limit>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.write(f, &self.way)
    }
}

/// What bounds the work of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Builder::fuel`](crate::Builder::fuel).
    Fuel,
    /// How deep templates may call, include and extend each other.
    Depth,
}

/// Why a template was not found or not rendered, or a set of templates not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no template of this name.
    #[error("there is no template {name:?}: {reason}")]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// What is missing, the file or its partial, and what was perhaps meant.
        reason: String,
    },
    /// Files that cannot be compiled, or refer to templates that do not exist.
    #[error("{}", Listed(.0))]
    Broken(
        /// All of them, by file and line.
        Vec<Problem>,
    ),
    /// A template failed while it was rendered.
    #[error("{0}")]
    Render(Box<Failure>),
    /// A template's output is larger than [`Builder::max_output`](crate::Builder::max_output) allows.
    #[error("the output of {name:?} is larger than {limit} bytes; Builder::max_output sets the limit")]
    TooLarge {
        /// The template.
        name: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The context is neither a map, a struct nor nothing, or cannot be serialized.
    #[error("the context of {name:?} cannot be used: {reason}")]
    Context {
        /// The template.
        name: String,
        /// Why.
        reason: String,
    },
    /// A folder of templates cannot be read.
    #[error("the templates in {} cannot be read", path.display())]
    Folder {
        /// The folder, or what stands in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Whether the template is missing, as opposed to broken.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// All that is known to be wrong with templates: many for [`Broken`](Self::Broken), one for
    /// [`Render`](Self::Render), none for what has no place in a template.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Broken(problems) => problems,
            Self::Render(failure) => std::slice::from_ref(&failure.problem),
            _ => &[],
        }
    }
}

/// Problems as text: one as it is, more one under the other.
struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [problem] => problem.fmt(f),
            problems => {
                write!(f, "{} problems in templates", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// Carries the problems of a file through minijinja, when another includes it.
#[derive(Debug, thiserror::Error)]
#[error("{}", Listed(.0))]
pub(crate) struct BrokenFile(pub(crate) Vec<Problem>);
