//! The library's examples do what they say.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::thread;

use tempfile::TempDir;

use crate::formats::system;

/// What an example printed; it must succeed.
#[track_caller]
fn run(name: &str, arguments: &[&Path]) -> String {
    let output = command(name).args(arguments).stdin(Stdio::null()).output().unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {printed}{errors}");
    printed.into_owned()
}

/// Cargo builds examples before it runs tests, but not if it was asked for this test binary alone.
fn command(name: &str) -> Command {
    static BUILT: Once = Once::new();
    let tests = std::env::current_exe().unwrap();
    let path: PathBuf = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    BUILT.call_once(|| {
        if !path.exists() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let build = Command::new(cargo).args(["build", "--quiet", "--package", "packer", "--examples"]).status();
            assert!(build.unwrap().success(), "the examples cannot be built");
        }
    });
    Command::new(path)
}

#[test]
fn an_image_is_packed_and_verified() {
    let (root, images) = (system(), TempDir::new().unwrap());
    let packed = run("lxd_unified", &[root.path(), images.path()]);
    let image = PathBuf::from(packed.trim());
    assert!(image.is_file(), "{packed}");
    assert!(run("lxd_unified", &[root.path(), images.path()]).contains("was there already"));
    let verified = run("verify_tree", &[&image, root.path()]);
    assert!(verified.ends_with("\n0 differences\n"), "{verified}");
    std::fs::write(root.path().join("new"), "").unwrap();
    let verified = run("verify_tree", &[&image, root.path()]);
    assert!(verified.contains("new") && !verified.ends_with("\n0 differences\n"), "{verified}");
}

#[test]
fn a_layer_is_told_with_size_and_media_type() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    let packed = run("oci_layout", &[root.path(), layout.path()]);
    assert!(packed.contains("bytes, application/vnd.oci.image.layer.v1.tar+zstd\n"), "{packed}");
    packer::verify(layout.path()).unwrap();
}

#[test]
fn progress_ends_at_the_total() {
    let (root, images) = (system(), TempDir::new().unwrap());
    let printed = run("progress", &[root.path(), images.path()]);
    let last = printed.lines().rev().nth(1).unwrap();
    let numbers: Vec<u64> = last.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    assert!(last.starts_with("stream: ") && numbers[0] == numbers[1], "{printed}");
}

/// Standard input ends at once: the pack is cancelled, or was faster.
#[test]
fn a_pack_is_cancelled_from_another_thread() {
    let (root, images) = (system(), TempDir::new().unwrap());
    let printed = run("cancel", &[root.path(), images.path()]);
    let left = std::fs::read_dir(images.path()).unwrap().count();
    let cancelled = printed == "cancelled; nothing is left behind\n";
    assert_eq!(left, usize::from(!cancelled), "{printed}");
}

#[test]
fn errors_are_told_apart() {
    let (root, images) = (system(), TempDir::new().unwrap());
    let missing = images.path().join("missing");
    let output = command("errors").args([root.path(), &missing]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("missing`: no such file or directory\nsee the message\n"), "{printed}");
    assert_eq!(run("errors", &[root.path(), images.path()]).trim().len(), 64);
}

#[test]
fn an_image_is_streamed_to_the_network() {
    let (root, listener) = (system(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap().to_string();
    let received = thread::spawn(move || {
        let mut bytes = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut bytes).map(|_| bytes).unwrap()
    });
    let printed = run("upload", &[root.path(), Path::new(&address)]);
    let images = TempDir::new().unwrap();
    let image = images.path().join(format!("{}.tar.zst", &printed[..64]));
    std::fs::write(&image, received.join().unwrap()).unwrap();
    packer::verify(&image).unwrap();
}
