//! Reading that is cancelled ends at once and says so; its progress ends at the exact total.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use packer::{CancelToken, Compression, Error, ErrorKind, Pack, Pass, Progress, Result, Source};
use serde_json::json;

use crate::squashfs::can_be_made;
use crate::workshop::{Layer, Layout, MANIFEST, WHOLE, Workshop, tagged};
use testkit::handmade::tar;

/// How long an end may take. The promise is 200 ms; tests run beside each other, on machines that are busy.
const AT_ONCE: Duration = Duration::from_secs(3);

fn shop() -> Workshop {
    let shop = Workshop::new();
    for directory in ["a", "b", "dev"] {
        let directory = shop.tree().join(directory);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("first"), "content").unwrap();
        fs::hard_link(directory.join("first"), directory.join("second")).unwrap();
        std::os::unix::fs::symlink("first", directory.join("symlink")).unwrap();
    }
    // More than a decoder reads at once.
    fs::write(shop.tree().join("large"), (0..400_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()).unwrap();
    shop
}

/// A layout of two images, of which one lies on top of the other, an artifact and a bare blob.
fn layout(shop: &Workshop) -> PathBuf {
    let layout = Layout::new(&shop.images().join("several"));
    let below = || Layer::zstd(&shop.tar("rootfs", &WHOLE, &["."]));
    let one = layout.image(&[below()]);
    let two = layout.image(&[below(), Layer::gzip(&shop.tar("templates", &WHOLE, &["."])), below()]);
    let empty = layout.blob(b"{}", "application/vnd.oci.empty.v1+json");
    let artifact = json!({"config": empty, "layers": [layout.blob(b"signature", "text/plain")]});
    let artifact = layout.blob(artifact.to_string().as_bytes(), MANIFEST);
    let bare = layout.blob(b"text", "text/plain");
    layout.index(&[tagged(&one, "one"), tagged(&layout.nested(&[two]), "two"), artifact, bare]);
    layout.path
}

/// Images of all formats, and of the decoders that do not share their way of reading.
fn images(shop: &Workshop) -> Vec<Source> {
    let mut images: Vec<PathBuf> = vec![shop.unified(), shop.split(), shop.oci()];
    for compression in ["none", "gzip", "zstd", "xz:0", "squashfs"] {
        if compression != "squashfs" || can_be_made() {
            let pack = Pack::new(shop.tree()).compression(compression.parse::<Compression>().unwrap());
            images.push(pack.publish(shop.images()).unwrap().path.unwrap());
        }
    }
    let two = Source::new(layout(shop)).tag("two".parse().unwrap());
    images.into_iter().map(Source::new).chain([two]).collect()
}

/// A token that is cancelled from the question number `count` on, and how often it was asked after its first yes.
fn cancelled_after(count: u64) -> (CancelToken, Arc<AtomicU64>) {
    let (asked, later) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&later);
    let token = CancelToken::when(move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        counter.fetch_add(u64::from(number > count), Ordering::SeqCst);
        number >= count
    });
    (token, later)
}

/// Cancels `read` at one question after the other, until it succeeds.
fn cancel_everywhere(name: &str, read: impl Fn(CancelToken) -> Result<()>) {
    let mut count = 0;
    loop {
        let (token, later) = cancelled_after(count);
        match read(token) {
            Ok(()) => break assert!(count > 5, "{name}: asked only {count} times"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "{name} after {count}: {error:#}"),
        }
        // Two threads at most read, and each may have been about to ask.
        let later = later.load(Ordering::SeqCst);
        assert!(later <= 4, "{name} after {count}: asked {later} times more");
        // Every moment at first, then fewer: pieces and members are all alike.
        count += 1 + count / 4;
    }
}

#[test]
fn cancelled_at_any_moment_every_reading_says_so() {
    let shop = shop();
    let tree = Pack::new(shop.tree());
    let other = Source::new(Pack::new(shop.tree()).publish(shop.images()).unwrap().path.unwrap());
    for image in images(&shop) {
        let name = image.path().display().to_string();
        let with = |token| image.clone().cancel_token(token);
        cancel_everywhere(&name, |token| with(token).verify_all().map(drop));
        cancel_everywhere(&name, |token| with(token).inspect().map(drop));
        cancel_everywhere(&name, |token| with(token).compare_with_tree(&tree).map(drop));
        cancel_everywhere(&name, |token| packer::diff(&with(token), &other).map(drop));
    }
    // The token of the other side counts as well.
    cancel_everywhere("tree", |token| other.compare_with_tree(&tree.clone().cancel_token(token)).map(drop));
    cancel_everywhere("second", |token| packer::diff(&other, &other.clone().cancel_token(token)).map(drop));
    assert!(children().is_empty(), "{:?}", children());
}

