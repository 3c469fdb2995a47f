//! Why a value has no JSON, while the way back to the top is still being noted.

use std::fmt;

use super::NotJson;

/// A value that has no normalised JSON. One pointer wide, because every step of the serializer returns it.
#[derive(Debug)]
pub(super) struct Refused(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: String,
    /// The keys and indices around it, innermost first.
    path: Vec<String>,
}

impl Refused {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(Box::new(Inner { problem: problem.into(), path: Vec::new() }))
    }

    pub(super) fn too_large(integer: impl fmt::Display) -> Self {
        Self::new(format!("is {integer}, which does not fit into 64 bits; send it as text"))
    }

    /// The same problem as one of a key, which has no pointer of its own.
    pub(super) fn in_key(self) -> Self {
        Self::new(format!("has a key that {}", self.0.problem))
    }

    /// The same, seen from the array or object around it, where it stands at `step`.
    pub(super) fn below(mut self, step: impl fmt::Display) -> Self {
        self.0.path.push(step.to_string());
        self
    }
}

impl From<Refused> for NotJson {
    fn from(Refused(inner): Refused) -> Self {
        let steps = inner.path.iter().rev();
        let pointer = steps.map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
        Self { pointer, problem: inner.problem }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.problem)
    }
}

impl std::error::Error for Refused {}

impl serde::ser::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(format!("cannot be serialised: {message}"))
    }
}
