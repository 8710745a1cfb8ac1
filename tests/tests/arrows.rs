//! The arrows of the house (ARCHITECTURE.md): who may know whom. Reads `cargo metadata`, so that a forbidden dependency fails
//! here and not in a review.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};

const CONTRACTS: [&str; 3] = ["tournee-link", "tournee-payload", "tournee-lake"];

/// In-house crates that each crate may depend on, beside the contracts that are named.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tournee-link", &[]),
    ("tournee-payload", &[]),
    ("tournee-lake", &[]),
    ("tournee-spool", &["tournee-payload"]),
    ("tournee-features", &["tournee-link", "tournee-payload"]),
    (
        "tournee-edge-agent",
        &["tournee-drivers", "tournee-features", "tournee-link", "tournee-payload", "tournee-spool"],
    ),
    ("tournee-import", &["tournee-features", "tournee-payload"]),
    ("tournee-ingest", &["tournee-lake", "tournee-payload"]),
    ("tournee-territory", &[]),
    ("tournee-indicators", &[]),
    ("tournee-priority", &["tournee-indicators"]),
    ("tournee-publish", &["tournee-indicators", "tournee-priority", "tournee-territory"]),
    ("tournee-query", &["tournee-indicators", "tournee-lake", "tournee-priority"]),
    (
        "tournee-pipeline",
        &["tournee-indicators", "tournee-lake", "tournee-priority", "tournee-query", "tournee-territory"],
    ),
    ("tournee-api", &["tournee-indicators", "tournee-priority", "tournee-publish", "tournee-territory"]),
    ("tournee-drivers", &[]),
    ("tournee-sampler", &["tournee-link"]),
    ("tournee-app", &["tournee-drivers", "tournee-link", "tournee-sampler"]),
    ("tournee-devices", &[]),
    ("tournee-twin", &["tournee-app", "tournee-devices", "tournee-link", "tournee-sampler"]),
];

/// Third-party crates and the only in-house crates that may name them.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("datafusion", &["tournee-query", "tournee-pipeline"]),
    ("geodatafusion", &["tournee-query"]),
    ("axum", &["tournee-api"]),
    ("rumqttc-next", &["tournee-bench-ingest", "tournee-edge-agent", "tournee-ingest"]),
    ("mqtt5", &["tournee-ingest"]),
    ("tokio-serial", &["tournee-edge-agent"]),
];

/// What a contract may not reach, however indirectly.
const NOT_UNDER_CONTRACTS: &[&str] = &[
    "tokio",
    "mio",
    "async-std",
    "rusqlite",
    "rumqttc-next",
    "mqtt5",
    "object_store",
    "deltalake",
    "datafusion",
    "axum",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(vec!["--locked".to_owned(), "--offline".to_owned()])
        .exec()
        .expect("cargo metadata answers")
}

fn direct(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let names = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), names)
        })
        .collect()
}

#[test]
fn in_house_arrows_point_downwards_only() {
    let direct = direct(&metadata());
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    for (name, dependencies) in &direct {
        if name == "tournee" || name == "tournee-tests" || name.starts_with("tournee-bench-") {
            continue; // the program knows everything; tests start processes, benches measure whatever there is
        }
        let may =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} is new: give it its arrows in this test"));
        for dependency in dependencies.iter().filter(|dependency| dependency.starts_with("tournee")) {
            assert!(may.contains(&dependency.as_str()), "{name} must not know {dependency}");
        }
    }
    for name in allowed.keys() {
        assert!(direct.contains_key(*name), "{name} has gone: take it out of this test");
    }
}

#[test]
fn heavy_and_networked_crates_stay_in_their_rooms() {
    let direct = direct(&metadata());
    for (crate_name, rooms) in ONLY_IN {
        for (name, dependencies) in &direct {
            if dependencies.contains(*crate_name) {
                assert!(rooms.contains(&name.as_str()), "{name} must not depend on {crate_name}: only {rooms:?} may");
            }
        }
    }
}

#[test]
fn contracts_know_no_io_and_no_runtime() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    for contract in CONTRACTS {
        let start = metadata.packages.iter().find(|package| package.name.as_str() == contract).expect("the contract");
        let mut seen = BTreeSet::from([&start.id]);
        let mut open = vec![&start.id];
        while let Some(id) = open.pop() {
            for dependency in &nodes[id].deps {
                let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if normal && seen.insert(&dependency.pkg) {
                    open.push(&dependency.pkg);
                }
            }
        }
        let reached: BTreeSet<_> = seen.iter().map(|id| names[*id]).collect();
        for forbidden in NOT_UNDER_CONTRACTS {
            assert!(!reached.contains(forbidden), "{contract} reaches {forbidden}");
        }
    }
}

/// What runs on the microcontroller.
const WITHOUT_STD: [&str; 4] = ["tournee-link", "tournee-drivers", "tournee-sampler", "tournee-app"];

#[test]
fn what_runs_on_the_box_builds_without_std() {
    let metadata = metadata();
    for name in WITHOUT_STD {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == name).expect("the crate");
        let root = package.manifest_path.with_file_name("src").join("lib.rs");
        let source = std::fs::read_to_string(&root).expect("its source");
        assert!(source.contains("#![no_std]"), "{name} is not no_std");
        assert!(!source.contains("extern crate alloc"), "{name} allocates");
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal) {
            let std = dependency
                .features
                .iter()
                .any(|feature| feature == "std" || feature == "alloc" || feature == "use-std");
            assert!(!std, "{name} asks for {} with std or alloc", dependency.name);
        }
    }
}
