//! A promise between the writer and whoever waits: one result, given once.
use bartizan_core::record::{Receipt, RecordError};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

type Answer = Result<Receipt, RecordError>;

#[derive(Debug, Default)]
struct Slot {
    answer: Option<Answer>,
    waker: Option<Waker>,
}

/// The writer's end. Dropped without a word, it says that the writer ended.
#[derive(Debug)]
pub(crate) struct Promise {
    slot: Option<Arc<Mutex<Slot>>>,
}

/// The waiting end. Dropping it changes nothing for the record.
#[derive(Debug)]
pub(crate) struct Pending {
    slot: Arc<Mutex<Slot>>,
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn promise() -> (Promise, Pending) {
    let slot = Arc::new(Mutex::new(Slot::default()));
    (Promise { slot: Some(Arc::clone(&slot)) }, Pending { slot })
}

impl Promise {
    /// Gives the result and wakes who waits.
    pub(crate) fn keep(mut self, answer: Answer) {
        self.give(answer);
    }

    fn give(&mut self, answer: Answer) {
        let Some(slot) = self.slot.take() else { return };
        let waker = {
            let mut slot = lock(&slot);
            slot.answer = Some(answer);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let reason = "its thread ended".to_owned();
        self.give(Err(RecordError::Stopped { operation: "writer", reason }));
    }
}

impl Future for Pending {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut slot = lock(&self.slot);
        // The answer stays, so that polling again after the end says the same instead of nothing for ever.
        if let Some(answer) = &slot.answer {
            return Poll::Ready(answer.clone());
        }
        match &mut slot.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::wait;

    #[test]
    fn a_promise_is_kept_or_broken_but_never_forgotten() {
        let full = Err(RecordError::Full { limit: 3 });
        let (kept, mut pending) = promise();
        kept.keep(full.clone());
        assert_eq!(wait(&mut pending), full);
        assert_eq!(wait(&mut pending), full, "also when asked again");
        let (broken, pending) = promise();
        let waiter = std::thread::spawn(move || wait(pending));
        drop(broken);
        assert!(matches!(waiter.join().unwrap(), Err(RecordError::Stopped { .. })));
    }
}
