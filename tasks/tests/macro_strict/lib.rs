//! What `#[task]` writes brings no warning, however strict the crate, and meets no name of the user's.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    unused,
    missing_docs,
    missing_debug_implementations,
    missing_copy_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    unused_lifetimes,
    unnameable_types,
    single_use_lifetimes,
    let_underscore_drop,
    non_ascii_idents,
    trivial_casts,
    trivial_numeric_casts,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    missing_abi,
    redundant_lifetimes,
    variant_size_differences,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    clippy::default_numeric_fallback,
    clippy::exhaustive_structs,
    clippy::expect_used,
    clippy::missing_docs_in_private_items,
    clippy::shadow_reuse,
    clippy::shadow_unrelated,
    clippy::unwrap_used
)]
#![allow(
    clippy::missing_errors_doc,
    clippy::unnecessary_wraps,
    clippy::unused_async,
    reason = "the tasks below are small for the sake of being read"
)]

mod shadowed;

/// Tasks that nobody calls, in all visibilities.
pub mod never_called {
    use callboard_tasks::{Data, Stop, TaskContext, task};

    /// A public one, with everything.
    #[task(
        queue = "mail",
        priority = -5,
        backend = "default",
        max_attempts = 3,
        backoff = "1s..1m",
        timeout = "30s",
        expires = "1h",
        name = "strict.everything",
        aliases = ["strict.all"],
        http = false
    )]
    pub async fn everything(
        mailer: Data<String>,
        context: &TaskContext,
        address: String,
        #[default(10)] limit: u32,
        title: Option<String>,
        #[inject] other: Data<u8>,
    ) -> Result<u64, Stop> {
        context.progress(1, 2);
        let length = mailer.len() + address.len() + title.map_or(0, |text| text.len());
        Ok(u64::try_from(length)? + u64::from(limit) + u64::from(*other))
    }

    /// One for the crate alone.
    #[task]
    pub(crate) async fn within() {}

    /// One for the parent module.
    #[task]
    pub(super) fn above(first: u8) -> u8 {
        first
    }

    /// One for nobody else.
    #[task]
    async fn nobody(_unused: u8) {}

    /// One that warns whoever calls it, which its registration is not.
    #[task]
    #[deprecated = "replaced"]
    #[must_use]
    fn old() -> u8 {
        0
    }
}

/// Has a task within.
pub fn outer() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Local(u8);

    #[callboard_tasks::task]
    async fn inner(local: Local, #[default(Local(2))] other: Local) -> u8 {
        local.0 + other.0
    }
}
