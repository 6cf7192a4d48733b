//! Progress: the library's callback, JSON lines, the bar.

use std::process::Command;
use std::sync::{Arc, Mutex};

use packer::{Pack, Pass, Strategy};
use tempfile::TempDir;

use crate::trees;

#[test]
fn progress_grows_and_ends_at_the_exact_total() {
    let (root, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    trees::some().create(root.path(), false);
    // Many segments, so that there is much to report.
    std::fs::write(root.path().join("large"), vec![1; 40 << 20]).unwrap();
    for (strategy, passes) in
        [(Strategy::SingleStream, &[Pass::Stream][..]), (Strategy::TwoPass, &[Pass::Tar, Pass::Compress])]
    {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let pack = Pack::new(root.path()).strategy(strategy);
        let pack = pack.on_progress(move |progress| sink.lock().unwrap().push(*progress));
        let image = pack.publish(output.path()).unwrap();
        let reports = reports.lock().unwrap();
        for pass in passes {
            let of: Vec<_> = reports.iter().filter(|progress| progress.pass == *pass).collect();
            let (last, before) = of.split_last().unwrap();
            assert!(!before.is_empty(), "{strategy} {pass:?}: {} reports", of.len());
            assert!(before.windows(2).all(|pair| pair[0].done <= pair[1].done));
            // Whenever there is a total, it is the right one.
            assert!(of.iter().filter_map(|progress| progress.total).all(|total| total == image.tar_size));
            assert_eq!((last.done, last.total), (image.tar_size, Some(image.tar_size)));
            assert!(last.speed > 0);
        }
    }
}

/// A tree of many segments, so that progress is told while it is packed.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    std::fs::create_dir_all(place.path().join("tree")).unwrap();
    std::fs::create_dir_all(place.path().join("out")).unwrap();
    let text: String = (0..600_000_u32).map(|number| number.to_string()).collect();
    for number in 0..4 {
        std::fs::write(place.path().join(format!("tree/{number}")), &text).unwrap();
    }
    place
}

/// The command that packs it, into an empty directory.
fn command(place: &TempDir) -> Command {
    emptied(place);
    let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
    command.current_dir(place.path()).args(["pack", "tree", "-o", "out"]);
    command
}

fn emptied(place: &TempDir) {
    let out = place.path().join("out");
    std::fs::remove_dir_all(&out).and_then(|()| std::fs::create_dir(out)).unwrap();
}

#[test]
fn json_lines_have_lxds_keys() {
    let place = place();
    for (strategy, stages) in [
        ("single-stream", &["create_image_from_instance_pack"][..]),
        ("two-pass", &["create_image_from_instance_pack", "create_image_from_instance_compress"]),
    ] {
        let run = command(&place).args(["--progress", "json", "--strategy", strategy]).output().unwrap();
        assert!(run.status.success());
        let lines: Vec<serde_json::Map<String, serde_json::Value>> =
            String::from_utf8(run.stderr).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for stage in stages {
            let of: Vec<_> = lines.iter().filter(|line| line["stage"] == *stage).collect();
            assert!(!of.is_empty(), "{stage}: {of:?}");
            for line in &of {
                let known = ["percent", "processed", "speed", "stage"];
                assert!(line.keys().all(|key| known.contains(&key.as_str())), "{line:?}");
                assert!(
                    line["speed"].is_u64() && line.get("percent").is_none_or(|percent| percent.as_u64() <= Some(100))
                );
            }
            assert!(of.windows(2).all(|pair| pair[0]["processed"].as_u64() <= pair[1]["processed"].as_u64()));
            assert_eq!(of.last().unwrap()["percent"], 100);
        }
        assert!(lines.iter().all(|line| stages.contains(&line["stage"].as_str().unwrap())));
    }
}

#[test]
fn a_bar_is_for_terminals_and_for_who_asks_for_it() {
    let place = place();
    let on_terminal = |options: &str| {
        emptied(&place);
        let pack = format!("{} pack tree -o out {options}", env!("CARGO_BIN_EXE_onepass"));
        let mut script = Command::new("script");
        script.args(["-qec", &pack, "/dev/null"]).current_dir(place.path());
        script.stdin(std::process::Stdio::null());
        script.output().map(|run| String::from_utf8_lossy(&run.stdout).into_owned())
    };
    let Ok(shown) = on_terminal("") else { return testkit::log::skip("script is not installed") };
    assert!(shown.contains("Packing: ") && shown.contains("% ") && shown.contains(" left)"), "{shown:?}");
    assert_eq!(on_terminal("--quiet").unwrap().trim_end().lines().count(), 1);
    for options in [&[][..], &["--quiet"], &["--progress", "none"], &["--quiet", "--progress", "none"]] {
        assert!(command(&place).args(options).output().unwrap().stderr.is_empty(), "{options:?}");
    }
}
