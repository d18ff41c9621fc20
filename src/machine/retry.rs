//! How long a retry waits: backoff in whole milliseconds, jitter from the run's seed.

use std::time::Duration;

use super::RetryPlan;
use super::place::PlaceHash;
use crate::recipe::model::{Retry, Templated};

impl RetryPlan {
    /// One try, no other.
    pub const ONCE: Self = Self {
        attempts: 1,
        delay: Duration::ZERO,
        backoff_milli: 1000,
        max_delay: Duration::from_secs(3600),
        jitter_milli: 0,
    };

    /// The numbers of a `retry` that has no template in it; `None`: it has one.
    pub fn literal(retry: &Retry) -> Option<Self> {
        match (
            &retry.attempts,
            &retry.delay,
            &retry.backoff,
            &retry.max_delay,
            &retry.jitter,
        ) {
            (
                Templated::Literal(attempts),
                Templated::Literal(delay),
                Templated::Literal(backoff),
                Templated::Literal(max_delay),
                Templated::Literal(jitter),
            ) => Some(Self {
                attempts: *attempts,
                delay: *delay,
                backoff_milli: Self::milli(*backoff),
                max_delay: *max_delay,
                jitter_milli: Self::milli(*jitter),
            }),
            _ => None,
        }
    }

    /// `round(1000 × number)`; what is no such number is 0 or the greatest there is.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates, and a NaN is 0"
    )]
    pub fn milli(number: f64) -> u64 {
        (number * 1000.0).round() as u64
    }

    /// Whether these numbers are in their ranges: at least one try, a backoff of 1 or more, a jitter
    /// of 0 to 1.
    pub fn is_valid(&self) -> bool {
        self.attempts >= 1 && self.backoff_milli >= 1000 && self.jitter_milli <= 1000
    }

    /// All delays together, at most.
    pub fn delays(&self) -> Duration {
        let mut left = u64::from(self.attempts).saturating_sub(1);
        let mut delay = self.first_delay();
        let mut sum = 0_u64;
        while left > 0 {
            let next = self.next_delay(delay);
            // Delays grow to their cap or stay as they are: the rest is alike.
            let alike = if next == delay { left } else { 1 };
            sum = sum.saturating_add(delay.saturating_mul(alike));
            (left, delay) = (left - alike, next);
        }
        Duration::from_millis(sum)
    }

    /// The longest delay.
    pub fn longest_delay(&self) -> Duration {
        let mut delay = self.first_delay();
        for _ in 2..self.attempts {
            let next = self.next_delay(delay);
            if next == delay {
                break;
            }
            delay = next;
        }
        Duration::from_millis(if self.attempts > 1 { delay } else { 0 })
    }

    /// How many tries, each of `each`, can begin within `bound` where jitter takes all that it may;
    /// `None`: all of them.
    pub fn tries_within(&self, each: Duration, bound: Duration) -> Option<u32> {
        let (each, bound) = (millis(each), millis(bound));
        let mut delay = self.first_delay();
        let mut now = 0_u64;
        let mut begun = 1;
        while begun < self.attempts {
            let least = u128::from(delay) * u128::from(1000 - self.jitter_milli.min(1000)) / 1000;
            let step = each.saturating_add(u64::try_from(least).unwrap_or(u64::MAX));
            let next = self.next_delay(delay);
            if next == delay {
                // From here on all steps are alike.
                let more = bound.saturating_sub(now).div_ceil(step.max(1)).max(1);
                let last = u64::from(begun).saturating_add(more - 1);
                let last = u32::try_from(last).unwrap_or(u32::MAX);
                return (step > 0 && last < self.attempts).then_some(last);
            }
            now = now.saturating_add(step);
            if now >= bound {
                return Some(begun);
            }
            delay = next;
            begun += 1;
        }
        None
    }

    /// The first delay, in milliseconds.
    pub(super) fn first_delay(&self) -> u64 {
        millis(self.delay).min(millis(self.max_delay))
    }

    /// The delay after one of `delay` milliseconds.
    pub(super) fn next_delay(&self, delay: u64) -> u64 {
        let grown = u128::from(delay) * u128::from(self.backoff_milli) / 1000;
        u64::try_from(grown)
            .unwrap_or(u64::MAX)
            .min(millis(self.max_delay))
    }

    /// What is left of the `k`-th delay after jitter, in milliseconds.
    pub(super) fn shortened(&self, delay: u64, seed: u64, place: PlaceHash, k: u32) -> u64 {
        if self.jitter_milli == 0 {
            return delay;
        }
        let u = splitmix64(seed ^ place.value() ^ u64::from(k)) >> 44;
        let off = u128::from(delay) * u128::from(self.jitter_milli) * u128::from(u)
            / (1000 * (1_u128 << 20));
        delay - u64::try_from(off).unwrap_or(delay).min(delay)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// SplitMix64's output function (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
fn splitmix64(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn place(text: &str) -> PlaceHash {
        let mut hash = PlaceHash::EMPTY;
        hash.write_str(text).unwrap();
        hash
    }

    #[test]
    fn jitter_is_a_function_of_seed_place_and_try() {
        let plan = RetryPlan {
            attempts: 9,
            delay: Duration::from_secs(10),
            jitter_milli: 1000,
            ..RetryPlan::ONCE
        };
        let delays = [1, 2, 3].map(|k| plan.shortened(plan.first_delay(), 42, place("/a"), k));
        assert_eq!(delays, [286, 6953, 6306]);
    }

    #[test]
    fn delays_grow_up_to_their_cap() {
        let plan = RetryPlan {
            delay: Duration::from_millis(1001),
            backoff_milli: 1500,
            max_delay: Duration::from_secs(3),
            ..RetryPlan::ONCE
        };
        let second = plan.next_delay(plan.first_delay());
        assert_eq!((plan.first_delay(), second), (1001, 1501));
        assert_eq!(plan.next_delay(2251), 3000);
        assert_eq!(plan.next_delay(u64::MAX), 3000);
    }
}