/// The programs that this process started and that still run, `sqfs2tar` among them.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let parent = |stat: &str| stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).map(str::to_owned);
    let stats =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats.filter(|stat| stat.contains("(sqfs2tar)") && parent(stat).as_deref() == Some(&own)).collect()
}

/// A few megabytes that decode to a hundred gigabytes.
#[test]
fn a_bomb_ends_when_it_is_cancelled() {
    let shop = Workshop::new();
    let size = |block: &mut [u8; 512]| block[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\x20\0\0\0\0");
    let header = zstd::encode_all(&tar().with(b'0', "bomb", b"", size).0[..], 1).unwrap();
    let zeros = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 128 << 20), 1).unwrap();
    let image = shop.keep(&[header, zeros.repeat(1_024)].concat(), ".tar.zst");
    let reads: [fn(&Source) -> Option<Error>; 3] = [
        |image| image.verify().err(),
        |image| image.inspect().err(),
        |image| packer::diff(image, &image.clone().cancel_token(CancelToken::new())).err(),
    ];
    for read in reads {
        let start = Instant::now();
        let late = CancelToken::when(move || start.elapsed() > Duration::from_millis(300));
        let error = read(&Source::new(&image).cancel_token(late)).unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:#}");
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    }
}

/// The reports of one reading.
type Reports = Arc<Mutex<Vec<Progress>>>;

fn reports() -> (Reports, impl Fn(&Progress) + Send + Sync + 'static) {
    let reports = Reports::default();
    let sink = Arc::clone(&reports);
    (reports, move |progress: &Progress| sink.lock().unwrap().push(*progress))
}

/// The total at which the reports end. They grow, and name no other total.
fn total(reports: &Reports, is_known: bool) -> u64 {
    let reports = reports.lock().unwrap();
    let (last, before) = reports.split_last().unwrap();
    assert!(!before.is_empty() && reports.windows(2).all(|pair| pair[0].done <= pair[1].done), "{reports:?}");
    assert!(reports.iter().all(|report| report.pass == Pass::Read && report.total.is_none_or(|it| it == last.done)));
    assert!(!is_known || reports.iter().all(|report| report.total.is_some()), "{reports:?}");
    assert_eq!(last.total, Some(last.done));
    last.done
}

fn sizes(paths: impl IntoIterator<Item = PathBuf>) -> u64 {
    paths.into_iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

fn files(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn progress_grows_to_twice_the_size_of_the_archives() {
    let shop = shop();
    let tree = Pack::new(shop.tree());
    for image in images(&shop) {
        let archives: u64 = image.inspect().unwrap().archives.iter().map(|archive| archive.size).sum();
        // Of the layout's image the first layer is there twice, and its links are looked up in one archive or in two.
        let read = |which: &str, read: &dyn Fn(&Source) -> Result<()>| {
            let (reports, callback) = reports();
            read(&image.clone().on_progress(callback)).unwrap();
            assert_eq!(total(&reports, true), 2 * archives, "{which} {}", image.path().display());
        };
        read("verify", &|image| image.verify().map(drop));
        read("inspect", &|image| image.inspect().map(drop));
        read("diff", &|image| packer::diff(image, &Source::new(shop.images().join("layout"))).map(drop));
        read("compare", &|image| image.compare_with_tree(&tree).map(drop));
    }
    // Of a whole layout each layer is read once for each kind of place, and what is no image is hashed.
    let layout = shop.images().join("several");
    let (reports, callback) = reports();
    Source::new(&layout).on_progress(callback).verify_all().unwrap();
    let layers =
        files(&layout.join("blobs/sha256")).into_iter().filter(|blob| fs::metadata(blob).unwrap().len() > 2_000);
    let (largest, all) =
        layers.map(|blob| sizes([blob])).fold((0, 0), |(most, sum), size| (size.max(most), sum + size));
    let templates = sizes(files(&layout.join("blobs/sha256"))) - all;
    let done = total(&reports, true);
    assert!((4 * largest..4 * largest + 2 * templates).contains(&done), "{done}: {largest}");
}

#[test]
fn the_tree_that_is_compared_reports_its_content() {
    let shop = shop();
    let image = Source::new(shop.unified());
    let (reports, callback) = reports();
    image.compare_with_tree(&Pack::new(shop.tree()).on_progress(callback)).unwrap();
    let summary = image.inspect().unwrap();
    assert_eq!(total(&reports, false), summary.content);
}
