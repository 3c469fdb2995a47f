//! Pages that show what templates make, for whoever works on them: headers, text, HTML in a frame where nothing runs, files
//! and source. For development: they answer programs of this machine alone.

mod access;
mod pages;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web;
use serde_json::Value;

use super::address::Address;
use super::email::Email;
use super::error::{MailError, MailProblem};
use super::mailer::Mailer;

#[cfg(feature = "cli")]
pub(crate) use self::values::values_beside;

/// Where the pages are.
pub(crate) const AT: &str = "/ui/mail/previews";

/// What makes a mail for trying.
type Maker = Arc<dyn Fn(&Mailer) -> Result<Email, MailError> + Send + Sync>;

/// Pages that show what templates make with values for trying.
///
/// ```no_run
/// use actix_web::App;
/// use callboard::mail::{Attachment, Mailer, Previews};
/// use serde_json::json;
///
/// # fn example(mailer: &Mailer) {
/// let previews = Previews::new(mailer)
///     // Each template of the mailer, with the values of welcome.preview.json beside it:
///     .folder("templates")
///     // One with values that are made here:
///     .with("welcome", || json!({"name": "Ann", "url": "https://example.com"}))
///     // A whole mail, as the program would send it:
///     .email("invoice", |mailer| {
///         let mail = mailer.templated("invoice", json!({"total": "9.90"}))?;
///         Ok(mail.attach(Attachment::new("invoice.pdf", b"%PDF-1.7 ...".to_vec())))
///     });
/// // At /ui/mail/previews:
/// let app = App::new().configure(previews.routes());
/// # }
/// ```
///
/// A server shows those of its folder by itself where its settings say `previews = true` in `[templates]`, and with them
/// those that its program gives its board as data.
#[derive(Clone)]
pub struct Previews {
    mailer: Mailer,
    makers: BTreeMap<String, Maker>,
    folder: Option<PathBuf>,
}

impl Previews {
    /// Of the templates of that mailer; none yet.
    #[must_use]
    pub fn new(mailer: &Mailer) -> Self {
        Self { mailer: mailer.clone(), makers: BTreeMap::new(), folder: None }
    }

    /// Adds a template with the values that it is tried with, asked for each time.
    #[must_use]
    pub fn with(self, template: impl Into<String>, context: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        let template = template.into();
        self.email(template.clone(), move |mailer| mailer.templated(&template, context()))
    }

    /// Adds a mail under a name, made each time; who it is from and to may be missing.
    #[must_use]
    pub fn email(
        mut self,
        name: impl Into<String>,
        mail: impl Fn(&Mailer) -> Result<Email, MailError> + Send + Sync + 'static,
    ) -> Self {
        self.makers.insert(name.into(), Arc::new(mail));
        self
    }

    /// Adds every template of the mailer, with the values that stand in this folder as a JSON object beside it
    /// (`welcome.preview.json` for `welcome.email`), or none. Those that were added by name stay as they are.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The routes, below `/ui/mail/previews`.
    pub fn routes(self) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + 'static {
        let previews = web::Data::new(self);
        move |config| {
            config.service(
                web::scope(AT)
                    .app_data(previews)
                    .route("", web::get().to(pages::list))
                    .route("/{name}", web::get().to(pages::mail))
                    .route("/{name}/html", web::get().to(pages::html))
                    .route("/{name}/source", web::get().to(pages::source))
                    .route("/{name}/attachments/{n}", web::get().to(pages::attachment)),
            );
        }
    }

    /// The names of all that can be shown, in order.
    fn names(&self) -> Result<BTreeSet<String>, MailError> {
        let mut names: BTreeSet<String> = self.makers.keys().cloned().collect();
        if self.folder.is_some() {
            for template in self.mailer.mail_templates()? {
                let short = template.strip_suffix(".email").unwrap_or(&template);
                if !names.contains(&template) {
                    names.insert(short.to_owned());
                }
            }
        }
        Ok(names)
    }

    /// The mail of that name, from and to somebody; `None` if there is none.
    fn mail(&self, name: &str) -> Result<Option<Email>, MailError> {
        let mail = match (self.makers.get(name), &self.folder) {
            (Some(maker), _) => maker(&self.mailer)?,
            (None, Some(folder)) if self.names()?.contains(name) => {
                let wrong = |problem| MailProblem::new("context", problem);
                let context = values::values_beside(folder, name).map_err(wrong)?;
                self.mailer.templated(name, context)?
            }
            (None, _) => return Ok(None),
        };
        let nobody = || Address::from("somebody@example.com");
        let from = mail.from.clone().or_else(|| self.mailer.options().from.clone()).unwrap_or_else(nobody);
        let is_to_nobody = mail.recipients().next().is_none();
        let mail = Email { from: Some(from), ..mail };
        Ok(Some(if is_to_nobody { mail.to(nobody()) } else { mail }))
    }
}

impl fmt::Debug for Previews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Previews").field("by_name", &self.makers.keys()).field("folder", &self.folder).finish()
    }
}
