//! Builds the web page with npm and Vite into `OUT_DIR/page`, from a copy of `web/`: the sources stay untouched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NEED_NODE: &str = "install Node 20 and npm: apt-get install nodejs npm \
                         (Debian 13 and later; before that take Node 20 or newer from its makers)";

fn main() {
    for watched in ["web/src", "web/public", "web/index.html", "web/package-lock.json", "web/vite.config.js"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(complaint) = build() {
        println!("cargo::error={}", complaint.replace('\n', " "));
    }
}

fn build() -> Result<(), String> {
    let sources = PathBuf::from(env("CARGO_MANIFEST_DIR")?).join("web");
    let out = PathBuf::from(env("OUT_DIR")?);
    require_node()?;
    let copy = out.join("web");
    copy_sources(&sources, &copy)?;
    install(&copy)?;
    // Built aside and moved into place: a build that failed half way leaves the last good page.
    let fresh = out.join("page-fresh");
    run(
        "npx",
        &["--no-install", "vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir"],
        &copy,
        Some(&fresh),
    )?;
    let page = out.join("page");
    if page.exists() {
        fs::remove_dir_all(&page).map_err(|error| at(&page, &error))?;
    }
    fs::rename(&fresh, &page).map_err(|error| at(&page, &error))
}

fn env(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set; build with cargo"))
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Node 20.19 or newer (what Vite 8 asks for) and npm.
fn require_node() -> Result<(), String> {
    let version = Command::new("node").arg("--version").output().map_err(|_| NEED_NODE.to_owned())?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < (20, 19) {
        return Err(format!("Node {version} is too old for the page; {NEED_NODE}"));
    }
    match Command::new("npm").arg("--version").output() {
        Ok(npm) if npm.status.success() => Ok(()),
        _ => Err(NEED_NODE.to_owned()),
    }
}

/// Copies `web/` without what was installed or built there.
fn copy_sources(from: &Path, to: &Path) -> Result<(), String> {
    let source_folders = ["src", "public"];
    for folder in source_folders {
        let old = to.join(folder);
        if old.exists() {
            fs::remove_dir_all(&old).map_err(|error| at(&old, &error))?;
        }
    }
    fs::create_dir_all(to).map_err(|error| at(to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| at(from, &error))? {
        let path = entry.map_err(|error| at(from, &error))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            if source_folders.iter().any(|folder| name == *folder) {
                copy_sources_all(&path, &to.join(name))?;
            }
        } else {
            fs::copy(&path, to.join(name)).map_err(|error| at(&path, &error))?;
        }
    }
    Ok(())
}

fn copy_sources_all(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|error| at(to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| at(from, &error))? {
        let path = entry.map_err(|error| at(from, &error))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_sources_all(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).map_err(|error| at(&path, &error))?;
        }
    }
    Ok(())
}

/// `npm ci`, once per lock file.
fn install(copy: &Path) -> Result<(), String> {
    let lock = fs::read(copy.join("package-lock.json")).map_err(|error| at(copy, &error))?;
    let stamp = copy.join("installed.lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], copy, None)?;
    fs::write(&stamp, lock).map_err(|error| at(&stamp, &error))
}

/// Runs a tool in a folder; its complaint becomes ours, in one line.
fn run(tool: &str, arguments: &[&str], folder: &Path, last: Option<&Path>) -> Result<(), String> {
    let output = Command::new(tool)
        .args(arguments)
        .args(last)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .map_err(|error| format!("{tool} did not start ({error}); {NEED_NODE}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(6).collect();
    let what = arguments.iter().take(3).copied().collect::<Vec<_>>().join(" ");
    Err(format!("`{tool} {what}` failed for the web page: {}", said.join(" | ")))
}
