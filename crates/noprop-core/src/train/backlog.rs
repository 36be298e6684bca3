//! Events that wait for a reader who may be slow: however many come, what waits is bounded.

use super::progress::Event;

/// Epochs that wait at most; of more, the newest. An [`Event::Block`] has the losses of all of its epochs.
pub const MOST_EPOCHS: usize = 10_000;
/// Losses of finished blocks after which a part ends, so that none is too long a text for its reader.
const MOST_LOSSES: usize = 1 << 20;

/// Events in order, but of several progress or checkpoint events of a block only the newest, and of epochs the newest
/// [`MOST_EPOCHS`] or up to twice as many.
#[derive(Default)]
pub struct Backlog {
    events: Vec<Event>,
    epochs: usize,
}

impl Backlog {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Adds an event behind the others.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Progress { block, .. } => {
                self.events.retain(|old| !matches!(old, Event::Progress { block: same, .. } if *same == block));
            }
            Event::Checkpoint { block, .. } => {
                self.events.retain(|old| !matches!(old, Event::Checkpoint { block: same, .. } if *same == block));
            }
            Event::Epoch { .. } => {
                self.epochs += 1;
                if self.epochs > 2 * MOST_EPOCHS {
                    self.drop_old_epochs();
                }
            }
            _ => {}
        }
        self.events.push(event);
    }

    /// Leaves room for one epoch more.
    fn drop_old_epochs(&mut self) {
        let mut surplus = self.epochs - MOST_EPOCHS;
        self.epochs = MOST_EPOCHS;
        self.events.retain(|event| {
            let drops = surplus > 0 && matches!(event, Event::Epoch { .. });
            surplus -= usize::from(drops);
            !drops
        });
    }

    /// The next events: all, or as many as make a text of some ten megabytes.
    pub fn take(&mut self) -> Vec<Event> {
        let mut losses = 0;
        let is_enough = |event: &Event| {
            if let Event::Block { losses: of_block, validation, .. } = event {
                losses += of_block.len() + 3 * validation.len();
            }
            losses >= MOST_LOSSES
        };
        let end = self.events.iter().position(is_enough).map_or(self.events.len(), |last| last + 1);
        let rest = self.events.split_off(end);
        let taken = std::mem::replace(&mut self.events, rest);
        self.epochs -= taken.iter().filter(|event| matches!(event, Event::Epoch { .. })).count();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize) -> Event {
        Event::Epoch { block: 1, epoch, loss: 0.5, validation_loss: None, validation_accuracy: None }
    }

    fn block(block: usize, losses: usize) -> Event {
        let (losses, validation) = (vec![0.0; losses], Vec::new());
        let (best_epoch, reason) = (None, crate::train::End::Epochs);
        Event::Block { block, loss: 0.0, losses, validation, best_epoch, reason, seconds: 1.0, resumed: false }
    }

    fn checkpoint(block: usize, step: u64) -> Event {
        Event::Checkpoint { block, step }
    }

    #[test]
    fn the_newest_checkpoint_of_each_block_waits_at_its_own_place() {
        let mut backlog = Backlog::default();
        for event in [checkpoint(1, 1), epoch(1), checkpoint(2, 1), checkpoint(1, 2)] {
            backlog.push(event);
        }
        assert_eq!(backlog.take(), [epoch(1), checkpoint(2, 1), checkpoint(1, 2)]);
        assert!(backlog.is_empty() && backlog.take().is_empty());
    }

    #[test]
    fn the_newest_epochs_wait_and_every_block() {
        let (mut backlog, all) = (Backlog::default(), 7 * MOST_EPOCHS);
        backlog.push(block(2, 1));
        for number in 1..=all {
            backlog.push(epoch(number));
            assert!(backlog.events.len() <= 2 * MOST_EPOCHS + 1);
        }
        backlog.push(block(1, 1));
        let taken = backlog.take();
        assert_eq!((&taken[0], taken.last()), (&block(2, 1), Some(&block(1, 1))));
        let epochs = &taken[1..taken.len() - 1];
        assert!(epochs.len() >= MOST_EPOCHS);
        assert!(epochs.iter().eq((1..=all).map(epoch).skip(all - epochs.len()).collect::<Vec<_>>().iter()));
        // It counts anew.
        (0..MOST_EPOCHS).for_each(|number| backlog.push(epoch(number)));
        assert_eq!(backlog.take().len(), MOST_EPOCHS);
    }

    #[test]
    fn long_lists_of_losses_come_in_parts() {
        let mut backlog = Backlog::default();
        for event in [block(1, MOST_LOSSES / 2), epoch(1), block(2, MOST_LOSSES / 2), block(3, 9), epoch(2)] {
            backlog.push(event);
        }
        assert_eq!(backlog.take().len(), 3);
        assert_eq!(backlog.take(), [block(3, 9), epoch(2)]);
        assert!(backlog.is_empty());
    }
}
