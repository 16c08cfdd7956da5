//! Life: how soon the server answers, what it takes while nobody asks, and how much memory it has.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    Extent,
    figure::{Figures, median, quantile},
    load::{Ask, Chorus, Line, VOICES},
    process::{Msb, Scratch},
};

pub fn measure(scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    println!("life: {} starts, then {} requests", extent.starts, extent.many);
    let msb = Msb::new(scratch, "life");
    let (_, key) = &msb.keys(1, &["--expire", "1d", "-n", "team-alpha"])[0];
    let passes = Ask::new("/auth?namespace=team-alpha", Some(key), 200);
    let starts: Vec<_> = (0..extent.starts)
        .map(|_| {
            let begun = Instant::now();
            let server = msb.start();
            assert_eq!(Line::open(server.address).unwrap().ask(&passes).unwrap(), 200);
            let took = begun.elapsed();
            drop(server);
            took.as_secs_f64() * 1e3
        })
        .collect();
    let told = |value| format!("{value:.1}");
    let more = format!("p95 {:.1}", quantile(&starts, 0.95));
    figures.add("ms, start to a key that passes", "40", told(median(&starts)), more);

    let mut server = msb.start();
    thread::sleep(Duration::from_millis(500));
    let [idle, anonymous] = server.memory();
    figures.add("MiB, idle", "12", told(idle), format!("{anonymous:.1} of it no file's"));
    let before = server.processor_time();
    thread::sleep(extent.rest);
    let spent = (server.processor_time() - before).as_secs_f64() / extent.rest.as_secs_f64();
    figures.add("% of a processor, idle", "1", format!("{:.2}", spent * 100.0), "");

    let nobody = Ask::new("/auth", None, 401);
    let health = Ask::new("/healthz", None, 200);
    let mut chorus = Chorus::open(server.address, &nobody);
    let turn = VOICES * 250;
    for _ in 0..extent.many / (4 * turn) {
        chorus.ask(&nobody, 2 * turn);
        chorus.ask(&passes, turn);
        chorus.ask(&health, turn);
    }
    assert!(server.is_running());
    let [busy, anonymous] = server.memory();
    let what = format!("MiB, after {} requests", extent.many);
    figures.add(&what, "20", told(busy), format!("{anonymous:.1} of it no file's"));
}
