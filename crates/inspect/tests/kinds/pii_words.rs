//! What words tell: names, places, organisations, streets, dates, and looser phone numbers.
use crate::check;

fn check_each(kind: &str, cases: &[&str]) {
    for case in cases {
        check(kind, case);
    }
}

#[test]
fn names() {
    check_each(
        "pii.name",
        &[
            "my name is ⟦Maria Lopez⟧.",
            "⟦Dr. Anna van den Berg⟧ is here",
            "I met ⟦Mr. Zykwort⟧ there",
            "Dear ⟦Xoliswa⟧, thanks",
            "⟦Richard M. Nixon⟧ resigned",
            "we asked ⟦John O'Brien⟧'s sister",
            "call me ⟦Ishmael⟧",
            "a letter to ⟦Lars Gunnarsson⟧",
            "the painter ⟦Frida Kahlo⟧ and ⟦Diego Rivera⟧",
            "Name: ⟦Angela Bravo⟧\n",
            "⟦José García⟧",
            "They met ⟦Grace Hopper⟧ in May",
            // negatives
            "By the grace of God",
            "Will it rain in May?",
            "The Monday meeting",
            "Write a poem about spring",
            "John_smith = John(1)",
            "std::John::new",
            "I am here",
            "Dear all, hi there",
            "Hope is a thing with feathers",
            "Mr. and Mrs.",
            "dr. no",
            "IBM, NASA and HTTP",
        ],
    );
}

#[test]
fn places_and_organisations() {
    check_each(
        "pii.location",
        &[
            "we flew to ⟦Lisbon⟧ from ⟦New York City⟧",
            "born in ⟦Zarautz⟧, ⟦Spain⟧",
            "⟦Papua New Guinea⟧ and ⟦Sri Lanka⟧",
            // negatives
            "in Python, in English, in March",
            "in HTML and to JSON",
            "Turkeys are birds; a china cup",
        ],
    );
    check_each(
        "pii.organisation",
        &[
            "works at ⟦Miller Holdings⟧ now",
            "⟦Smith & Sons Ltd⟧.",
            "the ⟦Deutsche Bank⟧",
            // negatives
            "The bank of the river",
            "Our Company",
            "an inc. of ten",
        ],
    );
}

#[test]
fn street_addresses() {
    check_each(
        "pii.street-address",
        &[
            "I live at ⟦12 Station Road, Leeds⟧.",
            "⟦221B Baker Street⟧",
            "an ⟦Hauptstraße 5, 10115 Berlin⟧ bitte",
            "⟦1600 Pennsylvania Ave NW⟧",
            "⟦12 rue de la Paix, 75002 Paris⟧",
            "⟦PSC 5605, Box 8122\nAPO AP 96504⟧",
            "My address is ⟦14 Kverndalen Apt. 7⟧",
            // negatives
            "I have 3 Cats and 4 Dogs",
            "120 feet of road",
            "in 2023 Apple sold",
            "Section 12 Paragraph 3",
        ],
    );
}

#[test]
fn dates() {
    check_each(
        "pii.date",
        &[
            "on ⟦2021-05-21⟧",
            "⟦21.5.2021⟧, ⟦5/20/21⟧",
            "⟦May 21, 2021⟧ and ⟦21st of May 2021⟧",
            "⟦2024-06-05T09:15:30.500-07:00⟧",
            "am ⟦3 Mai 2001⟧",
            // negatives
            "13/13/2020",
            "1.2.3",
            "10.0.0.1",
            "2021-13-01",
            "1/2",
            "12-34-5678",
            "may 5 people",
        ],
    );
    check_each(
        "pii.date-of-birth",
        &[
            "DOB: ⟦12/11/1952⟧",
            "geboren am ⟦12.11.1952⟧",
            "生年月日：⟦1985-04-03⟧",
            "born on ⟦July 4, 1976⟧",
            // negatives
            "due on 12/11/2025",
            "airborne 12/11/1952",
        ],
    );
}

#[test]
fn addresses_of_machines_and_looser_phone_numbers() {
    check_each(
        "pii.url",
        &[
            "see ⟦https://www.example.org/a?b=c#d⟧.",
            "(⟦www.example.org⟧)",
            "<⟦http://jo:pw@example.org:80/⟧>",
            // negatives
            "http://localhost:8080/",
            "https://",
            "www.",
            "http://10.0.0.1/",
        ],
    );
    check_each(
        "pii.mac-address",
        &[
            "MAC ⟦00:1A:2B:3C:4D:5E⟧",
            "⟦aa:bb:cc:dd:ee:ff⟧,",
            "⟦00-1a-2b-3c-4d-5e⟧",
            // negatives
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "00:1A:2B:3C:4D",
            "00:1A:2B:3C:4D:5E:6F",
            "00:1A-2B:3C:4D:5E",
            "12:34:56",
        ],
    );
    check_each(
        "pii.phone",
        &[
            "You can call ⟦9320 7126⟧",
            "reach me at ⟦(81) 3570-7492⟧",
            "⟦250-214-1650x94266⟧ is it",
            "⟦97 111421⟧ office",
            "电话 ⟦6653 2211⟧",
            "phone ⟦212-555-0123 ext. 44⟧",
            // negatives
            "9320 7126",
            "call 12-05-2020",
            "total 97 111421 of it",
            "recall 12",
        ],
    );
}
