//! What a program adds to a board: a look at the calls of a task before they are kept, and parts of its health.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use callboard_tasks::{AnyCall, InvalidTask, Json, Problem};

use crate::health::PartHealth;

type Prepare = Arc<dyn Fn(&Json) -> Result<Option<Json>, Vec<Problem>> + Send + Sync>;

/// What looks at the arguments of calls, by the full name of their task.
#[derive(Clone, Default)]
pub(crate) struct Prepares(HashMap<&'static str, Prepare>);

impl Prepares {
    pub(crate) fn insert(
        &mut self,
        task: &'static str,
        prepare: impl Fn(&Json) -> Result<Option<Json>, Vec<Problem>> + Send + Sync + 'static,
    ) {
        self.0.insert(task, Arc::new(prepare));
    }

    /// Looks at a call, and changes its arguments if that is wanted. Arguments that are no JSON are left to the rules.
    pub(crate) fn look_at(&self, call: &mut AnyCall) -> Result<(), InvalidTask> {
        if self.0.is_empty() {
            return Ok(());
        }
        let Some(prepare) = self.0.get(call.task()) else { return Ok(()) };
        let Ok(args) = call.args() else { return Ok(()) };
        match prepare(args) {
            Ok(None) => {}
            Ok(Some(args)) => call.set_args(args),
            Err(problems) => return Err(InvalidTask { task: call.task().to_owned(), problems }),
        }
        Ok(())
    }
}

impl fmt::Debug for Prepares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

type State = Arc<dyn Fn() -> Vec<PartHealth> + Send + Sync>;

/// What tells the state of parts of the program.
#[derive(Clone, Default)]
pub(crate) struct Parts(BTreeMap<&'static str, State>);

impl Parts {
    pub(crate) fn insert(&mut self, name: &'static str, state: impl Fn() -> Vec<PartHealth> + Send + Sync + 'static) {
        self.0.insert(name, Arc::new(state));
    }

    pub(crate) fn health(&self) -> Vec<PartHealth> {
        self.0.values().flat_map(|state| state()).collect()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
