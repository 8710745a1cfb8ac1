//! The papers of the box: parts list, pins and documents must agree with each other and with the board's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tournee_tests::workspace_root;

type Table = BTreeMap<String, String>;

fn read(path: &str) -> String {
    let path = workspace_root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tables of a TOML file that has one key a line and no nested tables, by name; anything else fails the test. The agent's
/// own files are read by its own reader, see edge-agent/features/tests/calibration.rs.
fn tables(text: &str) -> Vec<(String, Table)> {
    let mut tables: Vec<(String, Table)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_start_matches('[').trim_end_matches(']');
            tables.push((name.to_owned(), Table::new()));
            continue;
        }
        let (key, value) = line.split_once(" = ").unwrap_or_else(|| panic!("not understood: {line}"));
        let (_, table) = tables.last_mut().unwrap_or_else(|| panic!("{line} is in no table"));
        let before = table.insert(key.to_owned(), value.trim_matches('"').to_owned());
        assert_eq!(before, None, "{key} twice before {line}");
    }
    tables
}

fn pinout(table: &str) -> Vec<Table> {
    tables(&read("hardware/pinout.toml"))
        .into_iter()
        .filter(|(name, _)| name == table)
        .map(|(_, table)| table)
        .collect()
}

fn get<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).unwrap_or_else(|| panic!("{key} is missing in {table:?}"))
}

/// Comma-separated values with quotes, RFC 4180, no line breaks inside quotes.
fn csv(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| {
            let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
            let mut letters = line.chars().peekable();
            while let Some(letter) = letters.next() {
                match letter {
                    '"' if quoted && letters.peek() == Some(&'"') => {
                        letters.next();
                        cell.push('"');
                    }
                    '"' => {
                        assert!(quoted || cell.is_empty(), "a quote inside of a cell: {line}");
                        quoted = !quoted;
                    }
                    ',' if !quoted => cells.push(std::mem::take(&mut cell)),
                    _ => cell.push(letter),
                }
            }
            assert!(!quoted, "a quote without its end: {line}");
            cells.push(cell);
            cells
        })
        .collect()
}

/// Parts by their id.
fn parts() -> BTreeMap<String, Table> {
    let rows = csv(&read("hardware/bom.csv"));
    let (head, rows) = rows.split_first().expect("a head");
    let columns = ["id", "part", "maker", "maker_number", "quantity", "eur_from", "eur_to", "why", "alternatives"];
    assert_eq!(head, &columns);
    let mut parts = BTreeMap::new();
    for row in rows {
        assert_eq!(row.len(), columns.len(), "{row:?}");
        let table: Table = columns.iter().map(|it| (*it).to_owned()).zip(row.iter().cloned()).collect();
        let before = parts.insert(get(&table, "id").to_owned(), table);
        assert!(before.is_none(), "{} twice", row[0]);
    }
    parts
}

#[test]
fn the_parts_list_is_complete() {
    let parts = parts();
    assert!(parts.len() > 40);
    let (mut from, mut to) = (0.0, 0.0);
    for (id, part) in &parts {
        for key in ["part", "maker", "maker_number", "why"] {
            let text = get(part, key);
            assert!(!text.is_empty() && text == text.trim(), "{id}: {key} = {text:?}");
        }
        let number = |key: &str| get(part, key).parse::<f64>().unwrap_or_else(|error| panic!("{id}: {key}: {error}"));
        assert!(get(part, "quantity").parse::<u32>().is_ok_and(|count| count <= 10), "{id}");
        assert!(0.0 < number("eur_from") && number("eur_from") < number("eur_to"), "{id}: the range of prices");
        from += number("quantity") * number("eur_from");
        to += number("quantity") * number("eur_to");
    }
    // What the README promises is what the list adds up to, to the next ten.
    let promise = format!("{} to {} in all", (from / 10.0_f64).round() * 10.0, (to / 10.0_f64).ceil() * 10.0);
    assert!(read("hardware/README.md").contains(&promise), "README.md lacks \"{promise}\"");
}

/// Words such as U12 or AN1 whose letters are those of a part.
fn named(text: &str, prefixes: &BTreeSet<String>) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words
        .filter(|word| {
            let letters = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
            letters.len() < word.len() && word.len() <= letters.len() + 2 && prefixes.contains(letters)
        })
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn every_part_that_is_named_is_in_the_list() {
    let parts = parts();
    let prefixes: BTreeSet<String> =
        parts.keys().map(|id| id.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned()).collect();
    for document in ["README.md", "power.md", "mounting.md", "acceptance.md"] {
        let named = named(&read(&format!("hardware/{document}")), &prefixes);
        assert!(named.len() > 5, "{document} names {named:?}");
        for id in named {
            assert!(parts.contains_key(&id), "{document} names {id}, which is not in bom.csv");
        }
    }
    for device in pinout("device").iter().chain(&pinout("board")) {
        let (id, name) = (get(device, "part"), get(device, "name"));
        let part = parts.get(id).unwrap_or_else(|| panic!("pinout.toml names {id}, which is not in bom.csv"));
        let model = name.split(' ').next().expect("a word");
        let text = format!("{} {} {}", get(part, "part"), get(part, "maker_number"), get(part, "alternatives"));
        assert!(text.to_lowercase().contains(&model.to_lowercase()), "{id} is not a {model}");
    }
    // Every pin of a header that a signal uses is one that the list's part has.
    for signal in pinout("signal") {
        let (header, pin) = get(&signal, "header").split_once('-').expect("a plug and a pin");
        let part = parts.get(header).unwrap_or_else(|| panic!("{header} is not in bom.csv"));
        let expected = format!("{pin} {}", get(&signal, "name"));
        let said = get(part, "why");
        let lamp = format!("{pin} lamp");
        assert!(
            said.contains(&expected) || (get(&signal, "name") == "led" && said.contains(&lamp)),
            "{header}: {expected}"
        );
    }
}

