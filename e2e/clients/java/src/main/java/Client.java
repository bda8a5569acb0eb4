import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The client cases for Apache Kafka's Java client: one line per case on standard output, asserting nothing about timing. */
public final class Client {
    private static final long DEADLINE_MS = 30_000;
    private final String bootstrap;
    private final String run = UUID.randomUUID().toString().substring(0, 8);
    private final Admin admin;

    private Client(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(settings());
    }

    private interface Case {
        void run() throws Exception;
    }

    // What the cases are made of.

    private static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        return settings;
    }

    private static <T> T await(Future<T> future) throws Exception {
        return future.get(DEADLINE_MS, TimeUnit.MILLISECONDS);
    }

    private String topic(String name, int partitions) throws Exception {
        String full = name + "-" + run;
        await(admin.createTopics(List.of(new NewTopic(full, partitions, (short) 1))).all());
        return full;
    }

    private KafkaProducer<byte[], byte[]> producer(String codec) {
        Properties settings = settings();
        settings.put("enable.idempotence", "true");
        settings.put("acks", "all");
        settings.put("compression.type", codec);
        settings.put("linger.ms", "20");
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private void produce(List<ProducerRecord<byte[], byte[]>> records, String codec) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(codec)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : records) {
                sent.add(producer.send(record));
            }
            for (Future<RecordMetadata> one : sent) {
                await(one);
            }
        }
    }

    private void numbered(String topic, int partition, int start, int count) throws Exception {
        produce(IntStream.range(start, start + count)
            .mapToObj(n -> new ProducerRecord<>(topic, partition, "k".getBytes(), Integer.toString(n).getBytes()))
            .collect(Collectors.toList()), "none");
    }

    private KafkaConsumer<byte[], byte[]> consumer(String group, String... more) {
        Properties settings = settings();
        settings.put("group.id", group);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("session.timeout.ms", "10000");
        settings.put("heartbeat.interval.ms", "500");
        settings.put("metadata.max.age.ms", "500");
        settings.put("allow.auto.create.topics", "false");
        for (int i = 0; i + 1 < more.length; i += 2) {
            settings.put(more[i], more[i + 1]);
        }
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private KafkaConsumer<byte[], byte[]> alone() {
        return consumer("alone-" + UUID.randomUUID());
    }

    private static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.currentTimeMillis() + DEADLINE_MS;
        while (records.size() < count) {
            check(System.currentTimeMillis() < deadline, "only " + records.size() + " of " + count + " records came");
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        }
        check(records.size() == count, records.size() + " records came instead of " + count);
        return records;
    }

    private static void quiet(KafkaConsumer<byte[], byte[]> consumer, int milliseconds) {
        long until = System.currentTimeMillis() + milliseconds;
        while (System.currentTimeMillis() < until) {
            check(consumer.poll(Duration.ofMillis(100)).isEmpty(), "an unexpected record came");
        }
    }

    private static List<Integer> numbers(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(r -> Integer.parseInt(new String(r.value()))).collect(Collectors.toList());
    }

    private static List<Integer> range(int start, int end) {
        return IntStream.range(start, end).boxed().collect(Collectors.toList());
    }

    private static byte[] payload(int number) {
        byte[] bytes = new byte[number * 37 % 2001];
        new Random(number).nextBytes(bytes);
        Arrays.fill(bytes, bytes.length / 2, bytes.length, (byte) 'w');
        return bytes;
    }

    // The cases.

    private void produceCodec(String codec) throws Exception {
        String topic = topic("produce-" + codec, 1);
        produce(IntStream.range(0, 500)
            .mapToObj(n -> new ProducerRecord<>(topic, 0, ("key-" + n).getBytes(), payload(n)))
            .collect(Collectors.toList()), codec);
        try (KafkaConsumer<byte[], byte[]> consumer = alone()) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            List<ConsumerRecord<byte[], byte[]>> records = read(consumer, 500);
            for (int n = 0; n < 500; n++) {
                ConsumerRecord<byte[], byte[]> record = records.get(n);
                check(record.offset() == n, "offset " + record.offset() + " instead of " + n);
                check(Arrays.equals(record.key(), ("key-" + n).getBytes()), "the key of " + n + " differs");
                check(Arrays.equals(record.value(), payload(n)), "the value of " + n + " differs");
            }
            quiet(consumer, 300);
        }
    }

    private void headers() throws Exception {
        String topic = topic("headers", 1);
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, "k".getBytes(), "v".getBytes());
        record.headers().add("a", "1".getBytes()).add("b", new byte[0]).add("a", "2".getBytes()).add("c", null).add("a", "1".getBytes());
        produce(List.of(record), "none");
        try (KafkaConsumer<byte[], byte[]> consumer = alone()) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            StringBuilder came = new StringBuilder();
            for (Header header : read(consumer, 1).get(0).headers()) {
                came.append(header.key()).append('=').append(header.value() == null ? "null" : new String(header.value())).append(' ');
            }
            check(came.toString().equals("a=1 b= a=2 c=null a=1 "), "headers came back as " + came);
        }
    }

    private void assignAtStoredOffset() throws Exception {
        String topic = topic("assign", 1);
        String group = "assign-" + run;
        TopicPartition partition = new TopicPartition(topic, 0);
        numbered(topic, 0, 0, 100);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group)) {
            consumer.assign(List.of(partition));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(40, Optional.of(0), "noted")));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group)) {
            consumer.assign(List.of(partition));
            check(numbers(read(consumer, 60)).equals(range(40, 100)), "not the records 40 to 99");
            OffsetAndMetadata stored = consumer.committed(Set.of(partition)).get(partition);
            check(stored.metadata().equals("noted") && stored.leaderEpoch().equals(Optional.of(0)), "the commit came back as " + stored);
            consumer.seek(partition, 97);
            check(numbers(read(consumer, 3)).equals(range(97, 100)), "an assigned offset is not where reading starts");
        }
    }

    private void groupSharesPartitions() throws Exception {
        String topic = topic("shares", 4);
        String group = "shares-" + run;
        long deadline = System.currentTimeMillis() + DEADLINE_MS;
        try (KafkaConsumer<byte[], byte[]> second = consumer(group)) {
            try (KafkaConsumer<byte[], byte[]> first = consumer(group)) {
                first.subscribe(List.of(topic));
                second.subscribe(List.of(topic));
                // Each needs a thread's worth of polling while the other joins.
                while (first.assignment().size() != 2 || second.assignment().size() != 2) {
                    check(System.currentTimeMillis() < deadline, "assignments are " + first.assignment() + " and " + second.assignment());
                    first.poll(Duration.ofMillis(50));
                    second.poll(Duration.ofMillis(50));
                }
                for (int partition = 0; partition < 4; partition++) {
                    numbered(topic, partition, partition * 25, 25);
                }
                List<Integer> values = numbers(read(first, 50));
                values.addAll(numbers(read(second, 50)));
                check(values.stream().sorted().collect(Collectors.toList()).equals(range(0, 100)), "the members did not get each record once");
                first.commitSync();
                second.commitSync();
            }
            while (second.assignment().size() != 4) {
                check(System.currentTimeMillis() < deadline, "the remaining member did not get all partitions");
                check(second.poll(Duration.ofMillis(100)).isEmpty(), "a committed record came again");
            }
        }
    }

    private void commitAndResume() throws Exception {
        String topic = topic("resume", 1);
        String group = "resume-" + run;
        TopicPartition partition = new TopicPartition(topic, 0);
        numbered(topic, 0, 0, 100);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, "max.poll.records", "20")) {
            consumer.subscribe(List.of(topic));
            read(consumer, 60);
            consumer.commitSync();
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group)) {
            consumer.subscribe(List.of(topic));
            check(numbers(read(consumer, 40)).equals(range(60, 100)), "did not resume at 60");
            check(consumer.committed(Set.of(partition)).get(partition).offset() == 60, "the committed offset is not 60");
        }
    }

    private void publishSubscribe() throws Exception {
        String topic = topic("publish", 2);
        numbered(topic, 0, 0, 50);
        numbered(topic, 1, 50, 50);
        for (int group = 0; group < 2; group++) {
            try (KafkaConsumer<byte[], byte[]> consumer = consumer("publish-" + group + "-" + run)) {
                consumer.subscribe(List.of(topic));
                List<Integer> values = numbers(read(consumer, 100)).stream().sorted().collect(Collectors.toList());
                check(values.equals(range(0, 100)), "a group did not get every record once");
            }
        }
    }

    private void pauseResume() throws Exception {
        String topic = topic("pause", 2);
        List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
        try (KafkaConsumer<byte[], byte[]> consumer = alone()) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            consumer.pause(partitions.subList(1, 2));
            numbered(topic, 1, 0, 50);
            numbered(topic, 0, 0, 50);
            check(read(consumer, 50).stream().allMatch(r -> r.partition() == 0), "a paused partition delivered");
            quiet(consumer, 1000);
            consumer.resume(partitions.subList(1, 2));
            List<ConsumerRecord<byte[], byte[]>> records = read(consumer, 50);
            check(records.stream().allMatch(r -> r.partition() == 1) && numbers(records).equals(range(0, 50)), "resumed, not all came");
        }
    }

    private void createTopicByName() throws Exception {
        String name = "by-name-" + run;
        NewTopic byName = new NewTopic(name, Optional.empty(), Optional.empty());
        CreateTopicsResult created = admin.createTopics(List.of(byName));
        await(created.all());
        check(await(created.numPartitions(name)) == 3, "the reply says " + await(created.numPartitions(name)) + " partitions");
        check(await(created.replicationFactor(name)) == 1, "the reply says " + await(created.replicationFactor(name)) + " replicas");
        check("604800000".equals(await(created.config(name)).get("retention.ms").value()), "the reply's retention.ms is not the default");
        check(await(admin.describeTopics(List.of(name)).allTopicNames()).get(name).partitions().size() == 3, "not 3 partitions");
        check(await(created.topicId(name)).equals(await(admin.describeTopics(List.of(name)).allTopicNames()).get(name).topicId()), "ids differ");
        refused(TopicExistsException.class, admin.createTopics(List.of(byName)).all());
        refused(InvalidTopicException.class, admin.createTopics(List.of(new NewTopic("no spaces allowed", 1, (short) 1))).all());
    }

    private static void refused(Class<? extends Exception> kind, KafkaFuture<?> future) throws Exception {
        try {
            await(future);
        } catch (ExecutionException error) {
            check(kind.isInstance(error.getCause()), "the error is " + error.getCause());
            return;
        }
        throw new AssertionError("succeeded where " + kind.getSimpleName() + " was due");
    }

    private void growPartitions() throws Exception {
        String topic = topic("grow", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("grow-" + run)) {
            consumer.subscribe(List.of(topic));
            numbered(topic, 0, 0, 10);
            read(consumer, 10);
            consumer.commitSync();
            await(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
            numbered(topic, 1, 10, 10);
            numbered(topic, 2, 20, 10);
            List<Integer> values = numbers(read(consumer, 20)).stream().sorted().collect(Collectors.toList());
            check(values.equals(range(10, 30)), "not the records of the new partitions");
            check(consumer.assignment().size() == 3, "the member does not hold 3 partitions");
        }
    }

    private void deleteRecords() throws Exception {
        String topic = topic("delete", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        numbered(topic, 0, 0, 100);
        long low = await(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(30))).lowWatermarks().get(partition)).lowWatermark();
        check(low == 30, "the low watermark is " + low);
        try (KafkaConsumer<byte[], byte[]> consumer = alone()) {
            check(consumer.beginningOffsets(List.of(partition)).get(partition) == 30, "the beginning is not 30");
            check(consumer.endOffsets(List.of(partition)).get(partition) == 100, "the end is not 100");
            consumer.assign(List.of(partition));
            consumer.seek(partition, 5);
            check(numbers(read(consumer, 70)).equals(range(30, 100)), "reading below 30 does not start at 30");
        }
    }

    private void describeGroups() throws Exception {
        String topic = topic("describe", 2);
        String group = "describe-" + run;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, "client.id", "describer")) {
            consumer.subscribe(List.of(topic));
            numbered(topic, 0, 0, 1);
            read(consumer, 1);
            consumer.commitSync();
            check(listed(group), "a live group is not listed");
            ConsumerGroupDescription described = await(admin.describeConsumerGroups(List.of(group)).all()).get(group);
            check(described.groupState() == GroupState.STABLE, "the state is " + described.groupState());
            check(described.members().size() == 1, described.members().size() + " members");
            MemberDescription member = described.members().iterator().next();
            check(member.clientId().equals("describer"), "the client id is " + member.clientId());
            Collection<TopicPartition> assigned = new HashSet<>(member.assignment().topicPartitions());
            check(assigned.equals(Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1))), "the assignment is " + assigned);
        }
        ConsumerGroupDescription described = await(admin.describeConsumerGroups(List.of(group)).all()).get(group);
        check(described.groupState() == GroupState.EMPTY && described.members().isEmpty(), "left, the state is " + described.groupState());
        await(admin.deleteConsumerGroups(List.of(group)).all());
        check(!listed(group), "a deleted group is still listed");
    }

    private boolean listed(String group) throws Exception {
        return await(admin.listGroups().all()).stream().anyMatch(g -> g.groupId().equals(group));
    }

    private void consumerBeforeTopic() throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("before-" + run)) {
            consumer.subscribe(List.of("before-" + run));
            consumer.poll(Duration.ofSeconds(1));
            String topic = topic("before", 1);
            numbered(topic, 0, 0, 10);
            check(numbers(read(consumer, 10)).equals(range(0, 10)), "not the ten records in order");
        }
    }

    private void offsetForTime() throws Exception {
        String topic = topic("time", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        produce(IntStream.range(0, 10)
            .mapToObj(n -> new ProducerRecord<>(topic, 0, 1_700_000_000_000L + n * 1000L, "k".getBytes(), "v".getBytes()))
            .collect(Collectors.toList()), "none");
        try (KafkaConsumer<byte[], byte[]> consumer = alone()) {
            check(consumer.offsetsForTimes(Map.of(partition, 1_700_000_003_500L)).get(partition).offset() == 4, "not offset 4");
            check(consumer.offsetsForTimes(Map.of(partition, 1_700_000_004_000L)).get(partition).offset() == 4, "an exact time does not find its record");
            check(consumer.offsetsForTimes(Map.of(partition, 1_700_000_010_000L)).get(partition) == null, "a time after the last record finds one");
        }
    }

    private Map<String, Case> all() {
        Map<String, Case> cases = new LinkedHashMap<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.put("produce-" + codec, () -> produceCodec(codec));
        }
        cases.put("headers", this::headers);
        cases.put("assign-at-stored-offset", this::assignAtStoredOffset);
        cases.put("group-shares-partitions", this::groupSharesPartitions);
        cases.put("commit-and-resume", this::commitAndResume);
        cases.put("publish-subscribe", this::publishSubscribe);
        cases.put("pause-resume", this::pauseResume);
        cases.put("create-topic-by-name", this::createTopicByName);
        cases.put("grow-partitions", this::growPartitions);
        cases.put("delete-records", this::deleteRecords);
        cases.put("describe-groups", this::describeGroups);
        cases.put("consumer-before-topic", this::consumerBeforeTopic);
        cases.put("offset-for-time", this::offsetForTime);
        return cases;
    }

    public static void main(String[] arguments) {
        Map<String, String> options = new LinkedHashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i], arguments[i + 1]);
        }
        boolean failed = false;
        for (Map.Entry<String, Case> each : new Client(options.get("--bootstrap")).all().entrySet()) {
            if (options.containsKey("--only") && !options.get("--only").equals(each.getKey())) {
                continue;
            }
            long started = System.nanoTime();
            String status = "ok";
            String detail = "";
            try {
                each.getValue().run();
            } catch (Throwable error) { // a case may fail in any way; all are reported, none ends the run
                status = "FAIL";
                detail = error.toString().replace('\n', ' ');
                failed = true;
            }
            System.out.printf("%s %s %.2f %s%n", status, each.getKey(), (System.nanoTime() - started) / 1e9, detail);
        }
        System.exit(failed ? 1 : 0);
    }
}
