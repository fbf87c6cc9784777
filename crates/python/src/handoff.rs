//! Work that waits to be woken, and goes to the runtime then: until there is something to do for it, it costs no task and wakes
//! no thread.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use tokio::runtime::Runtime;

use crate::pending::locked;

/// The rest of some work.
pub(crate) type Rest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where work is that was tried once, with [`waker`](Handoff::waker), and must wait.
pub(crate) struct Handoff {
    runtime: &'static Runtime,
    state: Mutex<State>,
}

enum State {
    /// It is being tried, or made ready to be left here.
    Away,
    /// As before, and it was woken meanwhile.
    Woken,
    /// It is here.
    Waits(Rest),
    /// It is on the runtime, which wakes it from now on.
    Gone,
}

impl Handoff {
    pub(crate) fn new(runtime: &'static Runtime) -> Arc<Self> {
        Arc::new(Self { runtime, state: Mutex::new(State::Away) })
    }

    /// Returns what the work is to be tried with.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Arc::clone(self).into()
    }

    /// Takes the work, until it is woken.
    pub(crate) fn leave(&self, rest: Rest) {
        let mut state = locked(&self.state);
        if matches!(*state, State::Away) {
            *state = State::Waits(rest);
            return;
        }
        *state = State::Gone;
        drop(state);
        self.run(rest);
    }

    /// Has the work go on now, if it has not yet.
    pub(crate) fn wake_now(&self) {
        let mut state = locked(&self.state);
        match std::mem::replace(&mut *state, State::Gone) {
            State::Away | State::Woken => *state = State::Woken,
            State::Waits(rest) => {
                drop(state);
                self.run(rest);
            }
            State::Gone => {}
        }
    }

    fn run(&self, rest: Rest) {
        drop(self.runtime.spawn(rest));
    }
}

impl Wake for Handoff {
    fn wake(self: Arc<Self>) {
        self.wake_now();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_now();
    }
}
