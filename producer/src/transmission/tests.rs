//! A transmission in virtual time.

use mqtt_crawl::mqtt::packet::{ReasonCode, Version};
use mqtt_crawl::mqtt::session::server_capabilities::IN_FLIGHT_V311;

use super::test_harness::{BEGIN, CONNACK_ACCEPTED, TestHarness, ms, script, settings, timed_line};
use super::*;

#[test]
fn line_n_is_sent_at_start_plus_n_intervals_even_if_the_driver_is_late() {
    let check = |lag: Duration| {
        let (settings, script) = (settings(), script(100));
        let mut harness = TestHarness { lag, ..TestHarness::new(&settings, &script) }.start();
        harness.run_until(ms(3_600_000));
        let times: Vec<_> = harness.published.iter().map(|(at, _)| *at).collect();
        let expected: Vec<_> = (0..100).map(|n| ms(n * 1_000) + if n > 0 { lag } else { ms(0) }).collect();
        assert_eq!(times, expected);
        assert_eq!(harness.disconnects, 1);
        let summary = harness.summary();
        assert_eq!((summary.lines, summary.acknowledged, summary.exit_status()), (100, 100, 0));
    };
    check(ms(0));
    check(ms(30));
    check(ms(900));
}

#[test]
fn overdue_lines_are_sent_immediately() {
    let (settings, script) = (settings(), script(10));
    let mut harness = TestHarness { lag: ms(2_500), ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(ms(60_000));
    let seconds: Vec<_> = harness.published.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(seconds, [0, 3_500, 3_500, 3_500, 6_500, 6_500, 6_500, 9_500, 9_500, 9_500]);
}

#[test]
fn transmission_ends_with_the_last_acknowledgement() {
    let (settings, script) = (settings(), script(2));
    let mut harness = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(ms(20_000));
    assert_eq!(harness.texts(), ["line 1", "line 2"]);
    assert!(!harness.transmission.is_over());
    assert_eq!(harness.disconnects, 0);
    harness.transmission.handle_input(&[0x40, 2, 0, 1], harness.now);
    assert!(!harness.transmission.is_over());
    harness.transmission.handle_input(&[0x40, 2, 0, 2], harness.now);
    harness.serve();
    assert_eq!(harness.disconnects, 1);
    assert_eq!(harness.summary().end, End::Complete);
}

#[test]
fn at_qos_0_transmission_ends_with_the_last_line() {
    let (settings, script) = (Settings { qos: QoS::AtMostOnce, ..settings() }, script(200));
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.run_until(ms(198_999));
    assert_eq!(harness.published.len(), 199);
    harness.run_until(ms(199_000));
    assert_eq!((harness.published.len(), harness.disconnects), (200, 1));
    assert_eq!(harness.summary().exit_status(), 0);
}

#[test]
fn after_a_lost_connection_publishing_resumes_at_the_unacknowledged_line() {
    let (settings, script) = (settings(), script(6));
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.run_until(ms(1_500));
    harness.ack = None;
    harness.run_until(ms(2_400));
    assert_eq!(harness.texts(), ["line 1", "line 2", "line 3"]);
    harness.connack = None;
    harness.ack = Some(&[]);
    harness.lose_connection();
    harness.run_until(ms(50_000));
    assert_eq!(harness.published.len(), 3, "nothing is sent meanwhile");
    harness.connack = Some(CONNACK_ACCEPTED);
    harness.run_until(ms(600_000));
    assert_eq!(harness.texts(), ["line 1", "line 2", "line 3", "line 3", "line 4", "line 5", "line 6"]);
    let at: Vec<_> = harness.published.iter().map(|(at, _)| *at).collect();
    assert!(at[3] > ms(50_000));
    assert_eq!(at[4] - at[3], ms(600), "of the second before line 4, 0.4 had passed");
    assert_eq!(at[5] - at[4], ms(1_000));
    let lost = harness.reports.iter().filter(|report| matches!(report, Report::Lost { .. })).count();
    let connected = harness.reports.iter().filter(|report| matches!(report, Report::Connected { .. })).count();
    assert!(lost > 3 && connected == 2, "each failure is reported: {lost}, {connected}");
    assert_eq!(harness.summary().exit_status(), 0);
}

#[test]
fn line_that_ends_the_connection_is_dropped_and_the_others_arrive() {
    let (settings, script) = (settings(), script(6));
    let mut harness = TestHarness { closes_on: Some("line 2"), ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(GIVE_UP);
    assert_eq!(harness.texts(), ["line 1", "line 3", "line 4", "line 5", "line 6"]);
    assert_eq!(harness.dials, 4);
    let summary = harness.summary();
    assert_eq!((summary.acknowledged, summary.exit_status()), (5, 1));
    let [failed] = &summary.describe_failed()[..] else { panic!("{:?}", summary.failed) };
    assert!(failed.starts_with("Line 2 (row 3): the broker closed the connection each of the 3 times"), "{failed}");
}

#[test]
fn line_that_ends_the_connection_is_dropped_in_a_kept_session() {
    let (settings, script) = (Settings { qos: QoS::ExactlyOnce, ..settings() }, script(3));
    let closes_on = Some("line 2");
    let mut harness =
        TestHarness { closes_on, keeps_session: true, ack: None, ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(GIVE_UP);
    let failure = |reports: &[Report]| {
        reports.iter().find_map(|report| match report {
            Report::LineFailed(failed) => Some((failed.line, failed.failure.clone())),
            _ => None,
        })
    };
    assert_eq!(failure(&harness.reports), Some((2, LineFailure::EndsConnection { payload_bytes: 6 })));
}

#[test]
fn transmission_ends_if_every_line_ends_the_connection() {
    for (qos, repeat) in [(QoS::AtLeastOnce, Repeat::ONCE), (QoS::AtLeastOnce, Repeat::UntilStopped)] {
        let (settings, script) = (Settings { qos, repeat, ..settings() }, script(100));
        let mut harness = TestHarness { closes_on: Some(""), ..TestHarness::new(&settings, &script) }.start();
        harness.run_until(GIVE_UP);
        assert!(harness.transmission.is_over(), "{repeat:?}");
        let summary = harness.summary();
        assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
        assert!(matches!(summary.end, End::LinesRejected(_)));
        assert!(summary.describe_failed()[0].starts_with("Lines 1–3 (rows 2–4): the broker closed"));
    }
}

#[test]
fn transmission_ends_if_nothing_is_acknowledged() {
    let (settings, script) = (settings(), script(3));
    let mut harness = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(GIVE_UP + ms(20_000));
    assert!(harness.reports.contains(&Report::Unanswered));
    let summary = harness.summary();
    assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
    assert_eq!(summary.describe_failed(), ["Lines 1–3 (rows 2–4): not acknowledged"]);
}

#[test]
fn transmission_ends_if_connections_end_before_any_acknowledgement() {
    let (settings, script) = (settings(), script(6));
    let mut harness = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
    for _ in 0..200 {
        if harness.transmission.is_over() {
            break;
        }
        let later = harness.now.since(BEGIN) + ms(12_000);
        harness.run_until(later);
        if !harness.transmission.is_over() && harness.connected {
            harness.lose_connection();
        }
    }
    assert!(harness.now.since(BEGIN) < GIVE_UP + ms(100_000), "{:?}", harness.now.since(BEGIN));
    assert_eq!(harness.summary().exit_status(), 1);
}

#[test]
fn unreachable_address_is_tried_three_times() {
    let (settings, script) = (settings(), script(6));
    let mut harness = TestHarness { connack: None, ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(ms(60_000));
    assert_eq!((harness.dials, harness.reports.len()), (3, 2));
    let summary = harness.summary();
    assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
    assert_eq!(summary.describe_failed(), ["Lines 1–6 (rows 2–7): not sent"]);
}

#[test]
fn lost_connection_is_retried_for_two_minutes_unless_repeating() {
    let check = |repeat: Repeat, over: bool| {
        let (settings, script) = (Settings { repeat, ..settings() }, script(6));
        let mut harness = TestHarness::new(&settings, &script).start();
        harness.run_until(ms(3_500));
        harness.connack = None;
        harness.lose_connection();
        harness.run_until(ms(3_500) + GIVE_UP - ms(1));
        assert!(!harness.transmission.is_over());
        harness.run_until(ms(3_600_000));
        assert_eq!(harness.transmission.is_over(), over);
        if over {
            let summary = harness.summary();
            assert_eq!((summary.acknowledged, summary.exit_status()), (4, 1));
            assert_eq!(summary.describe_failed(), ["Lines 5–6 (rows 6–7): not sent"]);
        }
    };
    check(Repeat::ONCE, true);
    check(Repeat::UntilStopped, false);
}

#[test]
fn refused_connection_is_not_retried() {
    let (settings, script) = (settings(), script(6));
    let mut harness = TestHarness { connack: Some(&[0x20, 2, 0, 4]), ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(ms(600_000));
    assert_eq!(harness.dials, 1);
    assert_eq!(harness.summary().exit_status(), 3);
}

#[test]
fn stop_waits_briefly_for_acknowledgements() {
    let (settings, script) = (settings(), script(6));
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.run_until(ms(1_500));
    harness.stop();
    assert_eq!(harness.disconnects, 1);
    let summary = harness.summary();
    assert_eq!((&summary.end, summary.acknowledged, summary.exit_status()), (&End::Stopped, 2, 1));
    assert_eq!(summary.describe_failed(), ["Lines 3–6 (rows 4–7): not sent"]);

    let mut harness = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(ms(1_500));
    harness.stop();
    harness.run_until(ms(1_500) + ACK_TIMEOUT - ms(1));
    assert!(!harness.transmission.is_over());
    harness.run_until(ms(1_500) + ACK_TIMEOUT);
    assert_eq!((harness.disconnects, harness.published.len()), (1, 2));
    let failed_lines = harness.summary().describe_failed();
    assert_eq!(failed_lines, ["Lines 1–2 (rows 2–3): not acknowledged", "Lines 3–6 (rows 4–7): not sent"]);
}

#[test]
fn stop_without_a_connection_is_immediate() {
    let check = |repeat: Repeat, status: u8| {
        let (settings, script) = (Settings { repeat, ..settings() }, script(6));
        let mut harness = TestHarness { connack: None, ..TestHarness::new(&settings, &script) }.start();
        harness.stop();
        assert_eq!(harness.summary().exit_status(), status);
    };
    check(Repeat::ONCE, 1);
    check(Repeat::UntilStopped, 0);
}

#[test]
fn loop_restarts_at_the_first_line() {
    let settings = Settings { repeat: Repeat::UntilStopped, first_line: 3, ..settings() };
    let script = script(4);
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.run_until(ms(6_000));
    assert_eq!(harness.texts(), ["line 3", "line 4", "line 1", "line 2", "line 3", "line 4", "line 1"]);
    harness.stop();
    let summary = harness.summary();
    assert_eq!((summary.lines, summary.acknowledged, summary.exit_status()), (7, 7, 0));
}

#[test]
fn first_line_skips_the_lines_before_it() {
    let (settings, script) = (Settings { first_line: 3, ..settings() }, script(4));
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.run_until(ms(60_000));
    assert_eq!(harness.texts(), ["line 3", "line 4"]);
    let left = harness.reports.iter().filter_map(|report| match report {
        Report::Progress(progress) => Some((progress.acknowledged, progress.line, progress.lines, progress.left)),
        _ => None,
    });
    let expected = [(0, 2, Some(2_000)), (1, 3, Some(1_000)), (2, 4, Some(0))];
    let expected = expected.map(|(acknowledged, line, left)| (acknowledged, line, Some(4), left.map(ms)));
    assert_eq!(left.collect::<Vec<_>>(), expected);
    assert_eq!(harness.summary().to_string(), "2 of 2 lines acknowledged");
}

#[test]
fn unacknowledged_lines_are_limited() {
    // In 3.1.1 the session itself stops long before.
    let accepted: (Version, &'static [u8]) = (Version::V5, &[0x20, 3, 0, 0, 0]);
    let old: (Version, &'static [u8]) = (Version::V311, &[0x20, 2, 0, 0]);
    for ((version, connack), at_most) in [(accepted, UNFINISHED_MAX), (old, usize::from(IN_FLIGHT_V311))] {
        let settings = Settings { interval: ms(0), version: Some(version), ..settings() };
        let script = script(5_000);
        let mut harness =
            TestHarness { ack: None, connack: Some(connack), ..TestHarness::new(&settings, &script) }.start();
        harness.run_until(ms(10_000));
        assert_eq!(harness.published.len(), at_most, "{version}");
        // It sleeps until something happens, and continues with the next answer.
        assert!(harness.transmission.poll_timeout().is_some_and(|at| at > harness.now));
        harness.transmission.handle_input(&[0x40, 2, 0, 1, 0x40, 2, 0, 2], harness.now);
        harness.serve();
        assert_eq!(harness.published.len(), at_most + 2, "{version}");
    }
}

#[test]
fn unsupported_retain_ends_the_transmission() {
    let (settings, script) = (Settings { version: Some(Version::V5), retain: true, ..settings() }, script(6));
    // Retain Available 0.
    let mut harness =
        TestHarness { connack: Some(&[0x20, 5, 0, 0, 2, 0x25, 0]), ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(ms(60_000));
    assert!(harness.published.is_empty());
    let summary = harness.summary();
    assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
    let End::Unsuitable(error) = summary.end else { panic!("{:?}", summary.end) };
    assert!(error.to_string().contains("retained"), "{error}");
}

#[test]
fn qos_is_lowered_to_the_brokers_maximum_and_reported() {
    let check = |asked: QoS, maximum: u8, granted: QoS, expected: &str| {
        let (settings, script) = (Settings { version: Some(Version::V5), qos: asked, ..settings() }, script(3));
        let connack = [0x20, 5, 0, 0, 2, 0x24, maximum];
        let mut harness = TestHarness { connack: Some(&connack), ..TestHarness::new(&settings, &script) }.start();
        harness.run_until(ms(60_000));
        assert_eq!((harness.texts().len(), harness.transmission.qos()), (3, granted));
        let is_reported = harness.reports.contains(&Report::QosLowered { asked, granted });
        assert_eq!(is_reported, asked != granted);
        let summary = harness.summary();
        assert_eq!((summary.to_string().as_str(), summary.exit_status()), (expected, 0));
    };
    let sent = "3 of 3 lines sent (no acknowledgements at QoS 0)";
    check(QoS::ExactlyOnce, 1, QoS::AtLeastOnce, "3 of 3 lines acknowledged");
    check(QoS::AtLeastOnce, 1, QoS::AtLeastOnce, "3 of 3 lines acknowledged");
    check(QoS::AtLeastOnce, 0, QoS::AtMostOnce, sent);
    check(QoS::AtMostOnce, 1, QoS::AtMostOnce, sent);
}

#[test]
fn thousand_lines_survive_twenty_lost_connections() {
    let (settings, script) = (Settings { interval: ms(10), ..settings() }, script(1_000));
    let mut harness = TestHarness::new(&settings, &script).start();
    let mut away = ms(0);
    for cut in 1..=20 {
        // The last lines before it get no acknowledgement.
        harness.run_until(away + ms(470 * cut));
        harness.ack = None;
        harness.run_until(away + ms(470 * cut + 25));
        let (before, since) = (harness.published.len(), harness.now);
        harness.ack = Some(&[]);
        harness.lose_connection();
        while harness.published.len() == before {
            let next = harness.transmission.poll_timeout().expect("it tries again").since(BEGIN);
            harness.run_until(next);
        }
        let wait = harness.published[before].0 - since.since(BEGIN);
        assert!(wait <= ms(1_000), "a working link is retried soon: {wait:?}");
        away += wait;
    }
    harness.run_until(ms(60_000));
    assert_eq!(harness.published.last().map(|(at, _)| *at), Some(away + ms(9_990)), "no drift at all");
    let mut order: Vec<usize> = Vec::new();
    for text in harness.texts() {
        let n = text.trim_start_matches("line ").parse().expect("a number");
        if n <= order.len() {
            assert!(n + 3 > order.len(), "{n} was acknowledged, and came again after {}", order.len());
        } else {
            order.push(n);
        }
    }
    assert_eq!(order, (1..=1_000).collect::<Vec<_>>());
    let resumed: Vec<_> = harness
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::Connected { resumes_at, .. } => Some(*resumes_at),
            _ => None,
        })
        .collect();
    assert_eq!(resumed.len(), 21);
    assert_eq!(&resumed[..2], [None, Some(49)], "the first that wasn't acknowledged");
    assert_eq!(harness.summary().exit_status(), 0);
}

#[test]
fn pause_delays_all_following_lines() {
    let (settings, script) = (settings(), script(5));
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.run_until(ms(1_300));
    harness.command(RemoteCommand::TogglePause);
    assert!(harness.progress().is_paused);
    // A connection that is lost and restored ends no pause.
    harness.lose_connection();
    harness.run_until(ms(60_000));
    assert_eq!(harness.published.len(), 2);
    assert_eq!(harness.dials, 2);
    harness.command(RemoteCommand::TogglePause);
    harness.run_until(ms(600_000));
    let at: Vec<_> = harness.published.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(at, [0, 1_000, 60_700, 61_700, 62_700]);
    assert_eq!(harness.summary().exit_status(), 0);
}

#[test]
fn seek_sends_the_target_line_immediately() {
    let (settings, script) = (settings(), script(30));
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.run_until(ms(2_300));
    harness.command(RemoteCommand::Seek(1));
    harness.run_until(ms(3_400));
    harness.command(RemoteCommand::Seek(-1));
    harness.command(RemoteCommand::Seek(10));
    harness.run_until(ms(5_000));
    harness.command(RemoteCommand::Seek(-100));
    assert_eq!(harness.texts()[3..], ["line 4", "line 5", "line 4", "line 14", "line 15", "line 1"]);
    let at: Vec<_> = harness.published[3..].iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(at, [2_300, 3_300, 3_400, 3_400, 4_400, 5_000]);
    // In a pause one step is one line, and nothing is sent before its end.
    harness.command(RemoteCommand::TogglePause);
    harness.command(RemoteCommand::Seek(10));
    harness.command(RemoteCommand::Seek(-1));
    harness.command(RemoteCommand::Seek(-1));
    harness.run_until(ms(9_000));
    assert_eq!((harness.published.len(), harness.progress().line), (9, 9));
    harness.command(RemoteCommand::TogglePause);
    assert_eq!(harness.texts()[9..], ["line 9"]);
    // Seeking to the last line is possible, and the script ends with it.
    harness.command(RemoteCommand::Seek(1_000));
    assert_eq!(harness.texts()[10..], ["line 30"]);
    let summary = harness.summary();
    assert_eq!(summary.to_string(), "11 of 11 lines acknowledged");
    assert_eq!(summary.exit_status(), 0);
}

#[test]
fn seek_wraps_around_in_a_loop() {
    let settings = Settings { repeat: Repeat::UntilStopped, ..settings() };
    let script = script(3);
    let mut harness = TestHarness::new(&settings, &script).start();
    harness.command(RemoteCommand::Seek(10));
    harness.command(RemoteCommand::Seek(-1));
    harness.command(RemoteCommand::Seek(-100));
    assert_eq!(harness.texts(), ["line 1", "line 2", "line 1", "line 1"]);
    assert_eq!((harness.progress().line, harness.progress().left), (1, None));
}

#[test]
fn live_lines_are_sent_on_arrival_but_no_faster_than_the_interval() {
    let settings = settings();
    let mut harness = TestHarness::live(&settings).start();
    harness.run_until(ms(500));
    assert_eq!(harness.published.len(), 0);
    harness.push(1..=1);
    harness.run_until(ms(10_000));
    harness.push(2..=4);
    harness.run_until(ms(11_500));
    harness.push(5..=5);
    harness.run_until(ms(20_250));
    harness.push(6..=7);
    assert_eq!((harness.progress().lines, harness.progress().left), (None, None));
    harness.end_of_script();
    harness.run_until(ms(60_000));
    let at: Vec<_> = harness.published.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(at, [500, 10_000, 11_000, 12_000, 13_000, 20_250, 21_250]);
    assert_eq!(harness.summary().to_string(), "7 of 7 lines acknowledged");
}

#[test]
fn live_source_without_lines_is_an_error() {
    let check = |first_line: usize, lines: usize, expected: &str| {
        let settings = Settings { first_line, ..settings() };
        let mut harness = TestHarness::live(&settings).start();
        harness.push(1..=lines);
        harness.end_of_script();
        assert!(harness.transmission.is_over());
        assert_eq!((harness.disconnects, harness.published.len()), (1, 0));
        let error = harness.transmission.into_summary().expect_err("nothing to send").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(1, 0, "No usable lines");
    check(3, 2, "Can't start at line 3");
}

#[test]
fn interrupted_source_is_reported_and_fails_the_run() {
    let settings = settings();
    let mut harness = TestHarness::live(&settings).start();
    harness.push(1..=1);
    let rest = SkippedRow::Rest { file: "pipe".into(), reason: "broken".to_owned() };
    harness.transmission.handle_row(Err(rest.clone()));
    harness.end_of_script();
    assert!(harness.reports.contains(&Report::SkippedRow(rest)));
    assert_eq!(harness.summary().exit_status(), 1);
}

#[test]
fn failed_lines_name_their_file_if_there_are_several() {
    let settings = settings();
    let named = |file: &str, n| TimedLine { file: Some(file.into()), ..timed_line(n) };
    let script = [named("a", 1), named("a", 2), named("b", 1), named("b", 2)];
    let mut harness = TestHarness { connack: None, ..TestHarness::new(&settings, &script) }.start();
    harness.stop();
    let failed_lines = harness.summary().describe_failed();
    assert_eq!(failed_lines, ["Lines 1–2 (a, rows 2–3): not sent", "Lines 3–4 (b, rows 2–3): not sent"]);
}

#[test]
fn refused_line_does_not_end_the_transmission() {
    let (settings, script) = (Settings { version: Some(Version::V5), ..settings() }, script(3));
    let mut harness =
        TestHarness { connack: Some(&[0x20, 3, 0, 0, 0]), ..TestHarness::new(&settings, &script) }.start();
    harness.run_until(ms(500));
    harness.ack = Some(&[0x87]);
    harness.run_until(ms(1_500));
    // No matching subscribers isn't a refusal.
    harness.ack = Some(&[0x10]);
    harness.run_until(ms(60_000));
    let failed = FailedLine { line: 2, row: 3, file: None, failure: LineFailure::Refused(ReasonCode::NOT_AUTHORIZED) };
    assert!(harness.reports.contains(&Report::LineFailed(failed.clone())));
    let summary = harness.summary();
    assert_eq!((summary.failed.as_slice(), summary.acknowledged, summary.exit_status()), (&[failed][..], 2, 1));
}

#[test]
fn client_id_is_random_or_as_configured() {
    let settings = settings();
    let sent = |settings: &Settings, seed| {
        let mut transmission = Transmission::new(settings, seed);
        transmission.start(BEGIN);
        assert!(matches!(transmission.poll_transmit(), Some(Transmit::Dial)));
        transmission.handle_open(BEGIN);
        match transmission.poll_transmit() {
            Some(Transmit::Send(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert!(sent(&settings, 7).contains("crawl0000000000000007"));
    assert_ne!(sent(&settings, 7), sent(&settings, 8));
    let configured = Settings { client_id: Some("me".to_owned()), ..settings.clone() };
    assert!(sent(&configured, 7).ends_with("me"));
}
