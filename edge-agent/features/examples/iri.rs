//! The International Roughness Index of a measured profile: `cargo run -p tournee-features --example iri -- FILE [20]`.
//! One point a line: distance and height in metres, apart by white space or a comma.

use std::error::Error;

use tournee_features::road::iri::{Point, envelope, segments};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name the file of the profile, then the length of a segment in metres")?;
    let segment_m: f64 = arguments.next().as_deref().unwrap_or("20").parse()?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let mut points = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty()).map(str::parse);
        match (words.next(), words.next()) {
            (Some(Ok(distance_m)), Some(Ok(height_m))) => points.push(Point { distance_m, height_m }),
            (None, _) => {}
            _ => return Err(format!("{file}, line {}: two numbers are expected", number + 1).into()),
        }
    }
    let start_m = points.first().map_or(0.0, |point| point.distance_m);
    println!("from m | to m | IRI m/km");
    for segment in segments(&envelope(&points)?, start_m, segment_m)? {
        println!("{:.2} | {:.2} | {:.3}", segment.start_m, segment.end_m, segment.iri_m_per_km);
    }
    println!("The first 20 m hold the start of the car and are not graded.");
    Ok(())
}
