//! What a producer sends when: batching, linger, rates, and the order of what is sent again.

use super::*;
use crate::perf::batches::Recipe;
use crate::perf::payload::Payload;
use barnabas_records::compression::Compression;

const MS: u64 = 1_000_000;

/// Batches of up to 10 records of 100 bytes.
fn batches(keyed_partitions: Option<usize>) -> Batches {
    let payload = Payload::Generated { size: 100, entropy: 1.0 };
    let recipe = Recipe { payload, batch_bytes: 1_190, compression: Compression::None, keyed_partitions, seed: 1 };
    let batches = Batches::prepare(&recipe).unwrap();
    assert_eq!(batches.full_count(0), if keyed_partitions.is_some() { 9 } else { 10 });
    batches
}

fn rules(records_per_second: Option<u64>, linger_ms: u64) -> Rules {
    let pace = Pace { records_per_second, start_ns: 0, end_ns: 1_000 * MS, record_limit: u64::MAX, connections: 1 };
    Rules { in_flight: 2, linger_ns: linger_ms * MS, keyed: false, pace }
}

fn send(lane: &mut Lane, now_ns: u64, rules: &Rules, batches: &Batches) -> Flight {
    match lane.next(now_ns, rules, batches, &mut u64::MAX.clone()) {
        Next::Send(flight) => {
            lane.sent(flight.clone(), flight.order as i32, now_ns);
            flight
        }
        other => panic!("{other:?} at {now_ns}"),
    }
}

#[test]
fn without_a_rate_full_batches_go_out_until_enough_wait_for_their_answer() {
    let (batches, rules, mut lane) = (batches(None), rules(None, 5), Lane::new(0, &[0, 1]));
    assert_eq!(send(&mut lane, 0, &rules, &batches).records, 10);
    let second = send(&mut lane, 0, &rules, &batches);
    assert_eq!((lane.partition(&second.parts[0]), second.parts[0].base_sequence), (1, 0));
    assert_eq!(lane.next(0, &rules, &batches, &mut 100), Next::Nothing);
    lane.answered();
    let third = send(&mut lane, 0, &rules, &batches);
    assert_eq!((lane.partition(&third.parts[0]), third.parts[0].base_sequence, third.parts[0].first_mark), (0, 10, 10));
    lane.answered();
    assert_eq!(lane.next(1_000 * MS, &rules, &batches, &mut 100), Next::Nothing, "the time is up");
    assert!(!lane.is_idle() && lane.is_exhausted(&rules.pace));
}

#[test]
fn the_allowance_ends_a_run_to_the_record() {
    let (batches, rules, mut lane) = (batches(None), rules(None, 0), Lane::new(0, &[0]));
    let mut allowance = 13;
    assert!(matches!(lane.next(0, &rules, &batches, &mut allowance), Next::Send(flight) if flight.records == 10));
    assert!(matches!(lane.next(0, &rules, &batches, &mut allowance), Next::Send(flight) if flight.records == 3));
    assert_eq!((lane.next(0, &rules, &batches, &mut allowance), allowance), (Next::Nothing, 0));
}

#[test]
fn a_batch_waits_for_linger_or_until_it_is_full() {
    let batches = batches(None);
    let mut slow = Lane::new(0, &[0]);
    let rules_slow = rules(Some(1_000), 5);
    assert_eq!(slow.next(0, &rules_slow, &batches, &mut u64::MAX.clone()), Next::At(5 * MS));
    assert_eq!(send(&mut slow, 5 * MS, &rules_slow, &batches).records, 6);
    assert_eq!(slow.next(5 * MS, &rules_slow, &batches, &mut u64::MAX.clone()), Next::At(11 * MS));

    let mut fast = Lane::new(0, &[0]);
    let rules_fast = rules(Some(10_000), 5);
    assert_eq!(fast.next(0, &rules_fast, &batches, &mut u64::MAX.clone()), Next::At(900_000), "the tenth is due");
    assert_eq!(send(&mut fast, 900_000, &rules_fast, &batches).records, 10);
}

