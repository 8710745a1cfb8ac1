//! The page: built from `web/` by the build script and embedded, so that the binary serves it without any file or host.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

use crate::body::Prepared;
use crate::lang::Lang;

static PAGE: Dir<'_> = include_dir!("$OUT_DIR/page");

/// The page in both languages and its assets by path below `/assets/`.
#[derive(Debug)]
pub struct Assets {
    fr: Prepared,
    en: Prepared,
    files: BTreeMap<String, Prepared>,
}

impl Assets {
    /// All that was embedded, prepared at the first call.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Assets> = LazyLock::new(Assets::prepare);
        &EMBEDDED
    }

    fn prepare() -> Self {
        let html = PAGE.get_file("index.html").and_then(|file| file.contents_utf8()).unwrap_or_default();
        let page = |lang: Lang| {
            let html = html.replacen("<html lang=\"fr\"", &format!("<html lang=\"{}\"", lang.tag()), 1);
            Prepared::new("text/html; charset=utf-8", html)
        };
        let mut files = BTreeMap::new();
        if let Some(folder) = PAGE.get_dir("assets") {
            collect(folder, &mut files);
        }
        Self { fr: page(Lang::Fr), en: page(Lang::En), files }
    }

    /// The page.
    #[must_use]
    pub fn page(&self, lang: Lang) -> &Prepared {
        match lang {
            Lang::Fr => &self.fr,
            Lang::En => &self.en,
        }
    }

    /// An asset; `path` is what follows `/assets/`. There is no fallback to the page: a worker script that came back
    /// as HTML would leave the map blank without a word.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Prepared> {
        self.files.get(path)
    }

    /// Paths of all assets.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

fn collect(folder: &'static Dir<'static>, files: &mut BTreeMap<String, Prepared>) {
    for file in folder.files() {
        let path = file.path().to_string_lossy().replace('\\', "/");
        if let Some(name) = path.strip_prefix("assets/") {
            files.insert(name.to_owned(), Prepared::new(content_type(name), file.contents()));
        }
    }
    for inner in folder.dirs() {
        collect(inner, files);
    }
}

/// MIME type by extension. Module scripts and workers are refused by browsers unless it is a JavaScript type.
#[must_use]
pub fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("html") => "text/html; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
