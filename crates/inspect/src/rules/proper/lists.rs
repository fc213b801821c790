//! Words that names, places and streets are told by: public facts, written down from general knowledge, in small letters.
use std::sync::LazyLock;

/// Longer than any word of these lists.
pub(super) const WORD_BYTES_MAX: usize = 40;

/// What a word may be, a bit each.
pub(super) type Senses = u16;

/// Given names that are no everyday word.
pub(super) const GIVEN: Senses = 1 << 0;
/// Given names that are everyday words or places too, or surnames alone: a capitalised word must follow.
pub(super) const GIVEN_WEAK: Senses = 1 << 1;
/// Words before a name.
pub(super) const TITLE: Senses = 1 << 2;
/// Particles inside a name.
pub(super) const PARTICLE: Senses = 1 << 3;
/// Everyday words that sentences and titles begin with, days, months, languages: never a name or a place by themselves.
pub(super) const COMMON: Senses = 1 << 4;
/// Places of one word: countries, capitals, large cities, states, provinces, continents.
pub(super) const PLACE: Senses = 1 << 5;
/// Words that say that a name before them is an organisation's.
pub(super) const COMPANY: Senses = 1 << 6;
/// Words that are a street, before its name or after.
pub(super) const STREET: Senses = 1 << 7;
/// Words for a part of a building.
pub(super) const UNIT: Senses = 1 << 8;
/// Small words inside an address.
pub(super) const ADDRESS_PARTICLE: Senses = 1 << 9;
/// First words of places of several words.
pub(super) const PLACE_HEAD: Senses = 1 << 10;

static LISTS: [(Senses, &str); 10] = [
    (GIVEN, include_str!("given.txt")),
    (
        GIVEN_WEAK,
        "angel april art august austin autumn bill bob brook brooke carol chad charity charlotte chase chance christian chuck cliff \
         clay crystal daisy dallas dawn dean dick destiny don drew duke earl eden eve faith florence forest frank gene georgia \
         ginger glen grace grant guy harmony harry harper heather heaven holly hope hunter iris israel ivy jack jade jasmine jean jersey \
         jewel jordan joy june kent kim king lance lee lily london lucky madison marina mark mason may melody mercedes mercy miles \
         misty nick norm olive pat parker patience paris pearl penny pierce pip poppy prince princess ray reed rich river rob robin \
         rocky rod rose ruby rusty sage sally sandy sierra sky skip sterling summer sunny taylor tim trinity troy tucker van vera \
         victoria violet virginia wade walker warren will willow wolf woody xavier man page",
    ),
    (
        TITLE,
        "mr mrs ms miss mx dr prof professor sir madam lord lady rev reverend fr father sister hon judge justice senator capt captain \
         col colonel gen general sgt sergeant lt lieutenant president herr frau fräulein monsieur madame mademoiselle mme mlle señor señora señorita sr sra \
         srta signor signora signorina sig don doña dña senhor senhora dom meneer mevrouw mevr dhr pan pani hr fru pater imam rabbi shri smt sri \
         dott dottor dottoressa ing mag univ-prof",
    ),
    (
        PARTICLE,
        "van von der den de del della di da do dos das du la le los las ten ter te zu zur zum bin ibn binti al el y e af av mac mc st abu ben ap",
    ),
    (COMMON, include_str!("common.txt")),
    (PLACE, include_str!("places.txt")),
    (
        COMPANY,
        "inc ltd llc llp gmbh corp corporation plc ag kg sarl srl spa bv nv oy ab as aps pty pvt limited incorporated company co group \
         holdings holding bank university college institute foundation technologies technology systems solutions partners associates \
         consulting services industries enterprises labs laboratories ventures capital insurance airlines motors pharmaceuticals media \
         hospital school association society agency ministry department committee council",
    ),
    (
        STREET,
        "street st road rd avenue ave av avda boulevard blvd bvd lane ln drive dr court ct place pl square sq terrace ter way circle cir \
         parkway pkwy highway hwy close crescent cres trail trl alley row walk mews grove gardens plaza turnpike loop heights hill \
         bypass expressway freeway mall quay wharf wynd rue chemin impasse allée allee chaussée chaussee quai cours faubourg via viale \
         piazza piazzale corso vicolo largo strada contrada calle avenida carrera paseo camino carretera callejón calzada \
         rua travessa praça praca alameda estrada rodovia ulica ul aleja plac straße strasse str weg platz allee gasse ring damm ufer \
         gade vej vei veien gata gatan väg vägen utca út tér ut tie katu straat laan plein weg gracht kade improspekt prospekt perulok \
         улица ул проспект пр",
    ),
    (
        UNIT,
        "apt apartment suite ste unit floor fl room rm box flat building bldg po apdo postfach lot",
    ),
    (
        ADDRESS_PARTICLE,
        "de del della delle di da do dos das du des la le les los las el al der den van von of and the u y e i zu am an im nan ul na pod nad sur sous en les bei i",
    ),
];

