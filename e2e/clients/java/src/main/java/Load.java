import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A producer of numbered records and a consumer of them in a group, with the client's own defaults. Says on standard output what came of each record;
 * e2e/replication/client.py has the lines. Judges nothing. Standard input: "stop" ends the producing, "end" or its end everything.
 */
public final class Load {
    private static final int LARGEST_VALUE = 600;
    private final Map<String, String> options = new HashMap<>();
    private final List<String> lines = new ArrayList<>();
    private volatile boolean stopping;
    private volatile boolean ending;

    private synchronized void say(String line) {
        lines.add(line);
    }

    private void print() {
        List<String> taken;
        synchronized (this) {
            taken = new ArrayList<>(lines);
            lines.clear();
        }
        taken.forEach(System.out::println);
        System.out.flush();
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", options.get("--bootstrap"));
        return settings;
    }

    private static String inOneLine(Throwable error) {
        return String.valueOf(error).replace('\n', ' ');
    }

    private void produce() {
        int partitions = Integer.parseInt(options.get("--partitions"));
        long pauseNanos = 1_000_000_000L / Long.parseLong(options.get("--rate"));
        Random sizes = new Random(Long.parseLong(options.get("--seed")));
        long number = 0;
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings(), new ByteArraySerializer(), new ByteArraySerializer())) {
            long due = System.nanoTime();
            while (!stopping) {
                for (int partition = 0; partition < partitions; partition++) {
                    send(producer, partition, number, new byte[sizes.nextInt(LARGEST_VALUE)]);
                }
                number++;
                due = Math.max(due + pauseNanos, System.nanoTime() - 1_000_000_000L);
                LockSupport.parkNanos(due - System.nanoTime());
            }
            producer.flush();
        } catch (RuntimeException error) {
            say("failed -1 " + number + " " + inOneLine(error));
        }
        for (int partition = 0; partition < partitions; partition++) {
            say("done " + partition + " " + number);
        }
    }

    private void send(KafkaProducer<byte[], byte[]> producer, int partition, long number, byte[] value) {
        long sent = System.nanoTime();
        byte[] key = Long.toString(number).getBytes(StandardCharsets.US_ASCII);
        producer.send(new ProducerRecord<>(options.get("--topic"), partition, key, value), (metadata, error) -> {
            if (error == null) {
                say("acked " + partition + " " + number + " " + metadata.offset() + " " + sent + " " + System.nanoTime());
            } else {
                say("failed " + partition + " " + number + " " + inOneLine(error));
            }
        });
    }

    private void consume() {
        Properties settings = settings();
        settings.put("group.id", options.get("--group"));
        settings.put("auto.offset.reset", "earliest");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(options.get("--topic")), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    say("assigned " + partitions.size());
                }

                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    say("revoked " + partitions.size());
                }
            });
            while (!ending) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    say("read " + record.partition() + " " + record.offset() + " " + new String(record.key(), StandardCharsets.US_ASCII) + " " + System.nanoTime());
                }
            }
        } catch (RuntimeException error) {
            say("consumer-error " + inOneLine(error));
        }
    }

    private static Thread start(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    public static void main(String[] arguments) throws Exception {
        Load load = new Load();
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            load.options.put(arguments[at], arguments[at + 1]);
        }
        for (String needed : Arrays.asList("--bootstrap", "--topic", "--partitions", "--group", "--rate", "--seed")) {
            if (!load.options.containsKey(needed)) {
                System.err.println("usage: Load --bootstrap A,B --topic T --partitions N --group G --rate RECORDS_PER_SECOND --seed N");
                System.exit(2);
            }
        }
        start("commands", () -> {
            try (java.util.Scanner commands = new java.util.Scanner(System.in)) {
                while (commands.hasNextLine() && !commands.nextLine().equals("end")) {
                    load.stopping = true;
                }
            }
            load.stopping = true;
            load.ending = true;
        });
        Thread producer = start("producer", load::produce);
        Thread consumer = start("consumer", load::consume);
        while (!load.ending || producer.isAlive() || consumer.isAlive()) {
            load.print();
            Thread.sleep(5);
        }
        load.print();
    }
}
