//! Counts of the requests that were answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use callboard_actors::{Spread, SpreadCounter};
use parking_lot::RwLock;

/// All requests of a front end.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_route: RwLock<HashMap<&'static str, Arc<Route>>>,
    refused: RwLock<HashMap<&'static str, Arc<AtomicU64>>>,
}

#[derive(Debug, Default)]
struct Route {
    took: SpreadCounter,
    answers: RwLock<HashMap<(&'static str, u16), Arc<AtomicU64>>>,
}

/// What was counted of one route.
pub(super) struct Counted {
    pub(super) route: &'static str,
    /// How many requests of a method got that status.
    pub(super) answers: Vec<(&'static str, u16, u64)>,
    pub(super) took: Spread,
}

impl Requests {
    /// A request was answered.
    pub(crate) fn note(&self, route: &'static str, method: &Method, status: u16, took: Duration) {
        let of_route = entry(&self.by_route, route);
        of_route.took.note(took);
        entry(&of_route.answers, (name(method), status)).fetch_add(1, Ordering::Relaxed);
    }

    /// An enqueue was refused by a problem of that kind.
    pub(crate) fn note_refusal(&self, slug: &'static str) {
        entry(&self.refused, slug).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> Vec<Counted> {
        let mut counted: Vec<_> = self
            .by_route
            .read()
            .iter()
            .map(|(route, counts)| {
                let answers = counts.answers.read();
                let mut answers: Vec<_> = answers
                    .iter()
                    .map(|((method, status), count)| (*method, *status, count.load(Ordering::Relaxed)))
                    .collect();
                answers.sort_unstable();
                Counted { route, answers, took: counts.took.so_far() }
            })
            .collect();
        counted.sort_by_key(|counted| counted.route);
        counted
    }

    pub(super) fn refusals(&self) -> Vec<(&'static str, u64)> {
        let refused = self.refused.read();
        let mut refusals: Vec<_> = refused.iter().map(|(slug, count)| (*slug, count.load(Ordering::Relaxed))).collect();
        refusals.sort_unstable();
        refusals
    }
}

/// What stands under a key, made if it is not there.
fn entry<K: Copy + Eq + std::hash::Hash, V: Default>(map: &RwLock<HashMap<K, Arc<V>>>, key: K) -> Arc<V> {
    if let Some(known) = map.read().get(&key) {
        return Arc::clone(known);
    }
    Arc::clone(map.write().entry(key).or_default())
}

/// A method as a label: clients may invent others without end.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