/// Places in the table: a power of two, several times as many as words.
const SLOTS: usize = 1 << 14;

/// All words with what they may be, found by a hash (FNV-1a): it is asked at every capital.
struct Lexicon {
    words: Vec<(&'static str, Senses)>,
    /// The number of a word plus 1, or 0; collisions go to the next place.
    slots: Vec<u16>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon { words: Vec::new(), slots: vec![0; SLOTS] };
    for (sense, list) in LISTS {
        list.split_ascii_whitespace().for_each(|word| lexicon.add(word, sense));
    }
    for place in PLACES_LONG.iter() {
        place.split(' ').take(1).for_each(|word| lexicon.add(word, PLACE_HEAD));
    }
    lexicon
});

impl Lexicon {
    /// The place of a word in the table: where it is, or the free one where it would go.
    fn place(&self, word: &[u8]) -> usize {
        let hash = word.iter().fold(0x811c_9dc5_u32, |hash, &byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let mut place = usize::try_from(hash ^ hash >> 15).unwrap_or(0) % SLOTS;
        // There are always free places, so this ends.
        while self.at(place).is_some_and(|(other, _)| other.as_bytes() != word) {
            place = place.wrapping_add(1) % SLOTS;
        }
        place
    }

    fn at(&self, place: usize) -> Option<(&'static str, Senses)> {
        let number = usize::from(*self.slots.get(place)?);
        self.words.get(number.checked_sub(1)?).copied()
    }

    fn add(&mut self, word: &'static str, sense: Senses) {
        let place = self.place(word.as_bytes());
        let Some(slot) = self.slots.get_mut(place) else { return };
        let known = usize::from(*slot).checked_sub(1);
        if let Some((_, senses)) = known.and_then(|number| self.words.get_mut(number)) {
            *senses |= sense;
        } else {
            self.words.push((word, sense));
            *slot = u16::try_from(self.words.len()).unwrap_or(0);
        }
    }
}

/// What a word in small letters may be.
pub(super) fn senses(word: &[u8]) -> Senses {
    LEXICON.at(LEXICON.place(word)).map_or(0, |(_, senses)| senses)
}

/// Places of two and more words, sorted.
pub(super) static PLACES_LONG: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("places_long.txt").lines().map(str::trim);
    let mut places: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    places.sort_unstable();
    places
});

/// Ends of words that are streets.
pub(super) static STREET_ENDS: [&str; 36] = [
    "straße", "strasse", "str", "gasse", "weg", "platz", "allee", "ufer", "damm", "ring", "gatan",
    "vägen", "gata", "vegen", "veien", "vej", "gade", "stræde", "straat", "laan", "plein",
    "gracht", "kade", "dijk", "dreef", "katu", "tie", "kuja", "polku", "utca", "ulica", "steig",
    "bakken", "vei", "pad", "brücke",
];

/// Ends of surnames of many languages.
pub(super) static SURNAME_ENDS: [&str; 40] = [
    "ov", "ova", "ev", "eva", "ski", "ska", "sky", "cki", "cka", "sson", "sen", "dóttir", "dottir",
    "enko", "chuk", "opoulos", "akis", "idis", "oglu", "yan", "ian", "ić", "ič", "vić", "ovic",
    "ez", "ini", "elli", "etti", "berg", "stein", "mann", "quist", "ström", "sdotter", "ovich",
    "ovna", "shvili", "dze", "aitis",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_senses() {
        assert!(LEXICON.words.len() * 2 < SLOTS);
        for (word, want) in [
            ("maria", GIVEN),
            ("the", COMMON | ADDRESS_PARTICLE | PLACE_HEAD),
            ("lisbon", PLACE),
            ("zzz", 0),
        ] {
            assert_eq!(senses(word.as_bytes()), want, "{word}");
        }
        for (sense, list) in LISTS {
            for word in list.split_ascii_whitespace() {
                assert!(
                    senses(word.as_bytes()) & sense != 0 && word.len() <= WORD_BYTES_MAX,
                    "{word}"
                );
                assert!(!word.bytes().any(|byte| byte.is_ascii_uppercase()), "{word}");
            }
        }
    }
}
