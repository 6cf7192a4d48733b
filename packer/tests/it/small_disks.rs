//! Disks that are too small, by any amount: an error that says so, and nothing left; or an image that is whole.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use testkit::tier::sized;

use crate::squashfs::can_be_made;
use testkit::cases::Noise;

/// Runs a script in a mount namespace, and gives what it says. It says nothing if the law holds.
fn violations(place: &Path, script: &str) -> String {
    let law = r#"
        # After a run: $1 its exit code, $2 what it wrote to standard error, $3 what the error is called.
        law() {
            if [ "$1" = 0 ] && [ -d out/blobs ]; then
                [ "$(cat out/oci-layout)" ] && [ "$(cat out/index.json)" ] || echo "$at: no index"
                (cd out/blobs/sha256 && sha256sum * | while read sum name; do [ $sum = $name ] || echo "$at: '$name' hashes to $sum"; done)
            elif [ "$1" = 0 ]; then
                name=$(ls -A out)
                [ -d "out/$name" ] && files=$(echo out/$name/metadata* out/$name/rootfs*) || files=out/$name
                sum=$(cat $files | sha256sum | cut -d' ' -f1)
                case "$name" in "$sum".tar*|"$sum".squashfs|"$sum".split) ;; *) echo "$at: '$name' hashes to $sum" ;; esac
            else
                [ "$1" = 1 ] || echo "$at: exit code $1"
                [ -z "$(ls -A out)" ] || echo "$at: left $(ls -A out)"
                [ "$(wc -l < "$2")" = 1 ] && grep -q "$3" "$2" || echo "$at: says $(cat "$2")"
            fi
        }
    "#;
    let run = Command::new("timeout")
        .args(["1500", "unshare", "--mount", "--map-root-user", "sh", "-c", &format!("{law}\n{script}")])
        .env("ONEPASS", env!("CARGO_BIN_EXE_onepass"))
        .current_dir(place)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", run.status, String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// A directory with a tree that no codec makes much smaller than a megabyte, and an empty `out`.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    let tree = place.path().join("tree");
    fs::create_dir_all(tree.join("directory")).unwrap();
    fs::write(tree.join("directory/file"), "content\n".repeat(20_000)).unwrap();
    fs::write(tree.join("noise"), Noise(1).bytes(1 << 20)).unwrap();
    fs::create_dir(place.path().join("out")).unwrap();
    place
}

const WAYS: &str = "'-c none' '-c gzip' '-c zstd' '-c xz:1' '-c external:gzip' '-c gzip --strategy two-pass' \
    '-c zstd --strategy two-pass' '-f split --arch amd64' '-f oci --arch amd64 --strategy two-pass'";

/// The ways of packing, as words of a shell.
fn ways() -> String {
    let squashfs = if can_be_made() { "'-c squashfs'" } else { "" };
    format!("{WAYS} {squashfs}")
}

/// In steps of 64 KiB; in the fast tier of 1,024, and of 64 from the last of them that is too small.
#[test]
fn of_every_size() {
    let (place, ways) = (place(), ways());
    let coarse = sized(1024, 64);
    let script = format!(
        r#"
        for way in {ways}; do
            size=4; fitted=0; step={coarse}
            while [ $size -lt 8192 ]; do
                at="$way in $size KiB"
                mount -t tmpfs -o size=${{size}}k none out
                $ONEPASS pack tree -o out -t 2 $way >/dev/null 2>words; code=$?
                law $code words 'no space left on device'
                [ $code = 0 ] || [ "$(df --output=used -k out | tail -n 1)" -le 4 ] || echo "$at: not freed"
                umount out
                if [ $code = 0 ] && [ $step -gt 64 ]; then
                    size=$((size - step)); step=64
                elif [ $code = 0 ]; then
                    fitted=$((fitted+1)); [ $fitted = 2 ] && break
                fi
                size=$(( (size / step + 1) * step ))
            done
            [ $fitted = 2 ] || echo "$way never fitted"
        done"#
    );
    assert_eq!(violations(place.path(), &script), "");
}

