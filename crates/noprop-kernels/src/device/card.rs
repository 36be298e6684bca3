//! A GPU as its driver shows it, and whether it serves.

use crate::error::{Code, Error, Result};
use serde::Serialize;

/// A GPU that the driver shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// `cuda:0`.
    pub device: String,
    /// As its maker calls it.
    pub name: String,
    /// Compute capability, `9.0`.
    pub capability: String,
    /// Memory in bytes.
    pub memory: usize,
    /// Whether the kernels run on it.
    pub usable: bool,
    /// Why not; empty for a usable one.
    pub reason: String,
}

/// The number of the first card that can be used, or why there is none, in one line.
pub(super) fn first_usable(cards: Result<Vec<Card>>) -> std::result::Result<usize, String> {
    let cards = cards.map_err(|error| error.in_one_line())?;
    cards.iter().position(|card| card.usable).ok_or_else(|| {
        let reasons: Vec<_> =
            cards.iter().map(|card| format!("{} ({}): {}", card.device, card.name, card.reason)).collect();
        let told = if reasons.is_empty() { "the driver shows no GPU".to_owned() } else { reasons.join("; ") };
        told.replace('\n', " ")
    })
}

/// Whether the card of that number can be used.
///
/// # Errors
/// [`Code::Device`] for a card that is not among them, or with the reason why it cannot be used.
pub fn usable(cards: &[Card], ordinal: usize) -> Result<()> {
    let Some(card) = cards.get(ordinal) else { return Err(no_such(ordinal, cards.len())) };
    if card.usable {
        return Ok(());
    }
    Err(Error::new(Code::Device, format!("device {} cannot be used", card.device))
        .received(format!("{}: {}", card.name, card.reason))
        .hint("`noprop doctor` lists every device"))
}

fn no_such(ordinal: usize, count: usize) -> Error {
    let expected = match count {
        0 => "no GPU at all".to_owned(),
        1 => "cuda:0, the only GPU".to_owned(),
        _ => format!("cuda:0 to cuda:{}", count - 1),
    };
    Error::new(Code::Device, format!("there is no device cuda:{ordinal}"))
        .expected(expected)
        .received(format!("cuda:{ordinal}"))
        .hint("`noprop doctor` lists every device; CUDA_VISIBLE_DEVICES hides and renumbers them")
}

/// A block's result would depend on which card trains it: two models round differently.
///
/// # Errors
/// [`Code::Device`] for cards of several models.
pub(super) fn one_kind(cards: &[Card], gpus: &[usize]) -> Result<()> {
    let Some(first) = gpus.first() else { return Err(no_such(0, 0)) };
    let (first, device) = (&cards[*first].name, &cards[*first].device);
    match gpus.iter().find(|gpu| cards[**gpu].name != *first) {
        None => Ok(()),
        Some(other) => {
            Err(Error::new(Code::Device, "the GPUs are of several models, and results would differ between them")
                .expected(format!("GPUs like {device}, {first}"))
                .received(format!("{}, {}", cards[*other].device, cards[*other].name))
                .hint("name GPUs of one model, such as cuda:0,1; `noprop doctor` lists them"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_says_why_it_takes_no_card() {
        let card = |reason: &str| Card {
            device: "cuda:0".to_owned(),
            name: "A card".to_owned(),
            capability: "7.5".to_owned(),
            memory: 1 << 30,
            usable: reason.is_empty(),
            reason: reason.to_owned(),
        };
        assert_eq!(first_usable(Ok(vec![card("it is too old"), card("")])), Ok(1));
        let why = |cards| first_usable(cards).unwrap_err();
        assert_eq!(
            why(Ok(vec![card("it is\ntoo old"), card("x")])),
            "cuda:0 (A card): it is too old; cuda:0 (A card): x"
        );
        assert_eq!(why(Ok(Vec::new())), "the driver shows no GPU");
        let error = Error::new(Code::CudaDriver, "no GPU can be used").received("no\ndriver").hint("install it");
        assert_eq!(why(Err(error)), "no GPU can be used (no driver)");
    }

    #[test]
    fn a_card_is_usable_when_it_is_there_and_has_no_reason_against_it() {
        let card = |ordinal: usize, reason: &str| Card {
            device: format!("cuda:{ordinal}"),
            name: "A card".to_owned(),
            capability: "7.5".to_owned(),
            memory: 1 << 30,
            usable: reason.is_empty(),
            reason: reason.to_owned(),
        };
        let cards = [card(0, ""), card(1, "it is too old")];
        usable(&cards, 0).unwrap();
        let error = usable(&cards, 1).unwrap_err();
        assert_eq!((error.code, error.received.as_str()), (Code::Device, "A card: it is too old"));
        let error = usable(&cards, 2).unwrap_err();
        assert_eq!((error.code, error.expected.as_str()), (Code::Device, "cuda:0 to cuda:1"));
        assert_eq!(usable(&cards[..1], 1).unwrap_err().expected, "cuda:0, the only GPU");
        let other = Card { name: "Another card".to_owned(), ..card(2, "") };
        let cards = [card(0, ""), card(1, ""), other];
        one_kind(&cards, &[1, 0]).unwrap();
        assert!(one_kind(&cards, &[0, 2]).unwrap_err().received.contains("Another card"));
    }
}
