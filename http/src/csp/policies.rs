//! The two policies of an application: the one that holds, and the one that only reports.

use super::directive::Directive;
use super::lint::{Lint, LintKind};
use super::policy::Policy;

/// The policies of an application, each with a header of its own; both may be sent at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// What browsers enforce (`Content-Security-Policy`; Django's `SECURE_CSP`).
    pub enforce: Option<Policy>,
    /// What browsers only report (`Content-Security-Policy-Report-Only`; Django's `SECURE_CSP_REPORT_ONLY`).
    pub report_only: Option<Policy>,
}

impl Policies {
    /// A policy that only reports; try a new one so before it holds.
    #[must_use]
    pub fn report_only(policy: Policy) -> Self {
        Self { enforce: None, report_only: Some(policy) }
    }

    /// These, and a policy beside that only reports.
    #[must_use]
    pub fn and_report_only(mut self, policy: Policy) -> Self {
        self.report_only = Some(policy);
        self
    }

    /// What is weak in them.
    #[must_use]
    pub fn lint(&self) -> Vec<Lint> {
        let mut lints: Vec<Lint> = self.enforce.iter().flat_map(Policy::lint).collect();
        lints.extend(self.report_only.iter().flat_map(Policy::lint_report_only));
        let endpoints = [&self.enforce, &self.report_only].map(|policy| policy.as_ref().and_then(Policy::endpoint));
        if let [Some(one), Some(other)] = endpoints
            && one.group == other.group
            && one.header != other.header
        {
            let detail = format!(
                "has the endpoint {:?} with another address in each policy, so the one that only reports goes without; \
                 give it another name",
                one.group
            );
            lints.push(Lint { kind: LintKind::EndpointClash, directive: Directive::ReportTo, detail });
        }
        lints
    }
}

impl From<Policy> for Policies {
    fn from(policy: Policy) -> Self {
        Self { enforce: Some(policy), report_only: None }
    }
}