#[test]
fn without_inodes_and_read_only() {
    let (place, ways) = (place(), ways());
    let script = format!(
        r#"
        for way in {ways}; do
            at="$way without inodes"
            mount -t tmpfs -o nr_inodes=1 none out
            $ONEPASS pack tree -o out $way >/dev/null 2>words; law $? words 'no space left on device'
            umount out
            at="$way, read-only"
            mount -t tmpfs -o ro none out
            $ONEPASS pack tree -o out $way >/dev/null 2>words; law $? words 'read-only file system'
            umount out
        done"#
    );
    assert_eq!(violations(place.path(), &script), "");
}

/// The limit of the size of files, at every byte of a small image: each write of it is cut short once, and fails after that. In
/// the fast tier one way has every byte; the others have steps, and every byte from the last of them that is too small.
#[test]
fn with_a_limit_at_every_byte() {
    let place = TempDir::new().unwrap();
    fs::create_dir_all(place.path().join("tree/directory")).unwrap();
    fs::write(place.path().join("tree/file"), "content\n".repeat(40)).unwrap();
    fs::create_dir(place.path().join("out")).unwrap();
    let (coarse, coarser) = sized((37, 149), (1, 11));
    let script = format!(
        r#"
        for way in '-c gzip' '-c zstd' '-c external:gzip' '-c gzip --strategy two-pass' '-f split --arch amd64' \
            '-f oci --arch amd64'; do
            limit=0; fitted=0; fine=1
            # The temporary tar is ten times as large.
            case "$way" in '-c gzip') step=1 ;; *two-pass) step={coarser}; fine=11 ;; *) step={coarse} ;; esac
            while [ $fitted -lt 3 ]; do
                at="$way with $limit bytes"
                prlimit --fsize=$limit $ONEPASS pack tree -o out $way 2>&1 >/dev/null | cat > words
                code=0; [ -s words ] && code=1
                law $code words 'file too large'
                [ $code = 0 ] && rm -r out/*
                if [ $code = 0 ] && [ $step -gt $fine ]; then
                    limit=$((limit-step)); step=$fine
                elif [ $code = 0 ]; then
                    fitted=$((fitted+1))
                fi
                limit=$((limit+step))
                [ $limit -lt 9000 ] || {{ echo "$way never fitted"; break; }}
            done
            [ $limit -gt 200 ] || echo "$way fitted $limit bytes"
        done"#
    );
    assert_eq!(violations(place.path(), &script), "");
}

/// And at a sample of the bytes of a larger one.
#[test]
fn with_a_limit_at_some_bytes() {
    let (place, ways) = (place(), ways());
    let limits: Vec<String> = Noise(1).map(|number| (number >> 44).to_string()).take(sized(8, 300)).collect();
    let script = format!(
        r#"
        for way in {ways}; do
            for limit in {}; do
                at="$way with $limit bytes"
                prlimit --fsize=$limit $ONEPASS pack tree -o out -t 2 $way 2>&1 >/dev/null | cat > words
                code=0; [ -s words ] && code=1
                law $code words 'file too large'
                if [ $code = 0 ]; then rm -r out/*; fi
            done
        done"#,
        limits.join(" ")
    );
    assert_eq!(violations(place.path(), &script), "");
}

#[test]
fn an_image_over_the_limit_is_refused() {
    let (place, ways) = (place(), ways());
    let script = format!(
        r#"
        for way in {ways}; do
            for limit in 0 1 64K 1M; do
                at="$way with $limit at most"
                $ONEPASS pack tree -o out --max-size $limit $way >/dev/null 2>words; law $? words 'larger than the limit of'
            done
            $ONEPASS pack tree -o out --max-size 64M $way >/dev/null && law 0 words; rm -r out/*
        done"#
    );
    assert_eq!(violations(place.path(), &script), "");
}
