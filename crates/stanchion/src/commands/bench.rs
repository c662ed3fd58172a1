//! `stanchion bench` and `stanchion depth`.

use tokio::runtime::Builder;

use crate::cli::Stop;

/// Runs the load generator.
pub(crate) fn run(options: stanchion_bench::Options) -> Result<(), Stop> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Stop::failed)?;
    let report = runtime.block_on(stanchion_bench::run(options)).map_err(Stop::failed)?;
    if report.passed() { Ok(()) } else { Err(Stop::failed("the run did not pass: see the report")) }
}

/// Runs the benchmark of deep backlogs.
pub(crate) fn depth(options: &stanchion_bench::depth::Options) -> Result<(), Stop> {
    stanchion_bench::depth::run(options).map(drop).map_err(Stop::failed)
}
