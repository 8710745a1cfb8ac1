//! Every address, asked without a socket.

#![allow(clippy::unwrap_used)]

mod support;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use tournee_api::{AppState, router};
use tower::ServiceExt;

const LIMIT_BYTES: usize = 64 << 20;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

struct Client(axum::Router);

impl Client {
    fn new() -> Self {
        Self(router(AppState::new(support::snapshot()).unwrap()))
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, LIMIT_BYTES).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, uri: &str) -> Answer {
        self.send(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    async fn get_with(&self, uri: &str, name: header::HeaderName, value: &str) -> Answer {
        self.send(Request::get(uri).header(name, value).body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn the_page_speaks_french_unless_asked_otherwise() {
    let client = Client::new();
    let page = client.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert!(page.text().contains("<html lang=\"fr\""));
    assert!(client.get("/?lang=en").await.text().contains("<html lang=\"en\""));
    let english = client.get_with("/", header::ACCEPT_LANGUAGE, "en-GB,en;q=0.9,fr;q=0.5").await;
    assert_eq!(english.header(header::CONTENT_LANGUAGE), "en");
}

#[tokio::test]
async fn every_answer_carries_the_policy_and_names_no_other_host() {
    let client = Client::new();
    for uri in ["/", "/api/territories", "/api/nothing", "/assets/nothing.js", "/healthz"] {
        let answer = client.get(uri).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY).to_owned();
        assert!(policy.contains("default-src 'self'") && policy.contains("worker-src 'self'"), "{uri}: {policy}");
        assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{uri}");
    }
    let page = client.get("/").await.text();
    assert!(!page.contains("http:") && !page.contains("https:"), "{page}");
}

#[tokio::test]
async fn the_assets_of_the_page_are_there_as_what_they_are_and_nothing_stands_in_for_the_others() {
    let client = Client::new();
    let assets = tournee_api::assets::Assets::embedded();
    let paths: Vec<String> = assets.paths().map(str::to_owned).collect();
    assert!(paths.iter().any(|path| path.contains("maplibre-gl-worker")), "{paths:?}");
    for path in &paths {
        let asset = client.get(&format!("/assets/{path}")).await;
        assert_eq!(asset.status, StatusCode::OK, "{path}");
        let expected = tournee_api::assets::content_type(path);
        assert_eq!(asset.header(header::CONTENT_TYPE), expected);
        if path.ends_with("js") {
            assert!(expected.starts_with("text/javascript"));
        }
        let tag = asset.header(header::ETAG).to_owned();
        let again = client.get_with(&format!("/assets/{path}"), header::IF_NONE_MATCH, &tag).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
    for missing in ["/assets/maplibre-gl-worker.mjs", "/assets/", "/assets/../index.html", "/assets/%2e%2e/index.html"]
    {
        let answer = client.get(missing).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{missing}");
        assert!(!answer.text().contains("<html"), "{missing}");
    }
    assert_eq!(tournee_api::assets::content_type("worker.mjs"), "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn territories_say_what_they_are() {
    let list = Client::new().get("/api/territories").await.json();
    let territories = list["territories"].as_array().unwrap();
    assert_eq!(territories.len(), 2);
    assert_eq!(territories[0]["id"], "redon");
    assert_eq!(territories[0]["communes"][0]["code_insee"], "35236");
    let themes: Vec<_> = territories[0]["themes"].as_array().unwrap().iter().map(|one| &one["theme"]).collect();
    assert_eq!(themes, ["air", "road", "mobile", "heat"]);
    assert_eq!(territories[0]["themes"][0]["indicator"], "pm25_ugm3");
    assert_eq!(territories[0]["themes"][0]["origins"], serde_json::json!(["simulated"]));
    assert_eq!(territories[1]["themes"].as_array().unwrap().len(), 1);
    assert_eq!(territories[1]["themes"][0]["origins"], serde_json::json!(["partner"]));
    for territory in territories {
        assert!(!territory["statement"]["fr"].as_str().unwrap().is_empty());
        assert!(!territory["attributions"].as_array().unwrap().is_empty());
        let bounds: Vec<f64> = serde_json::from_value(territory["bounds"].clone()).unwrap();
        assert!(bounds[0] < bounds[2] && bounds[1] < bounds[3], "{bounds:?}");
    }
}

fn monday(day: u8) -> Value {
    Value::from(format!("2026-01-{day:02}"))
}

#[tokio::test]
async fn layers_hold_every_measured_section_with_its_drawing_rule() {
    let client = Client::new();
    for theme in ["air", "road", "mobile", "heat"] {
        let layer = client.get(&format!("/api/territories/redon/layers/{theme}.geojson")).await;
        assert_eq!(layer.header(header::CONTENT_TYPE), "application/geo+json");
        let layer = layer.json();
        let features = layer["features"].as_array().unwrap();
        assert!(features.len() > 100, "{theme}: {}", features.len());
        for drawn in ["solid", "dashed", "grey", "withheld"] {
            assert!(features.iter().any(|one| one["properties"]["drawn"] == drawn), "{theme}: none is {drawn}");
        }
        let mut withheld = [0, 0];
        for feature in features {
            let properties = feature["properties"].as_object().unwrap();
            assert_eq!(properties["withheld"] == true, properties["drawn"] == "withheld");
            if properties["withheld"] == true {
                let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
                keys.sort_unstable();
                let said =
                    ["code_insee", "drawn", "indicator", "name", "origin", "reason", "section_id", "unit", "withheld"];
                assert_eq!(keys, said, "a withheld row says more than its reason");
                withheld[usize::from(properties["reason"] == "buildings")] += 1;
                continue;
            }
            let n_passes = properties["n_passes"].as_u64().unwrap();
            assert!(n_passes >= 3, "fewer vehicle-days than the gate asks for: {properties:?}");
            assert_eq!(properties["drawn"] == "grey", n_passes < 5, "{properties:?}");
            assert!(properties["value"].is_f64() && properties["unit"].is_string());
            assert_eq!((&properties["first_date"], &properties["last_date"]), (&monday(5), &monday(26)));
        }
        assert!(withheld[0] > 5, "{theme}");
        assert_eq!(withheld[1] > 0, theme == "heat", "{theme}");
        let told = &layer["withheld"];
        assert_eq!([&told["vehicles"], &told["buildings"]], withheld.map(Value::from).each_ref(), "{theme}");
    }
    let list = client.get("/api/territories").await.json();
    let air = client.get("/api/territories/redon/layers/air.geojson").await.json();
    let public = air["features"].as_array().unwrap().iter().filter(|one| one["properties"]["withheld"] == false);
    assert_eq!(list["territories"][0]["themes"][0]["sections"], public.count());
    let partner = client.get("/api/territories/dublin/layers/air.geojson?indicator=no2_ugm3").await.json();
    let first = &partner["features"][0]["properties"];
    assert_eq!(
        (&first["indicator"], &first["drawn"], &first["n_passes"]),
        (&"no2_ugm3".into(), &"dashed".into(), &0.into()),
        "a partner's values are drawn by the confidence that the partner states"
    );
}

#[tokio::test]
async fn the_base_map_has_streets_buildings_and_communes() {
    let base = Client::new().get("/api/territories/redon/base.geojson").await.json();
    let features = base["features"].as_array().unwrap();
    for (kind, geometry) in [("street", "LineString"), ("building", "Polygon"), ("commune", "MultiPolygon")] {
        let found = features.iter().find(|one| one["properties"]["kind"] == kind).unwrap();
        assert_eq!(found["geometry"]["type"], geometry);
    }
}

#[tokio::test]
async fn the_legend_gives_classes_units_and_what_confidence_asks_for() {
    let legend = Client::new().get("/api/territories/redon/legend").await.json();
    let themes = legend["themes"].as_array().unwrap();
    assert_eq!(themes.len(), 4);
    for theme in themes {
        let headline = &theme["indicators"][0];
        assert_eq!(headline["headline"], true);
        assert!(!headline["unit"].as_str().unwrap().is_empty());
        assert!(headline["classes"].as_array().unwrap().len() >= 3);
        assert_eq!(theme["gates"][0]["confidence"], "high");
        assert!(theme["gates"][0]["passes"].as_u64().unwrap() > 0);
    }
    // The operator's own indicator is offered beside the headline.
    assert!(themes[2]["indicators"].as_array().unwrap().iter().any(|one| one["indicator"] == "rsrp_dbm_20801"));
}

#[tokio::test]
async fn a_section_is_explained_without_saying_who_drove_there_or_when() {
    let client = Client::new();
    let answer = client.get("/api/territories/redon/sections/w00-n0-0").await;
    let text = answer.text();
    for secret in ["secret-box", "box_id", "t_us", "T08", "176760"] {
        assert!(!text.contains(secret), "{secret} leaves the server");
    }
    let explanation = answer.json();
    assert_eq!(explanation["section"]["name"], "Grande Rue");
    assert_eq!(explanation["section"]["commune"], "Redon");
    let indicators = explanation["indicators"].as_array().unwrap();
    assert_eq!(indicators[0]["theme"], "air");
    // Of one pass: nothing but the reason.
    for one in indicators {
        assert_eq!((&one["withheld"], &one["reason"]), (&true.into(), &"vehicles".into()));
        assert!(one["value"].is_null() && one["n_passes"].is_null() && one["label"]["fr"].is_string(), "{one}");
    }
    assert_eq!(explanation["recommendations"].as_array().unwrap().len(), 0, "it rests on a withheld value");
    assert_eq!(explanation["recommendations_withheld"], 1);
    let list = client.get("/api/territories/redon/recommendations").await.json();
    let recommended = list["recommendations"][0]["section_id"].as_str().unwrap();
    let explanation = client.get(&format!("/api/territories/redon/sections/{recommended}")).await.json();
    let shown = explanation["indicators"].as_array().unwrap().iter().filter(|one| one["withheld"] == false);
    assert!(shown.clone().count() >= 5);
    for one in shown {
        for key in ["value", "unit", "n_passes", "n_days", "n_boxes", "confidence", "origin", "label", "drawn"] {
            assert!(!one[key].is_null(), "{key}: {one}");
        }
    }
    let reasons = explanation["recommendations"][0]["reasons"].as_array().unwrap();
    assert!(!reasons.is_empty() && reasons[0]["contribution"].is_f64());
}

#[tokio::test]
async fn passes_stand_under_weeks_that_enough_vehicles_drove() {
    let client = Client::new();
    let layer = client.get("/api/territories/redon/layers/road.geojson").await.json();
    let mut seen = [0, 0, 0];
    for feature in layer["features"].as_array().unwrap().iter().take(40) {
        let id = feature["properties"]["section_id"].as_str().unwrap();
        let explanation = client.get(&format!("/api/territories/redon/sections/{id}")).await.json();
        for one in explanation["indicators"].as_array().unwrap() {
            if one["withheld"] == true {
                for key in ["value", "lo", "hi", "class", "class_label", "first_date", "n_passes", "n_days", "passes"] {
                    assert!(one.get(key).is_none(), "{key}: {one}");
                }
                seen[0] += 1;
                continue;
            }
            assert!(one["n_boxes"].as_u64().unwrap() >= 2, "one vehicle's value is shown: {one}");
            assert_eq!((&one["first_date"], &one["last_date"]), (&monday(5), &monday(26)));
            let passes = one["passes"].as_array().unwrap();
            for pass in passes {
                assert!(pass["week"].as_str().unwrap().starts_with("2026-W0"), "{pass}");
                assert_eq!(pass.as_object().unwrap().len(), 2, "{pass}");
            }
            let (weeks, unlisted) =
                (&one["weeks_withheld"]["weeks"], one["weeks_withheld"]["passes"].as_u64().unwrap());
            assert_eq!(passes.len() as u64 + unlisted, one["n_passes"].as_u64().unwrap(), "no pass is lost");
            // The round of the made-up vehicles leaves the eighth day to one of them.
            if one["n_passes"] == 8 {
                assert_eq!((weeks, unlisted), (&1.into(), 1), "{one}");
                seen[2] += 1;
            }
            seen[1] += 1;
        }
    }
    assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
}

#[tokio::test]
async fn recommendations_that_rest_on_withheld_values_are_counted_and_not_listed() {
    let client = Client::new();
    let all = support::snapshot().territories[0].recommendations.len();
    let list = client.get("/api/territories/redon/recommendations").await.json();
    let rows = list["recommendations"].as_array().unwrap();
    let withheld = usize::try_from(list["withheld"].as_u64().unwrap()).unwrap();
    assert!(withheld > 0 && rows.len() + withheld == all, "{} + {withheld} of {all}", rows.len());
    assert_eq!(client.get("/api/territories").await.json()["territories"][0]["recommendations"], rows.len());
    for row in rows {
        assert!(row["reasons"][0]["n_passes"].as_u64().unwrap() >= 3, "{row}");
    }
}

#[tokio::test]
async fn recommendations_come_ranked_with_reasons_that_add_up() {
    let list = Client::new().get("/api/territories/redon/recommendations").await.json();
    let rows = list["recommendations"].as_array().unwrap();
    assert!(rows.len() > 10);
    for pair in rows.windows(2) {
        let key = |row: &Value| (row["rank"].as_u64().unwrap(), row["rule"].as_str().unwrap().to_owned());
        assert!(key(&pair[0]) <= key(&pair[1]), "by rank, then rule");
    }
    for row in rows {
        let sum: f64 = row["reasons"].as_array().unwrap().iter().filter_map(|one| one["contribution"].as_f64()).sum();
        assert!((sum - row["score"].as_f64().unwrap()).abs() < 1e-9);
        assert_eq!(row["middle"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn communes_give_files_under_french_names() {
    let client = Client::new();
    for (file, name, begins) in [
        ("35236.gpkg", "tournee-35236-redon-indicateurs.gpkg", &b"SQLite format 3\0"[..]),
        ("35236.csv", "tournee-35236-redon-indicateurs.csv", b""),
        ("35236.csv?variant=fr", "tournee-35236-redon-indicateurs-tableur.csv", b"\xEF\xBB\xBF"),
        ("44185.geojson", "tournee-44185-saint-nicolas-de-redon-indicateurs.geojson", b"{"),
    ] {
        for _ in 0..2 {
            let answer = client.get(&format!("/api/territories/redon/downloads/{file}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{file}: {}", answer.text());
            let disposition = answer.header(header::CONTENT_DISPOSITION);
            assert_eq!(disposition, format!("attachment; filename=\"{name}\""));
            assert!(answer.body.starts_with(begins), "{file}");
            assert!(answer.body.len() > 500, "{file} is nearly empty");
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret-box"), "{file}");
        }
    }
}

#[tokio::test]
async fn refusals_say_what_to_do_with_the_right_status() {
    let client = Client::new();
    let long = "a".repeat(65);
    for (uri, status) in [
        ("/api/territories/atlantis/legend", 404),
        ("/api/territories/redon/layers/noise.geojson", 404),
        ("/api/territories/redon/layers/air.json", 404),
        ("/api/territories/redon/layers/air.geojson?indicator=rough_mps2", 404),
        ("/api/territories/redon/layers/air.geojson?indicator=%00", 400),
        ("/api/territories/dublin/layers/road.geojson", 404),
        ("/api/territories/redon/sections/w1", 404),
        ("/api/territories/redon/sections/%C3%A9%27--", 400),
        ("/api/territories/redon/sections/..%2F..%2Fetc", 400),
        ("/api/territories/redon/downloads/99999.gpkg", 404),
        ("/api/territories/redon/downloads/35236.xlsx", 404),
        ("/api/territories/redon/downloads/35236", 404),
        ("/api/territories/redon/downloads/35236.csv?variant=de", 404),
        (&format!("/api/territories/{long}/legend"), 400),
        ("/nowhere", 404),
    ] {
        let answer = client.get(uri).await;
        assert_eq!(answer.status.as_u16(), status, "{uri}");
        let refusal = answer.json();
        assert!(refusal["error"].as_str().unwrap().len() > 10, "{uri}");
        assert!(refusal["what_to_do"].as_str().unwrap().len() > 10, "{uri}");
    }
    let french = client.get("/nowhere").await.json();
    let english = client.get("/nowhere?lang=en").await.json();
    assert_ne!(french["error"], english["error"]);
    let post = client.send(Request::post("/api/territories").body(Body::from("x".repeat(4096))).unwrap()).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(post.json()["what_to_do"].is_string());
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_take_it() {
    let client = Client::new();
    for uri in ["/api/territories/redon/base.geojson", "/api/territories/redon/sections/w00-n0-0"] {
        let plain = client.get(uri).await;
        let packed = client.get_with(uri, header::ACCEPT_ENCODING, "gzip").await;
        assert_eq!(packed.header(header::CONTENT_ENCODING), "gzip", "{uri}");
        assert!(packed.body.len() < plain.body.len() / 2, "{uri}");
        assert!(packed.body.starts_with(&[0x1f, 0x8b]), "{uri}");
    }
}

#[tokio::test]
async fn a_new_snapshot_replaces_the_old_one_while_the_server_runs() {
    let state = AppState::new(support::snapshot()).unwrap();
    let client = Client(router(state.clone()));
    let before = client.get("/api/territories").await;
    let mut fresh = support::snapshot();
    fresh.data_version = "essai-2".to_owned();
    fresh.territories.truncate(1);
    state.replace(fresh).unwrap();
    let after = client.get_with("/api/territories", header::IF_NONE_MATCH, before.header(header::ETAG)).await;
    assert_eq!(after.status, StatusCode::OK, "the old tag must not stand for the new list");
    assert_eq!(after.json()["data_version"], "essai-2");
    assert_eq!(client.get("/api/territories/dublin/legend").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/healthz").await.json()["territories"], 1);
}

#[tokio::test]
async fn values_that_are_no_numbers_and_rows_of_strangers_are_left_out() {
    let mut snapshot = support::snapshot();
    let view = &mut snapshot.territories[0];
    let row = |change: &dyn Fn(&mut tournee_indicators::Indicator)| {
        let mut row = view.indicators[0].clone();
        change(&mut row);
        row
    };
    let strangers = [
        row(&|row| row.territory = "atlantis".to_owned()),
        row(&|row| row.section_id = "w-of-another-town".to_owned()),
        row(&|row| row.value = f64::NAN),
    ];
    let whole = Client::new().get("/api/territories/redon/layers/air.geojson").await.json();
    view.indicators.extend(strangers);
    let client = Client(router(AppState::new(snapshot).unwrap()));
    let layer = client.get("/api/territories/redon/layers/air.geojson").await.json();
    assert_eq!(layer, whole);
    assert_eq!(client.get("/api/territories/redon/sections/w00-n0-0").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_server_stops_when_told_even_with_a_connection_open() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let state = AppState::new(support::snapshot()).unwrap();
    let server = tokio::spawn(tournee_api::serve(listener, state, stop.clone()));
    let idle = tokio::net::TcpStream::connect(address).await.unwrap();
    stop.cancel();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), server).await;
    ended.expect("the server did not stop").unwrap().unwrap();
    drop(idle);
}
