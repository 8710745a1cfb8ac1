//! Projections of downloads: the legal one of the country.

use proj4rs::Proj;
use proj4rs::transform::transform;

use crate::PublishError;

/// A coordinate reference system that files can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crs {
    /// EPSG:4326, longitude and latitude in degrees.
    Wgs84,
    /// EPSG:2154, RGF93 v1 / Lambert-93: metropolitan France.
    Lambert93,
    /// EPSG:2157, IRENET95 / Irish Transverse Mercator.
    IrishTransverseMercator,
}

impl Crs {
    /// The legal projection of a commune by its code: Lambert-93 for metropolitan INSEE codes ("35236", "2A004"), Irish
    /// Transverse Mercator for "IE-…", WGS 84 for all others, the overseas departments among them.
    #[must_use]
    pub fn for_commune(code_insee: &str) -> Self {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let corsica = code_insee.starts_with("2A") || code_insee.starts_with("2B");
        match code_insee.get(2..) {
            Some(rest) if code_insee.len() == 5 && digits(rest) => {
                let overseas = code_insee.starts_with("97") || code_insee.starts_with("98");
                if corsica || (digits(code_insee) && !overseas) { Self::Lambert93 } else { Self::Wgs84 }
            }
            _ if code_insee.starts_with("IE-") => Self::IrishTransverseMercator,
            _ => Self::Wgs84,
        }
    }

    /// EPSG code.
    #[must_use]
    pub const fn epsg(self) -> i32 {
        match self {
            Self::Wgs84 => 4326,
            Self::Lambert93 => 2154,
            Self::IrishTransverseMercator => 2157,
        }
    }

    /// Name in the EPSG registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wgs84 => "WGS 84",
            Self::Lambert93 => "RGF93 v1 / Lambert-93",
            Self::IrishTransverseMercator => "IRENET95 / Irish Transverse Mercator",
        }
    }

    /// Definition as OGC WKT 1.
    #[must_use]
    pub const fn wkt(self) -> &'static str {
        match self {
            Self::Wgs84 => WGS84_WKT,
            Self::Lambert93 => LAMBERT93_WKT,
            Self::IrishTransverseMercator => ITM_WKT,
        }
    }

    const fn proj_string(self) -> &'static str {
        match self {
            Self::Wgs84 => "+proj=longlat +datum=WGS84 +no_defs",
            Self::Lambert93 => {
                "+proj=lcc +lat_0=46.5 +lon_0=3 +lat_1=49 +lat_2=44 +x_0=700000 +y_0=6600000 +ellps=GRS80 +towgs84=0,0,0,0,0,0,0 +units=m +no_defs"
            }
            Self::IrishTransverseMercator => {
                "+proj=tmerc +lat_0=53.5 +lon_0=-8 +k=0.99982 +x_0=600000 +y_0=750000 +ellps=GRS80 +towgs84=0,0,0,0,0,0,0 +units=m +no_defs"
            }
        }
    }

    /// What projects `[longitude, latitude]` in degrees to this system.
    pub(crate) fn projector(self) -> Result<Projector, PublishError> {
        // The strings are constants: a failure here is a failure everywhere, and names no position.
        let make = |crs: Self| {
            Proj::from_proj_string(crs.proj_string()).map_err(|_| PublishError::Projection {
                lon_deg: f64::NAN,
                lat_deg: f64::NAN,
                epsg: crs.epsg(),
            })
        };
        Ok(Projector { crs: self, from: make(Self::Wgs84)?, to: make(self)? })
    }
}

/// A projection, ready.
pub(crate) struct Projector {
    crs: Crs,
    from: Proj,
    to: Proj,
}

impl Projector {
    /// Easting and northing in metres; for WGS 84 longitude and latitude in degrees.
    pub(crate) fn project(&self, [lon_deg, lat_deg]: [f64; 2]) -> Result<[f64; 2], PublishError> {
        if self.crs == Crs::Wgs84 {
            return Ok([lon_deg, lat_deg]);
        }
        let wrong = || PublishError::Projection { lon_deg, lat_deg, epsg: self.crs.epsg() };
        let mut point = (lon_deg.to_radians(), lat_deg.to_radians(), 0.0);
        transform(&self.from, &self.to, &mut point).map_err(|_| wrong())?;
        if point.0.is_finite() && point.1.is_finite() { Ok([point.0, point.1]) } else { Err(wrong()) }
    }
}

const WGS84_WKT: &str = r#"GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]"#;

const LAMBERT93_WKT: &str = r#"PROJCS["RGF93 v1 / Lambert-93",GEOGCS["RGF93 v1",DATUM["Reseau_Geodesique_Francais_1993_v1",SPHEROID["GRS 1980",6378137,298.257222101,AUTHORITY["EPSG","7019"]],AUTHORITY["EPSG","6171"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4171"]],PROJECTION["Lambert_Conformal_Conic_2SP"],PARAMETER["latitude_of_origin",46.5],PARAMETER["central_meridian",3],PARAMETER["standard_parallel_1",49],PARAMETER["standard_parallel_2",44],PARAMETER["false_easting",700000],PARAMETER["false_northing",6600000],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","2154"]]"#;

const ITM_WKT: &str = r#"PROJCS["IRENET95 / Irish Transverse Mercator",GEOGCS["IRENET95",DATUM["IRENET95",SPHEROID["GRS 1980",6378137,298.257222101,AUTHORITY["EPSG","7019"]],AUTHORITY["EPSG","6173"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4173"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",53.5],PARAMETER["central_meridian",-8],PARAMETER["scale_factor",0.99982],PARAMETER["false_easting",600000],PARAMETER["false_northing",750000],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","2157"]]"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: [f64; 2], want: [f64; 2], tolerance_m: f64) {
        assert!((got[0] - want[0]).hypot(got[1] - want[1]) <= tolerance_m, "{got:?} is not {want:?}");
    }

    #[test]
    fn golden_g2_lambert_93() {
        let projector = Crs::Lambert93.projector().unwrap();
        for (lat, lon, east, north) in [
            (46.5, 3.0, 700_000.0, 6_600_000.0),
            (48.85341, 2.3488, 652_216.635, 6_861_682.612),
            (43.2965, 5.3698, 892_390.222, 6_247_035.257),
            (48.3904, -4.4861, 146_632.979, 6_836_262.327),
        ] {
            close(projector.project([lon, lat]).unwrap(), [east, north], 0.005);
        }
    }

    /// Dublin, computed with PROJ 9 through `gdaltransform -t_srs EPSG:2157`.
    #[test]
    fn irish_transverse_mercator_agrees_with_proj() {
        let projector = Crs::IrishTransverseMercator.projector().unwrap();
        close(projector.project([-6.2603, 53.3498]).unwrap(), [715_826.506_6, 734_697.592_6], 0.005);
    }

    #[test]
    fn a_commune_has_its_legal_projection() {
        for (code, crs) in [
            ("35236", Crs::Lambert93),
            ("2A004", Crs::Lambert93),
            ("97105", Crs::Wgs84),
            ("IE-D", Crs::IrishTransverseMercator),
            ("", Crs::Wgs84),
            ("2Aé4", Crs::Wgs84),
            ("ABCDE", Crs::Wgs84),
        ] {
            assert_eq!(Crs::for_commune(code), crs, "{code}");
        }
    }

    #[test]
    fn what_cannot_be_projected_is_refused() {
        assert!(Crs::Lambert93.projector().unwrap().project([f64::NAN, 47.0]).is_err());
    }
}
