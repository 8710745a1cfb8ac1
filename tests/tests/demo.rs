//! The README's first command, as a user runs it, and everything that must hold afterwards. One demo is run for all tests here.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use tournee_tests::{binary, python, workspace_root};

const THEMES: [&str; 4] = ["air", "road", "mobile", "heat"];
const RULES: [&str; 4] = ["signage_pedestrians", "housing_signal", "dumping_density", "road_works"];

/// A demo that serves its map until the tests have ended.
struct Demo {
    figures: Value,
    url: String,
    data: PathBuf,
}

/// Run once for the whole test process. It ends by itself when its standard input, which this process holds, is closed.
fn demo() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    static CHILD: Mutex<Option<Child>> = Mutex::new(None);
    DEMO.get_or_init(|| {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo");
        let mut child = Command::new(binary("tournee").expect("tournee"))
            .args(["demo", "--json", "--http", "127.0.0.1:0", "--until-stdin-closes", "--data"])
            .arg(&data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let (mut figures, mut url) = (None, None);
        for line in out.lines() {
            let line = line.expect("text");
            if line.starts_with('{') {
                figures = Some(serde_json::from_str(&line).expect("one JSON object"));
            }
            if let Some(at) = line.find("http://") {
                url = line[at..].split_whitespace().next().map(ToOwned::to_owned);
            }
            if figures.is_some() && url.is_some() {
                break;
            }
        }
        *CHILD.lock().expect("lock") = Some(child);
        Demo { figures: figures.expect("figures"), url: url.expect("a URL"), data }
    })
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("`{key}` is not a count in {value}"))
}

fn tournee(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(binary("tournee")?).args(arguments).stdin(Stdio::null()).output()?)
}

fn sql(data: &Path, query: &str) -> Result<Vec<BTreeMap<String, Value>>> {
    let data = data.to_str().context("a path in UTF-8")?;
    let output = tournee(&["sql", "--data", data, "--format", "json", query])?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn nothing_is_lost_and_nothing_is_there_twice() {
    let figures = &demo().figures;
    assert!(number(figures, "generated") > 100_000, "{figures}");
    assert_eq!(number(figures, "stored") + number(figures, "gaps"), number(figures, "generated"), "{figures}");
    assert_eq!(number(figures, "duplicates"), 0);
    assert!(number(figures, "boxes") >= 3);
    assert!(number(figures, "passes") > 1_000);
    assert!(number(figures, "indicators") > 0);
    for theme in THEMES {
        assert!(number(&figures["sections_measured"], theme) > 0, "{theme}: {figures}");
    }
    for rule in RULES {
        assert!(number(&figures["recommendations_by_rule"], rule) > 0, "{rule}: {figures}");
    }
}

#[test]
fn indicators_recover_the_truth_of_the_twin() -> Result<()> {
    let demo = demo();
    let mut truth: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    let text = std::fs::read_to_string(demo.data.join("twin/truth.csv"))?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().context("a header")?.split(',').collect();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        for (name, cell) in header.iter().zip(&cells).skip(1) {
            if let Ok(value) = cell.parse() {
                truth.entry((*name).to_owned()).or_default().insert(cells[0].to_owned(), value);
            }
        }
    }
    for (theme, indicator) in
        [("air", "pm25_ugm3"), ("road", "rough_mps2"), ("mobile", "rsrp_dbm"), ("heat", "facade_delta_k")]
    {
        let rows = sql(
            &demo.data,
            &format!(
                "SELECT section_id, value FROM indicator WHERE territory = 'redon' AND indicator = '{indicator}' AND n_passes >= 6"
            ),
        )?;
        let (mut measured, mut known) = (Vec::new(), Vec::new());
        for row in &rows {
            let id = row["section_id"].as_str().context("an id")?;
            if let Some(value) = truth[indicator].get(id) {
                measured.push(row["value"].as_f64().context("a value")?);
                known.push(*value);
            }
        }
        let rho = tournee_indicators::stats::spearman(&measured, &known).context("a rank correlation")?;
        println!("{theme}: Spearman {rho:.3} over {} sections", measured.len());
        assert!(measured.len() >= 50, "{theme}: only {} sections with six passes", measured.len());
        assert!(rho >= 0.8, "{theme}: Spearman {rho:.3}");
    }
    Ok(())
}

