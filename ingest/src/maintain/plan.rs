//! Which files of a date to write anew, and how. Pure.

use object_store::path::Path;

/// How the rows of a file lie, and therefore how far maintenance has come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layout {
    /// As ingest wrote it.
    Fresh,
    /// By box and time: for who looks at what a vehicle does today.
    Hot,
    /// By H3 cell and time: for who looks at a place.
    Cold,
}

impl Layout {
    /// What the name of such a file begins with. In the name and not in a tag of the log: every reader and every checkpoint
    /// keeps names.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Fresh => "part",
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }

    /// The layout that a file's name says.
    pub(crate) fn of(path: &Path) -> Self {
        let begins = |layout: Self| {
            path.filename()
                .and_then(|name| name.strip_prefix(layout.prefix()))
                .is_some_and(|rest| rest.starts_with('-'))
        };
        [Self::Hot, Self::Cold].into_iter().find(|layout| begins(*layout)).unwrap_or(Self::Fresh)
    }
}

/// What the planner knows of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its place in the caller's list.
    pub(crate) at: usize,
    pub(crate) layout: Layout,
    pub(crate) bytes: u64,
}

/// Sizes that steer the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Bytes that a new file should have, about.
    pub(crate) target: u64,
    /// Bytes that one rewrite reads at the most.
    pub(crate) group: u64,
    /// Files that make a hot rewrite worth it.
    pub(crate) hot_files: usize,
}

/// A file joins the smaller ones before it only when it is at most this many times their sum: a row is then rewritten a
/// logarithmic number of times, however often maintenance runs.
const TIER: u64 = 4;

/// Groups of files of one date that are each to be written anew as `layout` ([`Layout::Hot`] or [`Layout::Cold`]).
pub(crate) fn groups(files: &[Candidate], layout: Layout, sizes: &Sizes) -> Vec<Vec<usize>> {
    let enough = sizes.target / 2;
    // Files of another layout than a cold date's must be written anew whatever their size; others only when they are small.
    let must = |file: &Candidate| layout == Layout::Cold && file.layout != Layout::Cold;
    let mut list: Vec<&Candidate> = files.iter().filter(|file| must(file) || file.bytes < enough).collect();
    list.sort_by_key(|file| (file.bytes, file.at));
    let mut joined: Vec<&Candidate> = Vec::new();
    let mut sum = 0_u64;
    for file in list {
        if must(file) || joined.is_empty() || file.bytes <= sum.saturating_mul(TIER) {
            sum = sum.saturating_add(file.bytes);
            joined.push(file);
        } else if joined.len() == 1 && !joined.iter().any(|file| must(file)) {
            // One small file beside a large one: begin with the larger.
            sum = file.bytes;
            joined = vec![file];
        }
    }
    let mut out: Vec<Vec<&Candidate>> = Vec::new();
    let mut room = 0_u64;
    for file in joined {
        match out.last_mut().filter(|_| file.bytes <= room) {
            Some(group) => {
                room -= file.bytes;
                group.push(file);
            }
            None => {
                room = sizes.group.saturating_sub(file.bytes);
                out.push(vec![file]);
            }
        }
    }
    let worth = |group: &Vec<&Candidate>| match layout {
        Layout::Cold => group.len() > 1 || group.iter().any(|file| must(file)),
        _ => group.len() >= sizes.hot_files.max(2),
    };
    out.into_iter().filter(worth).map(|group| group.into_iter().map(|file| file.at).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { target: 1_000, group: 4_000, hot_files: 3 };

    fn files(list: &[(Layout, u64)]) -> Vec<Candidate> {
        list.iter().enumerate().map(|(at, (layout, bytes))| Candidate { at, layout: *layout, bytes: *bytes }).collect()
    }

    #[test]
    fn layouts_are_told_by_name() {
        for (name, layout) in [
            ("date=2026-01-15/part-00ff.zstd.parquet", Layout::Fresh),
            ("date=2026-01-15/hot-00ff.zstd.parquet", Layout::Hot),
            ("date=2026-01-15/cold-00ff.zstd.parquet", Layout::Cold),
            ("date=2026-01-15/coldest.parquet", Layout::Fresh),
            ("cold-a/part-1.parquet", Layout::Fresh),
        ] {
            assert_eq!(Layout::of(&Path::from(name)), layout, "{name}");
        }
    }

    #[test]
    fn a_hot_date_joins_small_files_when_there_are_enough() {
        use Layout::{Fresh, Hot};
        assert!(groups(&files(&[(Fresh, 10), (Fresh, 10)]), Hot, &SIZES).is_empty());
        let three = files(&[(Fresh, 10), (Fresh, 10), (Hot, 400)]);
        assert!(groups(&three, Hot, &SIZES).is_empty(), "the large one waits until the small ones have grown");
        let four = files(&[(Fresh, 60), (Fresh, 60), (Hot, 400), (Hot, 600)]);
        assert_eq!(groups(&four, Hot, &SIZES), [vec![0, 1, 2]]);
        assert_eq!(groups(&files(&[(Fresh, 1), (Fresh, 90), (Fresh, 90), (Fresh, 90)]), Hot, &SIZES), [vec![1, 2, 3]]);
    }

    #[test]
    fn a_cold_date_ends_with_cold_files_only_and_then_rests() {
        use Layout::{Cold, Fresh, Hot};
        let late = files(&[(Cold, 900), (Fresh, 1), (Hot, 2_000)]);
        assert_eq!(groups(&late, Cold, &SIZES), [vec![1, 2]]);
        assert_eq!(groups(&files(&[(Fresh, 5)]), Cold, &SIZES), [vec![0]]);
        assert!(groups(&files(&[(Cold, 900), (Cold, 10)]), Cold, &SIZES).is_empty());
        assert!(groups(&files(&[(Cold, 100), (Cold, 10)]), Cold, &SIZES).is_empty());
        assert_eq!(groups(&files(&[(Cold, 100), (Cold, 30)]), Cold, &SIZES), [vec![1, 0]]);
    }

    #[test]
    fn one_rewrite_reads_no_more_than_its_bound() {
        let many = files(&vec![(Layout::Fresh, 450); 25]);
        let groups = groups(&many, Layout::Cold, &SIZES);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [8, 8, 8, 1]);
    }
}
