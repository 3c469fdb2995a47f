//! `tasks`: the tasks that the server can be asked for.

use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Server;
use super::error::Error;
use super::output::{one_line, plain};
use super::table::table;

/// How much of a description fits into a table.
const DESCRIPTION: usize = 72;
/// How much of the parameters of a task is shown; `--json` has all of them.
const PARAMETERS: usize = 70;

/// List the tasks that can be enqueued, with their parameters
#[derive(Debug, Args)]
pub(super) struct Tasks {
    #[command(flatten)]
    pub(super) server: Server,
}

/// What `GET /registry` answers.
#[derive(Debug, Deserialize)]
struct Registry {
    items: Vec<Published>,
}

#[derive(Debug, Deserialize)]
struct Published {
    name: String,
    description: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    required: bool,
    default: Option<Box<RawValue>>,
}

impl Tasks {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.get(&["registry"], &[])?;
        let registry: Registry = answer.read()?;
        self.server.print(&answer, || page(&registry))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn page(registry: &Registry) -> String {
    if registry.items.is_empty() {
        return "no tasks\n".into();
    }
    let row = |task: &Published| {
        let parameters = task.parameters.iter().map(written).collect::<Vec<_>>().join(", ");
        vec![plain(&task.name), one_line(&parameters, PARAMETERS), one_line(&task.description, DESCRIPTION)]
    };
    table(&["TASK", "PARAMETERS", "DESCRIPTION"], &registry.items.iter().map(row).collect::<Vec<_>>())
}

/// `name: type`, with the default of one that may be left out.
fn written(parameter: &Parameter) -> String {
    let Parameter { name, type_name, required, default } = parameter;
    let default = match default {
        Some(default) => format!(" = {}", default.get()),
        None if *required => String::new(),
        None => " = null".into(),
    };
    one_line(&format!("{name}: {type_name}{default}"), usize::MAX)
}
