//! What an output directory holds: images that are what their names say, and at most what a pack that was ended left.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::formats::{Files, files, sha256};
use crate::laws::names;

/// What a directory holds that images are published in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// How many images are what their names say.
    pub(crate) images: usize,
    /// Names of temporary files and directories.
    pub(crate) temporary: Vec<String>,
    /// What is wrong.
    pub(crate) broken: Vec<String>,
}

/// Looks at everything in a directory.
pub(crate) fn of(directory: &Path) -> Holdings {
    let mut holdings = Holdings::default();
    if directory.join("blobs").exists() || directory.join("index.json").exists() {
        layout(&files(directory), &mut holdings);
        return holdings;
    }
    for name in names(directory) {
        let path = directory.join(&name);
        let fingerprint = name.split('.').next().unwrap();
        // What libfuse calls a file that is still open somewhere.
        if name.starts_with(".fuse_hidden") {
            continue;
        }
        let hash = match name.rsplit_once('.').unwrap().1 {
            "tmp" => {
                holdings.temporary.push(name);
                continue;
            }
            "split" => {
                let pages: Vec<_> = files(&path).into_iter().collect();
                match &pages[..] {
                    [(metadata, Some(one)), (rootfs, Some(other))]
                        if is_called(metadata, "metadata") && is_called(rootfs, "rootfs") =>
                    {
                        sha256(&[one, other])
                    }
                    _ => format!("{:?}", names(&path)),
                }
            }
            _ => sha256(&[&fs::read(&path).unwrap()]),
        };
        if hash == fingerprint {
            holdings.images += 1;
        } else {
            holdings.broken.push(format!("{name} is {hash}"));
        }
    }
    holdings
}

/// Whether a file is an archive of this name, compressed or not.
fn is_called(file: &Path, name: &str) -> bool {
    file.to_str().is_some_and(|file| file.strip_prefix(name).is_some_and(|rest| rest.starts_with(".tar")))
}

/// A layout: every blob hashes to its name, and what the index leads to is there.
fn layout(files: &Files, holdings: &mut Holdings) {
    let digest = |descriptor: &Value| format!("blobs/sha256/{}", &descriptor["digest"].as_str().unwrap()[7..]);
    let json = |name: &str| -> Option<Value> { serde_json::from_slice(files.get(Path::new(name))?.as_ref()?).ok() };
    for (path, bytes) in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".tmp") {
            holdings.temporary.push(name.to_owned());
        } else if let Some(bytes) = bytes.as_ref().filter(|_| path.starts_with("blobs")) {
            let hash = sha256(&[bytes]);
            if hash != name {
                holdings.broken.push(format!("{name} is {hash}"));
            }
        }
    }
    let Some(index) = json("index.json") else {
        if files.contains_key(Path::new("index.json")) {
            holdings.broken.push("the index is no JSON".to_owned());
        }
        return;
    };
    if json("oci-layout").is_none() {
        holdings.broken.push("there is an index and no mark".to_owned());
    }
    for entry in index["manifests"].as_array().unwrap() {
        let manifest = json(&digest(entry));
        let there = |descriptor: &Value| files.contains_key(Path::new(&digest(descriptor)));
        match manifest {
            Some(manifest) if there(&manifest["config"]) && there(&manifest["layers"][0]) => holdings.images += 1,
            _ => holdings.broken.push(format!("{entry} leads nowhere")),
        }
    }
}
