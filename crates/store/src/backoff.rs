//! The waits between attempts.

use std::time::Duration;

use tidegate_core::ports::Ids;

use crate::SystemIds;

/// How often something transient is tried, the first time included. With the waits, this is about two seconds.
pub(crate) const ATTEMPTS: u32 = 8;

const FIRST: u64 = 20;
const LONGEST: u64 = 800;

/// Waits before the attempt that follows `attempt`, which counts from 0.
pub(crate) async fn pause(attempt: u32) {
    tokio::time::sleep(delay(attempt, &SystemIds)).await;
}

/// A random time up to a limit that doubles, so that callers who collided do not collide again. Without randomness it is
/// the limit.
fn delay(attempt: u32, ids: &dyn Ids) -> Duration {
    let limit = FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    let mut random = [0; 8];
    let random = ids.random(&mut random).map_or(limit - 1, |()| u64::from_le_bytes(random));
    Duration::from_millis(random % limit + 1)
}

#[cfg(test)]
mod tests {
    use tidegate_core::Result;
    use uuid::Uuid;

    use super::*;

    /// A generator that gives the same number every time.
    struct Fixed(u64);

    impl Ids for Fixed {
        fn uuid(&self) -> Uuid {
            Uuid::nil()
        }

        fn random(&self, buffer: &mut [u8]) -> Result<()> {
            buffer.copy_from_slice(&self.0.to_le_bytes());
            Ok(())
        }
    }

    #[test]
    fn two_waits_of_one_attempt_differ_within_a_limit_that_doubles() {
        for (attempt, limit) in [(0, 20), (1, 40), (2, 80), (5, 640), (6, 800), (7, 800), (u32::MAX, 800)] {
            let wait = |random| delay(attempt, &Fixed(random)).as_millis();
            assert_eq!((wait(0), wait(limit - 1), wait(limit)), (1, u128::from(limit), 1), "{attempt}");
            assert_ne!(wait(3), wait(4), "{attempt}");
        }
    }

    #[test]
    fn the_machine_s_waits_differ() {
        let waits: std::collections::BTreeSet<_> = (0..100).map(|_| delay(6, &SystemIds)).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
