//! Changes to a policy, for the route that needs a little more than the others.

use super::directive::{Directive, Takes};
use super::policy::{Name, Part, Policy, Value};
use super::problem::{PolicyError, PolicyProblem};
use super::source::Sources;

/// Changes to a policy whose rest stays.
///
/// ```
/// use callboard_http::csp::{Delta, Directive, Policy, Source};
///
/// let base = Policy::builder().default_src(Source::SelfOrigin).build()?;
/// let map = Delta::new().append(Directive::ImgSrc, Source::host("https://tiles.example.com")?);
/// let policy = base.merge(&map)?;
/// assert_eq!(policy.to_string(), "default-src 'self'; img-src 'self' https://tiles.example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta(Vec<(Directive, Step)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Append(Sources),
    Replace(Sources),
    Remove,
}

impl Delta {
    /// No change yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows these as well. A directive that is missing begins with what held in its place.
    #[must_use]
    pub fn append(mut self, directive: Directive, sources: impl Into<Sources>) -> Self {
        self.0.push((directive, Step::Append(sources.into())));
        self
    }

    /// Allows these instead.
    #[must_use]
    pub fn replace(mut self, directive: Directive, sources: impl Into<Sources>) -> Self {
        self.0.push((directive, Step::Replace(sources.into())));
        self
    }

    /// Takes a directive out.
    #[must_use]
    pub fn remove(mut self, directive: Directive) -> Self {
        self.0.push((directive, Step::Remove));
        self
    }
}

impl Policy {
    /// This policy with these changes.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with everything that would be wrong: what [`PolicyBuilder::build`](super::PolicyBuilder::build)
    /// refuses, and a directive that is to be extended or removed but restricts nothing.
    pub fn merge(&self, delta: &Delta) -> Result<Self, PolicyError> {
        let mut parts = self.parts().to_vec();
        let mut problems = Vec::new();
        for (directive, step) in &delta.0 {
            if let Err(detail) = apply(&mut parts, *directive, step) {
                problems.push(PolicyProblem::new(directive.name(), detail));
            }
        }
        let built = parts.into_iter().fold(Self::builder(), |builder, part| builder.part(part)).build();
        match built {
            Ok(policy) if problems.is_empty() => Ok(policy),
            Ok(_) => Err(PolicyError { problems }),
            Err(more) => {
                problems.extend(more.problems);
                Err(PolicyError { problems })
            }
        }
    }
}

fn apply(parts: &mut Vec<Part>, directive: Directive, step: &Step) -> Result<(), &'static str> {
    let name = Name::Known(directive);
    let place = parts.iter().position(|part| part.name == name);
    let value = match step {
        Step::Remove => {
            parts.remove(place.ok_or("is to be removed, but is not there")?);
            return Ok(());
        }
        _ if directive.takes() != Takes::Sources => return Err("takes no sources; replace the whole policy instead"),
        Step::Replace(sources) => sources.clone(),
        Step::Append(more) => {
            let held = std::iter::once(&directive).chain(directive.fallback()).find_map(|wanted| {
                parts.iter().find_map(|part| match &part.value {
                    Value::Sources(sources) if part.name == Name::Known(*wanted) => Some(sources),
                    _ => None,
                })
            });
            held.ok_or("restricts nothing, so there is nothing to allow beyond; replace it instead")?.and(more)
        }
    };
    let part = Part { name, value: Value::Sources(value) };
    match place {
        Some(place) => parts[place] = part,
        None => parts.push(part),
    }
    Ok(())
}