#[test]
fn what_was_due_in_a_stall_goes_out_afterwards_with_its_own_time() {
    let (batches, rules, mut lane) = (batches(None), rules(Some(1_000), 0), Lane::new(0, &[0]));
    for now_ms in [0, 1] {
        assert_eq!(send(&mut lane, now_ms * MS, &rules, &batches).records, 1);
    }
    assert_eq!(lane.next(2 * MS, &rules, &batches, &mut u64::MAX.clone()), Next::Nothing, "two wait for their answer");
    lane.answered();
    let late = send(&mut lane, 8 * MS, &rules, &batches);
    let intended: Vec<u64> = lane.intended_ns(&late, &rules.pace).map(|intended_ns| intended_ns / MS).collect();
    assert_eq!(intended, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(lane.unsent_ns(10 * MS, &rules.pace).collect::<Vec<_>>(), [9 * MS, 10 * MS]);
}

#[test]
fn what_must_be_sent_again_goes_in_order_alone_and_before_anything_new() {
    let (batches, rules, mut lane) = (batches(None), rules(None, 0), Lane::new(0, &[0]));
    send(&mut lane, 0, &rules, &batches);
    send(&mut lane, 0, &rules, &batches);
    let first = lane.answered().unwrap();
    assert_eq!(lane.verdict(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), Verdict::Lost);
    lane.again(first.clone());
    assert_eq!(lane.next(0, &rules, &batches, &mut 100), Next::Nothing, "the second is still on its way");
    assert_eq!(lane.verdict(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), Verdict::Again);
    let second = lane.answered().unwrap();
    lane.again(second.clone());
    assert_eq!(send(&mut lane, 0, &rules, &batches).order, first.order);
    assert_eq!(lane.next(0, &rules, &batches, &mut 100), Next::Nothing, "one at a time");
    // It fails once more, and still comes first.
    let first = lane.answered().unwrap();
    lane.again(first.clone());
    assert_eq!(send(&mut lane, 0, &rules, &batches).order, first.order);
    lane.answered();
    assert_eq!(send(&mut lane, 0, &rules, &batches), second);
    lane.answered();
    assert_eq!(send(&mut lane, 0, &rules, &batches).order, 2);
}

#[test]
fn answers_mean_kept_again_or_lost() {
    let lane = Lane::new(0, &[0]);
    for (code, verdict) in [
        (ErrorCode::NONE, Verdict::Kept),
        (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, Verdict::Kept),
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, Verdict::Again),
        (ErrorCode::MESSAGE_TOO_LARGE, Verdict::Lost),
    ] {
        assert_eq!(lane.verdict(code), verdict, "{code}");
    }
}

#[test]
fn keyed_records_are_spread_over_all_partitions_within_one_request() {
    let batches = batches(Some(3));
    let rules = Rules { keyed: true, in_flight: 1_000, ..rules(None, 0) };
    let mut lane = Lane::new(0, &[0, 1, 2]);
    let mut by_partition = [0_u32; 3];
    for _ in 0..100 {
        let flight = send(&mut lane, 0, &rules, &batches);
        assert_eq!(flight.parts.iter().map(|part| part.count).sum::<u32>(), flight.records);
        for part in &flight.parts {
            assert_eq!(part.base_sequence.cast_unsigned(), by_partition[part.target]);
            by_partition[part.target] += part.count;
        }
    }
    assert!(by_partition.iter().all(|count| (200..400).contains(count)), "{by_partition:?}");
}

#[test]
fn what_is_too_old_is_given_up() {
    let (batches, rules, mut lane) = (batches(None), rules(None, 0), Lane::new(0, &[0]));
    send(&mut lane, 1, &rules, &batches);
    send(&mut lane, 9, &rules, &batches);
    for flight in lane.lost_connection() {
        lane.again(flight);
    }
    assert_eq!(lane.expired(5).len(), 1);
    assert!(!lane.is_idle());
}
