//! `GET /workers`: the processes that run tasks, what each runs, and the worker actors of this one.

use std::collections::HashMap;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_actors::{BackendHealth, WorkerHealth};
use callboard_tasks::{Error, Filter, Page, Status, TaskResult, Timestamp, WorkerId};

use crate::access::Right;
use crate::json::Object;
use crate::problem::Problem;
use crate::query::Query;
use crate::queues::info_of;
use crate::state::State;
use crate::task_json;

/// So many running tasks of a backend are looked at; there may be more.
const RUNNING: usize = 200;

/// A process that runs tasks of one backend.
pub(crate) struct Process {
    pub(crate) id: WorkerId,
    pub(crate) backend: String,
    /// When its lease ends unless it is renewed.
    pub(crate) lease_ends_at: Timestamp,
    /// What it runs, newest first.
    pub(crate) running: Vec<TaskResult>,
    /// Its worker actors, if it is this process.
    pub(crate) workers: Option<Vec<WorkerHealth>>,
}

/// The handler.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    let query = Query::of(&req, &["backend"])?;
    let processes = of(&state, query.get("backend")).await?;
    let now = state.board.clock().now();
    let mut body = Vec::with_capacity(512 * (processes.len() + 1));
    let mut object = Object::open(&mut body);
    object.list("items", &processes, |out, process| write(out, process, now));
    object.close();
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
    response.insert_header((header::VARY, HeaderValue::from_static("Authorization")));
    Ok(response.body(body))
}

/// The processes of one backend, or of all that have some.
pub(crate) async fn of(state: &State, backend: Option<&str>) -> Result<Vec<Process>, Problem> {
    if let Some(backend) = backend {
        info_of(state, backend)?;
    }
    let health = state.board.health().await;
    let mut processes = Vec::new();
    for here in health.backends.iter().filter(|here| backend.is_none_or(|backend| backend == here.alias)) {
        match of_backend(state, here).await {
            // A backend without a store has no processes, and says so only when it is asked for by name.
            Err(Error::Unsupported { .. }) if backend.is_none() => {}
            answer => processes.extend(answer?),
        }
    }
    Ok(processes)
}

async fn of_backend(state: &State, here: &BackendHealth) -> Result<Vec<Process>, Error> {
    let stats = state.board.stats(&here.alias).await?;
    let filter = Filter { status: Some(Status::Running), ..Filter::default() };
    let (running, _) = state.board.list(&here.alias, filter, Page { limit: RUNNING, before: None }).await?;
    let mut by_worker: HashMap<WorkerId, Vec<TaskResult>> = HashMap::new();
    for task in running {
        if let Some(worker) = task.job().state.worker_ids().last() {
            by_worker.entry(*worker).or_default().push(task);
        }
    }
    let process = |(id, lease_ends_at)| Process {
        id,
        backend: here.alias.clone(),
        lease_ends_at,
        running: by_worker.remove(&id).unwrap_or_default(),
        workers: (here.worker_id == Some(id)).then(|| here.workers.clone()),
    };
    Ok(stats.workers.into_iter().map(process).collect())
}

fn write(out: &mut Vec<u8>, process: &Process, now: Timestamp) {
    let mut object = Object::open(out);
    object.text("id", &process.id.to_string()).text("backend", &process.backend);
    object.value("this_process", &process.workers.is_some());
    object.time("lease_ends_at", Some(process.lease_ends_at));
    object.value("lease_held", &(process.lease_ends_at > now));
    object.list("running", &process.running, |out, task| {
        let mut item = Object::open(out);
        item.text("id", &task.id().to_string()).text("task", &task.job().spec.task);
        item.text("queue", &task.job().spec.queue).time("since", task.job().state.last_attempted_at);
        item.close();
    });
    match &process.workers {
        Some(workers) => drop(object.list("workers", workers, write_worker)),
        None => drop(object.raw("workers", "null")),
    }
    object.close();
}

fn write_worker(out: &mut Vec<u8>, worker: &WorkerHealth) {
    let mut object = Object::open(out);
    object.value("number", &worker.number).value("alive", &worker.alive).value("restarts", &worker.restarts);
    match &worker.blocked {
        Some(blocked) => {
            let mut by = Object::open(object.name("blocked"));
            by.text("id", &blocked.job.to_string()).text("task", &blocked.task);
            by.value("seconds", &blocked.held.as_secs());
            by.close();
        }
        None => drop(object.raw("blocked", "null")),
    }
    object.close();
}
