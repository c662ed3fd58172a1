//! The report for people.

use super::{Report, Section, Verification};
use std::fmt::Write;

/// This function lays a report out in lines of text.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    let kind = if report.fifo { "FIFO" } else { "standard" };
    line(
        &mut out,
        format_args!(
            "{} on {} ({}, {kind} queues, {} connections, {} bytes a message){}",
            report.workload,
            report.endpoint,
            report.protocol,
            report.connections,
            report.size,
            if report.interrupted { ", interrupted" } else { "" },
        ),
    );
    for section in &report.sections {
        render_section(&mut out, section);
    }
    line(&mut out, format_args!(""));
    if report.errors.is_empty() {
        line(&mut out, format_args!("errors: none"));
    } else {
        line(&mut out, format_args!("errors:"));
    }
    for (code, count) in &report.errors {
        line(&mut out, format_args!("{count:>12}  {code}"));
    }
    if let Some(verification) = &report.verification {
        render_verification(&mut out, verification);
    }
    out
}

fn render_section(out: &mut String, section: &Section) {
    line(out, format_args!(""));
    line(
        out,
        format_args!(
            "{}: {} messages in {:.2} s, {:.0} messages a second",
            section.name, section.messages, section.seconds, section.messages_per_second
        ),
    );
    let generator = section.generator_cpu_us_per_message;
    match section.server_cpu_us_per_message {
        None => line(out, format_args!("CPU by message: generator {generator:.2} us")),
        Some(server) => line(out, format_args!("CPU by message: server {server:.2} us, generator {generator:.2} us")),
    }
    if let Some(bytes) = section.server_resident_bytes {
        line(out, format_args!("server's resident memory: {:.1} MiB", bytes as f64 / 1_048_576.0));
    }
    line(
        out,
        format_args!(
            "{:<20}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
            "latency, us", "requests", "p50", "p90", "p99", "p99.9", "max"
        ),
    );
    for row in &section.rows {
        let latency = row.latency_us;
        line(
            out,
            format_args!(
                "{:<20}{:>12}{:>12.1}{:>12.1}{:>12.1}{:>12.1}{:>12.1}",
                row.name, row.requests, latency.p50, latency.p90, latency.p99, latency.p999, latency.max
            ),
        );
    }
}

fn render_verification(out: &mut String, verification: &Verification) {
    let missing = if verification.complete { "lost" } else { "not seen yet" };
    line(out, format_args!(""));
    line(out, format_args!("verification: {}", if verification.passed() { "passed" } else { "FAILED" }));
    for (name, count) in [
        ("acknowledged", verification.acknowledged),
        ("unknown outcome", verification.unknown_outcome),
        (missing, verification.missing),
        ("refused but delivered", verification.refused_but_delivered),
        ("corrupt", verification.corrupt),
        ("foreign", verification.foreign),
        ("duplicates", verification.duplicates),
        ("delivered after deletion", verification.delivered_after_deletion),
        ("reordered", verification.reordered),
    ] {
        line(out, format_args!("{count:>12}  {name}"));
    }
}

fn line(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(out, "{arguments}").expect("writing to memory does not fail");
}
