//! A town on a drawing board, for tests and benchmarks.

use crate::town::{Facade, Street, Town};

/// Middle of the grid: Redon.
const LAT_DEG: f64 = 47.65;
const LON_DEG: f64 = -2.085;
const M_PER_DEG: f64 = 111_195.08;

/// Builds sections and houses from metres.
struct Board {
    town: Town,
    metres_per_lon_deg: f64,
}

impl Board {
    fn degrees(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (LON_DEG + x / self.metres_per_lon_deg, LAT_DEG + y / M_PER_DEG)
    }

    /// A street of two sections from one junction to the next, with its houses.
    fn street(&mut self, nodes: [i64; 2], from: (f64, f64), to: (f64, f64), oneway: bool) {
        let way = self.town.streets.len() as i64 / 2 + 1;
        let half = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        let cut = -way;
        for (part, (a, b, start, end)) in
            [(nodes[0], cut, from, half), (cut, nodes[1], half, to)].into_iter().enumerate()
        {
            self.town.streets.push(Street {
                id: format!("w{way}-n{}-{part}", nodes[0]),
                from: a,
                to: b,
                oneway,
                line: vec![self.degrees(start), self.degrees(end)],
                length_m: (end.0 - start.0).hypot(end.1 - start.1),
            });
        }
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let (dx, dy) = ((to.0 - from.0) / length, (to.1 - from.1) / length);
        // Every seventh street runs through fields.
        let houses = if way % 7 == 0 { 0 } else { ((length - 24.0) / 12.0).max(0.0) as i64 };
        for house in 0..houses {
            for side in [-1.0, 1.0] {
                let near = side * (7.0 + (way % 4) as f64);
                let corner = |along: f64, off: f64| {
                    let s = 12.0 + 12.0 * house as f64 + along;
                    self.degrees((from.0 + dx * s - dy * off, from.1 + dy * s + dx * off))
                };
                let far = near + side * 8.0;
                let ring = vec![corner(0.0, near), corner(11.0, near), corner(11.0, far), corner(0.0, far)];
                let id = way * 1_000 + house * 2 + i64::from(side > 0.0);
                self.town.facades.push(Facade { id, ring });
            }
        }
    }
}

impl Town {
    /// A grid of `columns` × `rows` junctions, `block_m` metres apart: two sections between neighbours, houses on both
    /// sides of most streets, every fifth row of streets one-way. A grid of 8 × 8 at 100 m has 11 km of streets.
    #[must_use]
    pub fn grid(columns: u32, rows: u32, block_m: f64) -> Self {
        let mut board = Board { town: Self::default(), metres_per_lon_deg: M_PER_DEG * LAT_DEG.to_radians().cos() };
        let node = |column: u32, row: u32| i64::from(row * columns + column + 1);
        let at = |column: u32, row: u32| (f64::from(column) * block_m, f64::from(row) * block_m);
        for row in 0..rows {
            for column in 0..columns {
                let here = (node(column, row), at(column, row));
                if column + 1 < columns {
                    let next = (node(column + 1, row), at(column + 1, row));
                    board.street([here.0, next.0], here.1, next.1, row % 5 == 3);
                }
                if row + 1 < rows {
                    let next = (node(column, row + 1), at(column, row + 1));
                    board.street([here.0, next.0], here.1, next.1, false);
                }
            }
        }
        board.town
    }
}
