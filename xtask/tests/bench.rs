//! The bench end to end, as small as it gets: real processes, real sockets, one second.
#[cfg(test)]
mod tests {
    use std::process::Command;

    /// Runs `xtask bench ...`; returns the exit code and the lines of standard output.
    fn bench(arguments: &[&str]) -> (Option<i32>, Vec<String>) {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("bench")
            .args(arguments)
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        (output.status.code(), lines)
    }

    fn number(line: &str, name: &str) -> f64 {
        let (_, rest) =
            line.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} in {line}"));
        rest.split([',', '}']).next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_floor_is_measured_and_rendered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let small = [
            "gateway",
            "--subjects",
            "floor",
            "--only",
            "plain-1",
            "--rounds",
            "1",
            "--seconds",
            "1",
            "--conc",
            "4",
            "--dir",
            path,
        ];
        let (code, lines) = bench(&small);
        assert_eq!(code, Some(0), "{lines:?}");
        let of = |kind: &str| {
            lines
                .iter()
                .filter(|line| line.starts_with(&format!("{{\"line\":\"{kind}\"")))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (of("machine").len(), of("run").len(), of("cell").len(), of("void").len()),
            (1, 2, 1, 0)
        );
        let cell = of("cell").remove(0);
        for name in [
            "n",
            "cpu_us",
            "cpu_us_upstream",
            "cpu_us_load",
            "p50_us",
            "p99_us",
            "rss_mib",
            "fdatasync_p99_us",
        ] {
            assert!(number(cell, name) > 0.0, "{name} in {cell}");
        }
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "nothing stays behind");

        let file = dir.path().join("lines.jsonl");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let (code, table) = bench(&["table", file.to_str().unwrap()]);
        assert_eq!(code, Some(0));
        assert!(table.iter().any(|row| row.starts_with("| plain 1 KiB | floor |")), "{table:?}");
    }

    #[test]
    fn a_gateway_that_does_not_start_voids_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let (code, lines) = bench(&[
            "gateway",
            "--subjects",
            "bartizan",
            "--only",
            "plain-1",
            "--rounds",
            "1",
            "--seconds",
            "1",
            "--bin",
            "/bin/false",
            "--dir",
            path,
        ]);
        assert_eq!(code, Some(1), "{lines:?}");
        let n_void = lines
            .iter()
            .filter(|line| line.contains("\"void\":true") && line.contains("ended at once"))
            .count();
        assert_eq!(n_void, 4, "each of the four settings: {lines:?}");
    }

    #[test]
    fn wrong_usage_is_refused() {
        let cases: [&[&str]; 6] = [
            &["gateway", "--subjects", "envoy"],
            &["gateway", "--only", "plain-2"],
            &["gateway", "--rounds", "0"],
            &["gateway", "--hold", "3"],
            &["gateway", "--conc", "4097"],
            &["table"],
        ];
        for arguments in cases {
            assert_eq!(bench(arguments).0, Some(2), "{arguments:?}");
        }
        for arguments in [
            ["table", "absent.jsonl"].as_slice(),
            &["gateway", "--subjects", "bartizan", "--bin", "absent"],
        ] {
            assert_eq!(bench(arguments).0, Some(3), "{arguments:?}");
        }
    }
}
