//! The size of the binary that people download.

use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::Stage;
use stanchion_bench::server::Home;
use std::fs;
use std::process::Command;

/// Mebibytes that it may have without symbols.
const MIB_MAX: f64 = 20.0;

/// This function strips a copy of the server's binary and looks at its size.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let home = Home::make(&stage.options.dir, "binary").map_err(|error| error.to_string())?;
    let copy = home.path().join("stripped");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&copy).arg(stage.programs.server());
    let status = strip.status().map_err(|source| format!("strip: {source}"))?;
    if !status.success() {
        return Err(format!("strip: {status}"));
    }
    let bytes = fs::metadata(&copy).map_err(|source| format!("{}: {source}", copy.display()))?.len();
    let size = Series::new(vec![bytes as f64 / f64::from(1 << 20)]);
    Ok(vec![Row::at_most("the release binary, stripped", Unit::Mib, size, MIB_MAX)])
}
