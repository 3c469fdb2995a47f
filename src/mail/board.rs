//! Mail for a board: its tasks, its mailers as data, and how they are.

use callboard_actors::{Builder, PartHealth};
use callboard_tasks::format_duration;

use super::mailers::{MailerHealth, Mailers};
use super::prepare;
use super::tasks::{self, send_email, send_message, send_templated_email, take_bounce};

/// Mail by one word: `Callboard::builder().memory().mail(mailers)`.
pub trait WithMail: Sized {
    /// Sends mail with these mailers: adds the tasks `send_email`, `send_templated_email`, `send_message` and `take_bounce`, gives tasks
    /// `Data<Mailers>`, and also `Data<Mailer>` if there is one named `default`, and shows in the board's health what holds
    /// mail back. It replaces earlier mailers.
    #[must_use]
    fn mail(self, mailers: Mailers) -> Self;
}

impl WithMail for Builder {
    fn mail(self, mailers: Mailers) -> Self {
        let (for_email, for_template) = (mailers.clone(), mailers.clone());
        let (for_message, for_bounce) = (mailers.clone(), mailers.clone());
        let builder = match mailers.default() {
            Ok(mailer) => self.data(mailer),
            Err(_) => self,
        };
        let seen = mailers.clone();
        builder
            .more_tasks(tasks::all())
            .prepare::<send_email>(move |args| prepare::email(&for_email, args))
            .prepare::<send_templated_email>(move |args| prepare::templated(&for_template, args))
            .prepare::<send_message>(move |args| prepare::message(&for_message, args))
            .prepare::<take_bounce>(move |args| prepare::bounce(&for_bounce, args))
            .part("mail", move || seen.health().iter().map(part).collect())
            .data(mailers)
    }
}

fn part(mailer: &MailerHealth) -> PartHealth {
    let problem = mailer.held.as_ref().map(|(why, pause)| match pause {
        Some(pause) => {
            let seconds = std::time::Duration::from_secs(pause.as_secs() + 1);
            format!("holds mail back for {}: {why}", format_duration(seconds))
        }
        None => why.clone(),
    });
    PartHealth { name: format!("mailer:{}", mailer.alias), problem }
}