#[test]
fn same_seed_same_answer() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("again");
    let output = tournee(&["demo", "--once", "--json", "--data", data.to_str().context("UTF-8")?])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout)?;
    let mut again: Value = serde_json::from_str(stdout.lines().last().context("a last line")?)?;
    let mut first = demo().figures.clone();
    for figures in [&mut first, &mut again] {
        let object = figures.as_object_mut().context("an object")?;
        object.remove("elapsed_s").context("elapsed_s")?;
        object.remove("data_dir").context("data_dir")?;
    }
    assert_eq!(first, again);
    let query = "SELECT * FROM indicator ORDER BY territory, section_id, indicator";
    assert_eq!(sql(&demo().data, query)?, sql(&data, query)?);
    Ok(())
}

#[test]
fn readers_that_are_not_ours_count_the_same_rows() -> Result<()> {
    let demo = demo();
    let output =
        Command::new(python()?).arg(workspace_root().join("tests/python/count_rows.py")).arg(&demo.data).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counts: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_slice(&output.stdout)?;
    let mut stored = 0;
    for (path, count) in &counts {
        let table = path.split('/').next_back().context("a table")?;
        let ours = sql(&demo.data, &format!("SELECT count(*) AS n FROM {table}"))?[0]["n"].as_u64().context("n")?;
        assert_eq!(count["deltalake"], ours, "{path}");
        assert_eq!(count["duckdb"], ours, "{path}");
        if path.starts_with("lake/") && table != "gap" && table != "quarantine" {
            stored += ours;
        }
    }
    assert_eq!(stored, number(&demo.figures, "stored"));
    Ok(())
}

#[test]
fn sql_answers_as_table_csv_and_json_and_points_at_mistakes() -> Result<()> {
    let data = demo().data.to_str().context("UTF-8")?;
    let query = "SELECT theme, count(*) AS n FROM indicator GROUP BY theme ORDER BY theme";
    let table = String::from_utf8(tournee(&["sql", "--data", data, query])?.stdout)?;
    assert!(table.contains("theme") && table.contains("air"), "{table}");
    let csv = String::from_utf8(tournee(&["sql", "--data", data, "--format", "csv", query])?.stdout)?;
    assert_eq!(csv.lines().next(), Some("theme,n"));
    assert_eq!(sql(&demo().data, query)?.len(), 4);
    let wrong = tournee(&["sql", "--data", data, "SELECT box_id,\n  pm2_5 FROM air"])?;
    assert!(!wrong.status.success());
    let message = String::from_utf8(wrong.stderr)?;
    assert!(message.contains("line 2") && message.contains("column 3"), "{message}");
    assert!(message.contains("pm25_ugm3"), "{message}");
    let write = tournee(&["sql", "--data", data, "DROP TABLE air"])?;
    assert!(!write.status.success());
    Ok(())
}

#[test]
fn the_page_shows_and_explains_every_theme() -> Result<()> {
    let demo = demo();
    let folder = tempfile::tempdir()?;
    let output = Command::new("node")
        .arg(workspace_root().join("tests/browser/run.mjs"))
        .args(["--url", &demo.url, "--out"])
        .arg(folder.path())
        .output()
        .context("node starts")?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{stdout}");
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let package = std::fs::read_dir(folder.path())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "gpkg"))
        .context("a GeoPackage was downloaded")?;
    let info = Command::new("ogrinfo").args(["-al", "-so"]).arg(&package).output().context("GDAL is installed")?;
    let text = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.status.success(), "{text}\n{}", String::from_utf8_lossy(&info.stderr));
    assert!(text.contains("2154"), "{text}");
    let features: u64 = text.lines().filter_map(|line| line.strip_prefix("Feature Count: ")?.parse::<u64>().ok()).sum();
    assert!(features > 0, "{text}");
    Ok(())
}
