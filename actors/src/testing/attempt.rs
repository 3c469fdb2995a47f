//! One call, run in an attempt that is made up.

use std::any::{Any, TypeId};
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{
    AnyCall, AttemptLog, Board, Call, CancelReason, Cancellation, Clock, DataMap, Error, Failure, Job, JobId, Progress,
    Run, Snapshot, Task, TaskContext, WaitError, WaitFor, resolve,
};
use futures::future::{BoxFuture, FutureExt, LocalBoxFuture};
use parking_lot::Mutex;

/// Runs one call as an attempt would, without any board, and gives what came of it.
///
/// ```
/// use callboard_actors::testing;
/// use callboard_tasks::{Data, TaskContext, task};
///
/// struct Rates(f64);
///
/// #[task]
/// async fn convert(context: TaskContext, rates: Data<Rates>, euros: u32) -> Result<f64, String> {
///     context.progress(1, 1);
///     context.log(format!("attempt {}", context.attempt()));
///     if euros == 0 { Err("nothing to convert".into()) } else { Ok(f64::from(euros) * rates.0) }
/// }
///
/// # futures::executor::block_on(async {
/// let ran = testing::run(convert::with(10)).data(Rates(1.5)).attempt(2).await;
/// assert_eq!(ran.result.unwrap(), 15.0);
/// assert_eq!(ran.logs, ["attempt 2"]);
/// assert_eq!(ran.progress.len(), 1);
///
/// let failed = testing::run(convert::with(0)).data(Rates(1.5)).await.result.unwrap_err();
/// assert_eq!(failed.message, "nothing to convert");
/// # });
/// ```
pub fn run<T: Task>(call: Call<T>) -> Attempt<T> {
    Attempt { call: call.erase(), number: 1, data: DataMap::default(), cancelled: None, task: PhantomData }
}

/// An attempt to come: say what it finds, and await it.
#[must_use = "it runs when it is awaited"]
pub struct Attempt<T> {
    call: AnyCall,
    number: u32,
    data: DataMap,
    cancelled: Option<CancelReason>,
    task: PhantomData<fn() -> T>,
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Ran<O> {
    /// What the function returned, or how it failed: [`Failure::kind`] says what would follow.
    pub result: Result<O, Failure>,
    /// What it logged, line by line.
    pub logs: Vec<String>,
    /// How far it said it had come, each time.
    pub progress: Vec<Progress>,
    /// What it enqueued.
    pub enqueued: Vec<AnyCall>,
}

impl<T: Task> Attempt<T> {
    /// Gives it a value: a parameter `Data<V>` receives it.
    pub fn data<V: Send + Sync + 'static>(mut self, value: V) -> Self {
        self.data.insert(Arc::new(value));
        self
    }

    /// Makes it the attempt of that number; 1 unless said.
    pub const fn attempt(mut self, number: u32) -> Self {
        self.number = number;
        self
    }

    /// Has it told to stop from the start.
    pub const fn cancelled(mut self, reason: CancelReason) -> Self {
        self.cancelled = Some(reason);
        self
    }

    async fn run(self) -> Ran<T::Output> {
        let clock = Clock::system();
        let board = Arc::new(Nowhere { clock: clock.clone(), ..Nowhere::default() });
        let log = Arc::new(AttemptLog::new(clock.clone()));
        let result = match resolve(self.call, clock.now()) {
            Err(invalid) => Err(Failure::bad_arguments(&invalid)),
            Ok(spec) => {
                let cancellation = Arc::<Cancellation>::default();
                if let Some(reason) = self.cancelled {
                    cancellation.tell(reason);
                }
                let shared = Arc::clone(&board) as _;
                let (spec, data) = (Arc::new(spec), Arc::new(self.data));
                let context =
                    TaskContext::new(spec, self.number, u64::from(self.number), None, cancellation, data, shared);
                let context = context.with_log(Arc::clone(&log));
                match T::definition().run {
                    Run::Async(function) => function(context).await,
                    Run::Blocking(function) => function(context),
                }
            }
        };
        let read = |json: callboard_tasks::Json| json.get().map_err(|error| Failure::bad_arguments(&error));
        Ran {
            result: result.and_then(read),
            logs: log.take().into_iter().map(|line| line.message).collect(),
            progress: std::mem::take(&mut *board.progress.lock()),
            enqueued: std::mem::take(&mut *board.enqueued.lock()),
        }
    }
}

impl<T: Task> IntoFuture for Attempt<T> {
    type Output = Ran<T::Output>;
    type IntoFuture = LocalBoxFuture<'static, Ran<T::Output>>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed_local()
    }
}

impl<T> fmt::Debug for Attempt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempt({} number {})", self.call.task(), self.number)
    }
}

/// The board of an attempt that is on none: it takes note.
#[derive(Default)]
struct Nowhere {
    clock: Clock,
    progress: Mutex<Vec<Progress>>,
    enqueued: Mutex<Vec<AnyCall>>,
}

impl Board for Nowhere {
    fn enqueue(&self, call: AnyCall) -> BoxFuture<'_, Result<Snapshot, Error>> {
        let kept = resolve(call.clone(), self.clock.now()).map_err(Error::from);
        let snapshot = kept.map(|spec| {
            self.enqueued.lock().push(call);
            Snapshot { backend: "default".into(), job: Job::new(Arc::new(spec)), duplicate: false, replayed: false }
        });
        async move { snapshot }.boxed()
    }

    fn get(&self, id: JobId, _: Option<Arc<str>>) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move { Err(Error::NotFound(id)) }.boxed()
    }

    fn wait(
        &self,
        id: JobId,
        _: Option<Arc<str>>,
        _: WaitFor,
        _: Duration,
    ) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        async move { Err(Error::NotFound(id).into()) }.boxed()
    }

    fn report(&self, _: JobId, _: u64, progress: Progress) {
        self.progress.lock().push(progress);
    }

    fn provide(&self, _: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}
