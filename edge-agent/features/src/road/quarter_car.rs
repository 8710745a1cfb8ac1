//! The quarter car of the International Roughness Index ("golden car", ASTM E1926), in slope form.
//!
//! State: z1 slope of the body, z2 its rate, z3 slope of the wheel, z4 its rate; all per sprung mass, time in seconds.

/// Stiffness of the tyre, s⁻².
pub const TYRE_PER_S2: f64 = 653.0;
/// Stiffness of the spring, s⁻².
pub const SPRING_PER_S2: f64 = 63.3;
/// Damping, s⁻¹.
pub const DAMPER_PER_S: f64 = 6.0;
/// Unsprung mass over sprung mass.
pub const MASS_RATIO: f64 = 0.15;
/// Speed of the index, 80 km/h.
pub const SPEED_MPS: f64 = 80.0 / 3.6;

type Matrix<const N: usize> = [[f64; N]; N];

/// What a stretch of constant slope does to the car: `z ← ST z + PR slope`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The transition matrix ST = exp(A dt).
    pub st: Matrix<4>,
    /// The input vector PR = A⁻¹ (ST − I) B.
    pub pr: [f64; 4],
}

impl Step {
    /// The step over a distance in m at 80 km/h.
    #[must_use]
    pub fn over_m(distance_m: f64) -> Self {
        Self::over_s(distance_m / SPEED_MPS)
    }

    /// The step over a time in seconds. ST and PR come together out of the exponential of the 5 × 5 matrix [[A, B],
    /// [0, 0]]. The usual tables are not used: their value of PR₁ for 100 mm is wrong in the fourth digit.
    #[must_use]
    pub fn over_s(seconds: f64) -> Self {
        let (k1, k2, c, mu) = (TYRE_PER_S2, SPRING_PER_S2, DAMPER_PER_S, MASS_RATIO);
        let a = [
            [0.0, 1.0, 0.0, 0.0, 0.0],
            [-k2, -c, k2, c, 0.0],
            [0.0, 0.0, 0.0, 1.0, 0.0],
            [k2 / mu, c / mu, -(k1 + k2) / mu, -c / mu, k1 / mu],
            [0.0; 5],
        ];
        let [r1, r2, r3, r4, _] = exponential(a.map(|row| row.map(|x| x * seconds)));
        let rows = [r1, r2, r3, r4];
        Self { st: rows.map(|[a, b, c, d, _]| [a, b, c, d]), pr: rows.map(|[.., p]| p) }
    }
}

/// exp(m) by scaling and squaring: the matrix is halved until its Taylor series needs few terms, and the result squared
/// as often.
fn exponential(m: Matrix<5>) -> Matrix<5> {
    let norm = m.iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max);
    let halvings = if norm > 0.5 && norm.is_finite() { (norm * 2.0).log2().ceil() as i32 } else { 0 };
    let small = m.map(|row| row.map(|x| x * 0.5_f64.powi(halvings)));
    let mut sum = identity();
    let mut term = identity();
    // 0.5¹⁸ / 18! is below 10⁻²¹.
    for n in 1..=18 {
        term = times(&term, &small).map(|row| row.map(|x| x / f64::from(n)));
        for (sum, term) in sum.iter_mut().flatten().zip(term.iter().flatten()) {
            *sum += term;
        }
    }
    for _ in 0..halvings {
        sum = times(&sum, &sum);
    }
    sum
}

fn identity() -> Matrix<5> {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { 1.0 } else { 0.0 }))
}

fn times(a: &Matrix<5>, b: &Matrix<5>) -> Matrix<5> {
    a.map(|row| {
        row.iter().zip(b).fold([0.0; 5], |mut sum, (factor, line)| {
            for (sum, x) in sum.iter_mut().zip(line) {
                *sum += factor * x;
            }
            sum
        })
    })
}

/// A quarter car on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuarterCar {
    z: [f64; 4],
}

impl QuarterCar {
    /// A car that stands still on a constant slope.
    #[must_use]
    pub fn on_slope(slope: f64) -> Self {
        Self { z: [slope, 0.0, slope, 0.0] }
    }

    /// Drives over a step of constant slope; returns z1 − z3 after it, in the unit of the slope.
    pub fn advance(&mut self, step: &Step, slope: f64) -> f64 {
        let mut next = [0.0; 4];
        for ((next, row), pr) in next.iter_mut().zip(&step.st).zip(&step.pr) {
            *next = row.iter().zip(&self.z).map(|(s, z)| s * z).sum::<f64>() + pr * slope;
        }
        self.z = next;
        self.z[0] - self.z[2]
    }

    /// Rate of the body's slope, z2. Slope times speed is vertical speed, so this times speed is the body's vertical
    /// acceleration.
    #[must_use]
    pub fn body_rate(&self) -> f64 {
        self.z[1]
    }

    /// |Zs − Zu| / |y|: suspension travel per height of a sine road that passes at `omega_radps`. Of slopes the same.
    #[must_use]
    pub fn slope_gain(omega_radps: f64) -> f64 {
        let (body, wheel) = amplitudes(omega_radps);
        (body.0 - wheel.0).hypot(body.1 - wheel.1)
    }

    /// |Zs″| / |y|: acceleration of the body per height of a sine road that passes at `omega_radps`, s⁻².
    #[must_use]
    pub fn acceleration_gain_per_s2(omega_radps: f64) -> f64 {
        let (body, _) = amplitudes(omega_radps);
        omega_radps * omega_radps * body.0.hypot(body.1)
    }
}

/// Steady amplitudes (real, imaginary) of body and wheel for a sine road of height 1.
fn amplitudes(omega: f64) -> ((f64, f64), (f64, f64)) {
    let (k1, k2, c, mu) = (TYRE_PER_S2, SPRING_PER_S2, DAMPER_PER_S, MASS_RATIO);
    let square = omega * omega;
    // (k2 − ω² + iωc) Zs = (k2 + iωc) Zu, and the tyre carries both masses: −ω² Zs + (k1 − μω²) Zu = k1.
    let strut = (k2, omega * c);
    let body = (k2 - square, omega * c);
    // Zu = k1 body / ((k1 − μω²) body − ω² strut), Zs = Zu strut / body.
    let below = ((k1 - mu * square) * body.0 - square * strut.0, (k1 - mu * square) * body.1 - square * strut.1);
    let size = below.0 * below.0 + below.1 * below.1;
    let over = |top: (f64, f64)| {
        let (re, im) = (top.0 * below.0 + top.1 * below.1, top.1 * below.0 - top.0 * below.1);
        (k1 * re / size, k1 * im / size)
    };
    (over(strut), over(body))
}
