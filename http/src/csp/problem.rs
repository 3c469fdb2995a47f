//! What is wrong with a policy: all of it, each with its directive, its value and the fix.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The directive as it was written; empty where the whole policy is meant.
    pub directive: String,
    /// The value at fault, where there is one.
    pub value: Option<String>,
    /// What is wrong with it, and what to write instead.
    pub detail: String,
}

impl PolicyProblem {
    pub(crate) fn new(directive: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { directive: directive.into(), value: None, detail: detail.into() }
    }

    pub(crate) fn of_value(directive: impl Into<String>, value: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { directive: directive.into(), value: Some(value.into()), detail: detail.into() }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directive, value, detail } = self;
        let name = if directive.is_empty() { "the policy" } else { directive };
        match value {
            Some(value) => write!(f, "{name}: {value:?} {detail}"),
            None => write!(f, "{name} {detail}"),
        }
    }
}

/// Why there is no policy: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.problems))]
pub struct PolicyError {
    /// At least one, in the order of the directives.
    pub problems: Vec<PolicyProblem>,
}

fn list(problems: &[PolicyProblem]) -> String {
    match problems {
        [only] => format!("the policy has a problem: {only}"),
        all => {
            let lines: Vec<_> = all.iter().map(|problem| format!("\n  {problem}")).collect();
            format!("the policy has {} problems:{}", all.len(), lines.concat())
        }
    }
}
