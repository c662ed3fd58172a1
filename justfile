# The menu; everything is in crates/xtask.
test *words:
    cargo xtask test {{words}}

# The server beside the yardstick: docs/bench-report.md and its plot.
bench-report *words:
    cargo xtask bench-report {{words}}

# Fresh seeds: `just sim --minutes 60`, `just sim --start 17 --seeds 1`, `just sim power-cuts`.
sim *words:
    cargo xtask sim {{words}}

sim-bugs *words:
    cargo xtask sim-bugs {{words}}
