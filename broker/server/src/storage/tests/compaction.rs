//! The log cleaner on real files: what it chooses, writes down, keeps away from and stops for.

use std::sync::atomic::{AtomicUsize, Ordering};

use barnabas_records::{BatchView, DecompressLimits, Records};

use super::super::compaction::{Cleaner, Shared};
use super::*;
use crate::config::CleanerConfig;
use crate::metrics::Metrics;
use crate::replica::{Acks, FetchFrom, Isolation, Reader};

fn compacted() -> PartitionConfig {
    config(LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 0,
        compact: true,
        delete: false,
        ..LogConfig::default()
    })
}

fn cleaner(run: &Run, metrics: &Metrics, config: impl Fn() -> CleanerConfig + Send + Sync + 'static) -> Arc<Cleaner> {
    Arc::new(Cleaner {
        runtime: run.hosting.runtime.clone(),
        directories: Arc::clone(&run.hosting.directories),
        replicas: Arc::clone(&run.hosting.replicas),
        config: Box::new(config),
        metrics: Arc::clone(&metrics.cleaner),
        shared: Shared::default(),
    })
}

/// Writes values 0 to `count` in turn under two keys, and waits until they are kept and sealed segments are synced.
async fn fill(partition: &Arc<Partition>, count: usize) {
    let mut end = Offset(0);
    for number in 0..count {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        let (key, value) = ([b'a' + (number % 2) as u8], number.to_string());
        builder.append(Timestamp(0), Some(&key), Some(value.as_bytes()), &[]).unwrap();
        end = partition.append(&builder.build().unwrap(), Acks::AllInSync, Timestamp(0)).unwrap().end_offset;
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    Arc::clone(partition).replicated(end, partition.led_since(), deadline).await.unwrap();
}

/// The values that a client reads.
fn read_values(partition: &Partition) -> Vec<String> {
    let mut offset = partition.marks().log_start;
    let mut values = Vec::new();
    loop {
        let from = FetchFrom::batches(offset, 1 << 20, Isolation::ReadCommitted);
        let Some(region) = partition.fetch(from).unwrap().region else { return values };
        let bytes = region.bytes().unwrap();
        for batch in barnabas_records::batches(&bytes).map_while(Result::ok) {
            offset = batch.header().next_offset();
            let view = BatchView::parse(batch.bytes()).unwrap();
            let mut records = Records::new(&view, DecompressLimits::default()).unwrap();
            while let Some(record) = records.next().unwrap() {
                values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            }
        }
    }
}

async fn round(cleaner: &Arc<Cleaner>) -> bool {
    let (cleaner, timers) = (Arc::clone(cleaner), crate::runtime::Timers::of(tokio::runtime::Handle::current()));
    let (_going_on, stopping) = watch::channel(false);
    tokio::task::spawn_blocking(move || cleaner.round(&CleanerConfig::kafkas(), &timers, &stopping)).await.unwrap()
}

fn checkpoint(context: &StorageContext) -> String {
    std::fs::read_to_string(context.paths[0].join("cleaner-offset-checkpoint")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filthiest_log_goes_first_and_what_is_clean_is_written_down() {
    let context = StorageContext::new(1);
    let run = context.start();
    let metrics = Metrics::new().unwrap();
    let cleaner = cleaner(&run, &metrics, CleanerConfig::kafkas);
    let some = run.host("some", 0, 1, compacted()).await;
    let all = run.host("all", 0, 2, compacted()).await;
    let other = run.host("other", 0, 3, config(LogConfig { segment_bytes: 1000, ..LogConfig::default() })).await;
    for partition in [&some, &all, &other] {
        fill(partition, 100).await;
    }
    assert!(round(&cleaner).await && round(&cleaner).await);
    assert!(!round(&cleaner).await, "nothing is dirty any more");
    fill(&some, 10).await;
    fill(&all, 300).await;
    let before = some.with_log(|log| log.cleaned_to());
    assert!(round(&cleaner).await);
    assert_eq!(some.with_log(|log| log.cleaned_to()), before, "it has less to gain");
    let values = read_values(&all);
    assert!(values.len() < 20 && values.ends_with(&["298".to_owned(), "299".to_owned()]), "{values:?}");
    assert_eq!(read_values(&other).len(), 100);
    let clean = all.with_log(|log| log.cleaned_to());
    assert!(checkpoint(&context).contains(&format!("all 0 {clean}\n")), "{}", checkpoint(&context));
    let text = String::from_utf8(metrics.render().unwrap()).unwrap();
    assert!(text.contains("barnabas_log_cleaner_compactions_total 3\n"), "{text}");
    drop((some, all, other, cleaner));
    run.stop(true);
    let again = context.start();
    let all = again.host("all", 0, 2, compacted()).await;
    assert_eq!(all.with_log(|log| log.first_dirty()), clean);
    again.stop(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compacted_is_counted_and_left_alone_until_its_settings_change() {
    let context = StorageContext::new(1);
    let run = context.start();
    let metrics = Metrics::new().unwrap();
    let cleaner = cleaner(&run, &metrics, CleanerConfig::kafkas);
    let partition = run.host("t", 0, 1, compacted()).await;
    fill(&partition, 50).await;
    let path = context.paths[0].join("t-0/00000000000000000000.log");
    let sound = std::fs::read(&path).unwrap();
    let mut damaged = sound.clone();
    damaged[100] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(!round(&cleaner).await && !round(&cleaner).await);
    let text = String::from_utf8(metrics.render().unwrap()).unwrap();
    let label = format!("{{log_directory=\"{}\"}}", context.paths[0].display());
    assert!(text.contains(&format!("barnabas_log_cleaner_uncleanable_partitions{label} 1\n")), "{text}");
    assert!(text.contains("barnabas_log_cleaner_failures_total 1\n"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), damaged, "nothing was changed");
    std::fs::write(&path, &sound).unwrap();
    assert!(!round(&cleaner).await, "nobody looked at it again");
    let PartitionConfig { log, .. } = compacted();
    partition.set_config(config(LogConfig { delete_retention_ms: 5, ..*log }));
    assert!(round(&cleaner).await);
    assert!(read_values(&partition).len() < 50);
    run.stop(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_threads_run_as_the_configuration_says_and_all_end_when_the_node_stops() {
    let context = StorageContext::new(1);
    let run = context.start();
    let metrics = Metrics::new().unwrap();
    let threads = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&threads);
    let configured =
        move || CleanerConfig { threads: asked.load(Ordering::SeqCst), backoff_ms: 1, ..CleanerConfig::kafkas() };
    let cleaner = cleaner(&run, &metrics, configured);
    let partition = run.host("t", 0, 1, compacted()).await;
    fill(&partition, 50).await;
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(cleaner.run(stopping));
    threads.store(2, Ordering::SeqCst);
    while partition.with_log(|log| log.cleaned_to()) == Offset(0) {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    running.await.unwrap();
    assert!(read_values(&partition).len() < 50);
    run.stop(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_read_goes_on_in_the_next_segment_has_what_it_asked_from_and_no_more() {
    let context = StorageContext::new(1);
    let run = context.start();
    let metrics = Metrics::new().unwrap();
    let cleaner = cleaner(&run, &metrics, CleanerConfig::kafkas);
    let partition = run.host("gaps", 0, 1, compacted()).await;
    // In each segment one record that stays, so large that no two of them share a segment, and three that go.
    let mut end = Offset(0);
    for number in 0..20 {
        let (stays, large) = (format!("stays {number}"), "x".repeat(600));
        for (key, value) in [(stays.as_str(), large.as_str()), ("goes", "1"), ("goes", "2"), ("goes", "3")] {
            let mut builder = BatchBuilder::new(Offset(0), Compression::None);
            builder.append(Timestamp(0), Some(key.as_bytes()), Some(value.as_bytes()), &[]).unwrap();
            end = partition.append(&builder.build().unwrap(), Acks::AllInSync, Timestamp(0)).unwrap().end_offset;
        }
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    Arc::clone(&partition).replicated(end, partition.led_since(), deadline).await.unwrap();
    assert!(round(&cleaner).await);
    let (own, other) = (run.hosting.replicas.surroundings().own(), BrokerId(77));
    partition.assign_to(LeaderEpoch(9), own, &[own, other]);
    let from = FetchFrom {
        reader: Reader::Follower { broker: other, broker_epoch: -1, log_start: Offset(0) },
        max_bytes: 1,
        ..FetchFrom::batches(Offset(1), 1, Isolation::ReadUncommitted)
    };
    let bytes = partition.fetch(from).unwrap().region.unwrap().bytes().unwrap();
    assert_eq!(barnabas_records::single_batch(&bytes).unwrap().header().base_offset, Offset(4), "beyond the gap");
    assert_eq!(partition.follower_end(other), Some(Offset(1)));
    drop((partition, cleaner));
    run.stop(true);
}
