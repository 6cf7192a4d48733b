//! What starts other tools: their memory is their own, not that of who asked for it, and how they end is told on.

use std::process::{Command, Output};

use harness::run::Launched;

fn launch(script: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(["launch", script]).output().unwrap()
}

fn launched(script: &str) -> Launched {
    let run = launch(script);
    assert!(run.status.success(), "{script}: {run:?}");
    serde_json::from_slice(&run.stdout).unwrap()
}

#[test]
fn memory_is_that_of_the_largest_process_and_not_of_who_asked() {
    // What the tests hold would be in the figures of a child of theirs.
    let held = std::hint::black_box(vec![1_u8; 100 << 20]);
    let small = launched("true").memory;
    assert!((1 << 20..32 << 20).contains(&small), "{small}");
    // dd has a buffer of the size of a block.
    let large = launched("dd if=/dev/zero bs=50M count=1 status=none | cat; true").memory;
    assert!((50 << 20..80 << 20).contains(&large), "{large}");
    drop(held);
}

/// The first holds what the second does not take yet, the second what nobody takes for a while.
#[test]
fn memory_together_is_that_of_all_processes_that_are_alive_at_one_moment() {
    let together = |script: &str| launched(script).memory_together.unwrap();
    let dd = |size: &str| format!("dd bs={size} count=1 iflag=fullblock status=none");
    let (large, small) = (dd("60M"), dd("30M"));
    let at_once = together(&format!("{large} if=/dev/zero | {small} | (sleep 0.3; cat >/dev/null); true"));
    assert!((90 << 20..110 << 20).contains(&at_once), "{at_once}");
    let in_turn = together(&format!(
        "{large} if=/dev/zero | (sleep 0.1; cat >/dev/null); {small} if=/dev/zero | (sleep 0.1; cat >/dev/null)"
    ));
    assert!((60 << 20..80 << 20).contains(&in_turn), "{in_turn}");
}

#[test]
fn time_is_that_of_the_pipeline() {
    let slept = launched("sleep 0.2 | cat").wall_ns;
    assert!((200_000_000..2_000_000_000).contains(&slept), "{slept}");
}

#[test]
fn a_pipeline_ends_as_any_of_its_parts_does_and_what_it_says_is_heard() {
    for (script, code) in [("exit 3", 3), ("false | true", 1), ("kill -9 $$", 137), ("missing-tool", 127)] {
        assert_eq!(launch(script).status.code(), Some(code), "{script}");
    }
    let run = launch("echo the hash; echo the cause >&2");
    assert!(!String::from_utf8_lossy(&run.stdout).contains("the hash"), "{run:?}");
    assert_eq!(String::from_utf8_lossy(&run.stderr), "the cause\n");
}
