//! `bench`: what the store of the settings reaches, through the board, as a program would use it.

use std::path::PathBuf;
use std::process::ExitCode;

use callboard_actors::Builder;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::error::Error;
use super::output;
use crate::bench::{Bench, Figures};
use crate::settings::Settings;

/// Measure the store of the settings; its jobs stay there, so give it a store of its own
#[derive(Debug, Args)]
pub(super) struct BenchVerb {
    /// The settings file; else callboard.toml, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many jobs each measure has
    #[arg(long, value_name = "N", default_value = "100000", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000_000))]
    jobs: usize,
    /// How many callers enqueue at once, each waiting for its answer before the next
    #[arg(long, value_name = "N", default_value = "64", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    producers: usize,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl BenchVerb {
    pub(super) fn run(&self, builder: Builder) -> Result<ExitCode, Error> {
        let builder = builder.settings(Settings::find(self.config.as_deref())?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let bench = Bench { jobs: self.jobs, producers: self.producers };
        let figures = runtime.block_on(bench.run(builder))?;
        output::to_stdout(&if self.json { report(&figures) } else { page(&figures) })?;
        Ok(if figures.all_are_there() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn report(figures: &Figures) -> String {
    format!("{}\n", serde_json::to_string(figures).expect("numbers have a JSON"))
}

fn page(figures: &Figures) -> String {
    let Figures { store, jobs, producers, latency_us, kept, .. } = figures;
    let rate = |label: &str, per_second: f64| format!("  {label:<44}{per_second:>12.0} /s\n");
    let lines = [
        format!("{store}: {jobs} jobs, {producers} producers\n"),
        rate("enqueue, one by one from all producers", figures.enqueue_per_s),
        rate("drain of what waits", figures.drain_per_s),
        rate("enqueue to end, one by one from all producers", figures.end_to_end_per_s),
        rate("enqueue to end, 1,000 at a time", figures.bulk_end_to_end_per_s),
        format!("  {:<44}{:>12} µs, p99 {} µs\n", "enqueue to start, idle: p50", latency_us.p50, latency_us.p99),
        format!("  kept as SUCCESSFUL: {} of {}, {}\n", kept.successful, kept.expected, {
            if kept.values_are_right { "each with its own value" } else { "but NOT each with its own value" }
        }),
    ];
    lines.concat()
}