#[test]
fn no_pin_serves_twice_and_none_is_reserved() {
    let reserved: BTreeSet<String> = pinout("reserved").iter().map(|it| get(it, "pin").to_owned()).collect();
    assert!(["PA13", "PA14", "PA2", "PA3", "PC13", "PB8"].iter().all(|pin| reserved.contains(*pin)));
    let signals = pinout("signal");
    assert!(signals.len() >= 13);
    for key in ["name", "pin", "connector", "header"] {
        let mut seen = BTreeSet::new();
        for signal in &signals {
            assert!(seen.insert(get(signal, key)), "{key} = {} twice", get(signal, key));
        }
    }
    for signal in &signals {
        let pin = get(signal, "pin");
        assert!(!reserved.contains(pin), "{} is on the reserved pin {pin}", get(signal, "name"));
        let (port, number) = pin.split_at(2);
        assert!(["PA", "PB", "PC", "PD"].contains(&port) && number.parse::<u8>().is_ok_and(|it| it < 16), "{pin}");
        assert!(["in", "out", "open-drain"].contains(&get(signal, "direction")), "{pin}");
        let peripheral = get(signal, "peripheral");
        if let Some(line) = peripheral.strip_prefix("EXTI") {
            assert_eq!(line, number, "the interrupt line of a pin has its number");
        } else if peripheral != "GPIO" {
            assert!(get(signal, "af").parse::<u8>().is_ok_and(|it| it < 16), "{pin}");
        }
    }
}

#[test]
fn addresses_are_said_alike_and_do_not_collide() {
    let readme = read("hardware/README.md");
    let mut seen = BTreeSet::new();
    for device in pinout("device") {
        let (name, address) = (get(&device, "name"), get(&device, "address"));
        // On all buses together: the emulated board has but one.
        assert!(seen.insert(address.to_owned()), "{address} twice");
        let words: Vec<&str> = name.split(' ').collect();
        let row =
            readme.lines().find(|line| line.starts_with(&format!("| {} ", get(&device, "bus")))).expect("its bus");
        let cell = row.split([',', '|']).find(|cell| words.iter().all(|word| cell.contains(word)));
        assert!(cell.is_some_and(|cell| cell.contains(address)), "README.md does not say {name} {address}");
    }
}

#[test]
fn the_board_code_has_these_pins() {
    let code = read("firmware/board/nucleo-g474/src/pins.rs");
    let (_, block) = code.split_once("\nsignals! {").expect("the table of signals");
    let (block, _) = block.split_once("\n}").expect("its end");
    let mut in_code = BTreeMap::new();
    for line in
        block.lines().map(|line| line.split("//").next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
    {
        let entry = line.strip_suffix(';').unwrap_or_else(|| panic!("not understood: {line}"));
        let (signal, place) = entry.split_once(": ").unwrap_or_else(|| panic!("not understood: {line}"));
        let (peripheral, pin) = place.split_once(", ").unwrap_or_else(|| panic!("not understood: {line}"));
        let before = in_code.insert(signal.to_owned(), (peripheral.to_owned(), pin.to_owned()));
        assert_eq!(before, None, "{signal} twice in pins.rs");
    }
    let on_paper: BTreeMap<String, (String, String)> = pinout("signal")
        .iter()
        .map(|it| (get(it, "name").to_owned(), (get(it, "peripheral").to_owned(), get(it, "pin").to_owned())))
        .collect();
    assert_eq!(in_code, on_paper);
}

/// What stands behind `name = ` in a source file, up to the semicolon, without underscores.
fn constant(path: &str, name: &str) -> String {
    let code = read(path);
    let line = code
        .lines()
        .find(|line| line.contains(&format!("const {name}:")))
        .unwrap_or_else(|| panic!("{name} in {path}"));
    let (_, value) = line.split_once(" = ").expect("its value");
    value.trim_end_matches(';').replace('_', "")
}

#[test]
fn the_code_has_these_numbers() {
    let number = |table: &Table, key: &str| get(table, key).replace('_', "");
    let board = &pinout("board")[0];
    let code = "firmware/board/nucleo-g474/src";
    assert_eq!(constant(&format!("{code}/timing.rs"), "CLOCK_HZ"), number(board, "clock_hz"));
    assert_eq!(constant(&format!("{code}/clock.rs"), "CRYSTAL_HZ"), number(board, "crystal_hz"));
    let devices = "firmware/app/src/devices.rs";
    let supply = pinout("adc").into_iter().find(|it| get(it, "name") == "supply").expect("the supply's input");
    assert_eq!(constant(devices, "SUPPLY_RATIO"), number(&supply, "divider_ratio"));
    let addresses: BTreeMap<String, String> =
        pinout("device").iter().map(|it| (get(it, "name").to_owned(), get(it, "address").to_owned())).collect();
    assert_eq!(constant(devices, "CAMERA_LEFT"), addresses["MLX90640 left"]);
    assert_eq!(constant(devices, "CAMERA_RIGHT"), addresses["MLX90640 right"]);
    for (part, module) in
        [("BMI323", "bmi323"), ("SPS30", "sps30"), ("SCD41", "scd41"), ("BME280", "bme280"), ("ADS1115", "ads1115")]
    {
        assert_eq!(constant(&format!("firmware/drivers/src/{module}.rs"), "ADDRESS"), addresses[part], "{part}");
    }
}
