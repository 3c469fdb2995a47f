//! The tasks that a board knows, by name.

use std::collections::{BTreeMap, HashMap};

use crate::{AnyCall, DataKey, DataMap, Error, Json, TaskDefinition};

/// The tasks of a board: all that are linked into the program, or those it was given.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    by_name: HashMap<&'static str, &'static TaskDefinition>,
    by_function: HashMap<&'static str, Vec<&'static TaskDefinition>>,
    listed: BTreeMap<&'static str, &'static TaskDefinition>,
    own: Vec<&'static TaskDefinition>,
}

/// Tasks that a board cannot start with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two tasks claim one name (as their own or as an alias).
    #[error("two tasks are named {name:?}: one at {}, one at {}; rename one with #[task(name = \"..\")]",
        .first.source, .second.source)]
    Duplicate {
        /// The name.
        name: &'static str,
        /// The one that was registered first.
        first: &'static TaskDefinition,
        /// The other.
        second: &'static TaskDefinition,
    },
    /// Tasks ask for application data that the board was not given.
    #[error("application data is missing, give it to the board with `.data(..)`: {}",
        .0.iter().map(|(task, key)| format!("{} for {}", key.name(), task.name)).collect::<Vec<_>>().join(", "))]
    MissingData(Vec<(&'static TaskDefinition, DataKey)>),
    /// Tasks that this board requires are not linked in.
    #[error("required tasks are not registered: {}; a crate of tasks that nothing names is left out by the linker, \
        so write `use my_tasks as _;` in the program", .0.join(", "))]
    MissingTasks(Vec<String>),
}

impl Registry {
    /// Every `#[task]` that the linker kept, of all crates of the program.
    ///
    /// A crate that nothing in the program names is left out by the linker, without a warning: write
    /// `use my_tasks as _;`, and name what must be there with `required_tasks`.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Duplicate`].
    pub fn linked() -> Result<Self, RegistryError> {
        Self::of(inventory::iter::<crate::__private::Registered>.into_iter().map(|task| task.0))
    }

    /// These tasks and no others.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Duplicate`]; the same definition given twice is no error.
    pub fn of(tasks: impl IntoIterator<Item = &'static TaskDefinition>) -> Result<Self, RegistryError> {
        let mut registry = Self::default();
        for task in tasks {
            registry.add(task)?;
        }
        Ok(registry)
    }

    /// The same with tasks of the runtime's own: they run like any other, and are known by their full names alone. Nobody
    /// sees them in a list.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Duplicate`] if one of the others has such a name.
    pub fn with_own(mut self, tasks: impl IntoIterator<Item = &'static TaskDefinition>) -> Result<Self, RegistryError> {
        for task in tasks {
            self.name(task)?;
            self.own.push(task);
        }
        Ok(self)
    }

    fn add(&mut self, task: &'static TaskDefinition) -> Result<(), RegistryError> {
        if self.listed.get(task.name).is_some_and(|known| std::ptr::eq(*known, task)) {
            return Ok(());
        }
        self.name(task)?;
        self.by_function.entry(task.function()).or_default().push(task);
        self.listed.insert(task.name, task);
        Ok(())
    }

    fn name(&mut self, task: &'static TaskDefinition) -> Result<(), RegistryError> {
        for name in std::iter::once(task.name).chain(task.aliases.iter().copied()) {
            if let Some(first) = self.by_name.insert(name, task) {
                return Err(RegistryError::Duplicate { name, first, second: task });
            }
        }
        Ok(())
    }

    /// The task of that full name or alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static TaskDefinition> {
        self.by_name.get(name).copied()
    }

    /// The task of that full name or alias, or of that bare function name while it is unambiguous.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTask`] with the names that are like it, or that it could mean.
    pub fn find(&self, name: &str) -> Result<&'static TaskDefinition, Error> {
        if let Some(task) = self.get(name) {
            return Ok(task);
        }
        match self.by_function.get(name).map(Vec::as_slice) {
            Some([task]) => Ok(task),
            Some(several) => Err(Error::UnknownTask {
                name: name.into(),
                near: several.iter().map(|task| task.name.into()).collect(),
            }),
            None => Err(Error::UnknownTask { name: name.into(), near: near_names(name, self.listed.keys().copied()) }),
        }
    }

    /// A call of the task that `name` means, with arguments as JSON text: an object by name or an array by
    /// position.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTask`], or [`Error::InvalidTask`] with a pointer to each wrong argument.
    pub fn call(&self, name: &str, args: &str) -> Result<AnyCall, Error> {
        let task = self.find(name)?;
        let args: Json = (task.bind)(args)?;
        Ok(AnyCall::named(task.name, Some(task), args, crate::CallOptions::default()))
    }

    /// Every name of a task that can be run here, its aliases and the runtime's own included.
    pub fn runnable(&self) -> impl Iterator<Item = &'static str> + '_ {
        let all = self.iter().chain(self.own.iter().copied());
        all.flat_map(|task| std::iter::once(task.name).chain(task.aliases.iter().copied()))
    }

    /// All tasks, by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static TaskDefinition> + '_ {
        self.listed.values().copied()
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Checks that every task gets the application data it asks for.
    ///
    /// # Errors
    ///
    /// [`RegistryError::MissingData`] with all that is missing.
    pub fn check_data(&self, has: impl Fn(DataKey) -> bool) -> Result<(), RegistryError> {
        let missing: Vec<_> = self
            .iter()
            .flat_map(|task| (task.requires)().into_iter().map(move |key| (task, key)))
            .filter(|(_, key)| !has(*key))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(RegistryError::MissingData(missing)) }
    }

    /// Checks that these tasks are registered.
    ///
    /// # Errors
    ///
    /// [`RegistryError::MissingTasks`] with all that are not.
    pub fn check_required(&self, names: &[String]) -> Result<(), RegistryError> {
        let missing: Vec<_> = names.iter().filter(|name| self.get(name).is_none()).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(RegistryError::MissingTasks(missing)) }
    }
}

impl DataMap {
    /// Whether all that `task` asks for is there.
    #[must_use]
    pub fn serves(&self, task: &TaskDefinition) -> bool {
        (task.requires)().into_iter().all(|key| self.contains(key))
    }
}

/// The names most like `name`, best first, at most three.
#[must_use]
pub fn near_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    // Tasks of one crate share the first part of their names, which makes the whole of any two of them look alike:
    // a full name is like another one if the functions are, and the whole only says which is best.
    let likeness = |candidate: &str| {
        let function = strsim::jaro_winkler(function_of(name), function_of(candidate));
        let whole = strsim::jaro_winkler(name, candidate);
        (if name.contains('.') { function } else { function.max(whole) }, whole)
    };
    let mut near: Vec<_> = known.map(|candidate| (likeness(candidate), candidate)).collect();
    near.retain(|((likeness, _), _)| *likeness > 0.8);
    near.sort_by(|((a, a_whole), a_name), ((b, b_whole), b_name)| {
        b.total_cmp(a).then(b_whole.total_cmp(a_whole)).then(a_name.cmp(b_name))
    });
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// The last part of a task's name.
fn function_of(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
