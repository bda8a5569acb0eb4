import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's own tools one after another in one JVM and prints what each wrote and its exit code.
 *
 * Standard input has one line per step: name, standard input of the tool, tool, arguments; separated by tabs, with \n and \t for
 * line breaks and tabs in the tool's input. It judges nothing itself: whoever reads the output compares.
 */
public final class Judge {
    private static final Map<String, String> TOOLS = Map.ofEntries(
        Map.entry("topics", "org.apache.kafka.tools.TopicCommand"),
        Map.entry("configs", "kafka.admin.ConfigCommand"),
        Map.entry("console-producer", "org.apache.kafka.tools.ConsoleProducer"),
        Map.entry("console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
        Map.entry("consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
        Map.entry("groups", "org.apache.kafka.tools.GroupsCommand"),
        Map.entry("get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
        Map.entry("delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
        Map.entry("broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
        Map.entry("cluster", "org.apache.kafka.tools.ClusterTool"),
        Map.entry("leader-election", "org.apache.kafka.tools.LeaderElectionCommand"),
        Map.entry("log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
        Map.entry("features", "org.apache.kafka.tools.FeatureCommand"),
        Map.entry("metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand"),
        Map.entry("storage", "kafka.tools.StorageTool"),
        Map.entry("dump-log", "org.apache.kafka.tools.DumpLogSegments"));

    private static final PrintStream TO_READER = System.out;
    private static final InputStream FROM_READER = System.in;
    private static final Map<String, Member> MEMBERS = new HashMap<>();

    /** Thrown in place of the end of the JVM. Some tools catch it and go on to complain of it: what comes after an exit is dropped. */
    private static final class Exited extends RuntimeException {
        private Exited() {
            super("exit", null, false, false);
        }
    }

    /** What the running tool has written, and where that ended when it first asked to exit. */
    private static final class Output {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();
        private final ByteArrayOutputStream err = new ByteArrayOutputStream();
        private Integer exitCode;
        private int outLength;
        private int errLength;

        private synchronized RuntimeException exit(int code) {
            if (exitCode == null) {
                exitCode = code;
                outLength = out.size();
                errLength = err.size();
            }
            return new Exited();
        }

        private synchronized void end() {
            exit(0);
        }

        private static String text(ByteArrayOutputStream bytes, int length) {
            String text = new String(bytes.toByteArray(), 0, length, StandardCharsets.UTF_8);
            return text.isEmpty() || text.endsWith("\n") ? text : text + "\n";
        }
    }

    private static volatile Output output = new Output();

    /** What the running tool wants done at the end of its JVM: the console producer sends what it still holds there. */
    private static final Queue<Runnable> SHUTDOWN_HOOKS = new ConcurrentLinkedQueue<>();

    /** Does what the end of a JVM would do, so that a tool's work is over before the next tool begins. */
    private static void runShutdownHooks() {
        for (Runnable hook = SHUTDOWN_HOOKS.poll(); hook != null; hook = SHUTDOWN_HOOKS.poll()) {
            try {
                hook.run();
            } catch (Throwable error) {
                System.err.println(error);
            }
        }
    }

    /** A member of a group that lives until it is told to leave: something for the group tools to look at. */
    private static final class Member extends Thread {
        private final CountDownLatch assigned = new CountDownLatch(1);
        private final KafkaConsumer<byte[], byte[]> consumer;
        private volatile boolean leaving;

        private Member(String bootstrap, String group, String topic) {
            Properties settings = new Properties();
            settings.put("bootstrap.servers", bootstrap);
            settings.put("group.id", group);
            settings.put("client.id", "judge-member");
            settings.put("auto.offset.reset", "earliest");
            settings.put("enable.auto.commit", "false");
            consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(List.of(topic));
        }

        @Override
        public void run() {
            try (consumer) {
                while (!leaving) {
                    consumer.poll(Duration.ofMillis(100));
                    if (assigned.getCount() > 0 && !consumer.assignment().isEmpty() && atEnd()) {
                        consumer.commitSync();
                        assigned.countDown();
                    }
                }
            }
        }

        private boolean atEnd() {
            Map<org.apache.kafka.common.TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
            return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
        }
    }

    /** Built-in steps: `join BOOTSTRAP GROUP TOPIC` and `leave GROUP`. True when the tool was one of them. */
    private static boolean builtIn(String tool, String[] arguments) throws Exception {
        if (tool.equals("join")) {
            Member member = new Member(arguments[0], arguments[1], arguments[2]);
            MEMBERS.put(arguments[1], member);
            member.setDaemon(true);
            member.start();
            if (!member.assigned.await(30, TimeUnit.SECONDS)) {
                throw new IllegalStateException("the member got no partitions within 30 s");
            }
            return true;
        }
        if (tool.equals("leave")) {
            Member member = MEMBERS.remove(arguments[0]);
            member.leaving = true;
            member.join(30_000);
            return true;
        }
        return false;
    }

    private static Void call(String tool, String[] arguments) throws Exception {
        try {
            if (!builtIn(tool, arguments)) {
                Class.forName(TOOLS.get(tool)).getMethod("main", String[].class).invoke(null, (Object) arguments);
            }
        } catch (InvocationTargetException wrapped) {
            for (Throwable cause = wrapped.getCause(); cause != null; cause = cause.getCause()) {
                if (cause instanceof Exited) {
                    return null;
                }
            }
            System.err.println(wrapped.getCause());
            output.exit(1);
        }
        return null;
    }

    private static void step(String name, String input, String tool, String[] arguments) {
        output = new Output();
        PrintStream out = new PrintStream(output.out, true, StandardCharsets.UTF_8);
        PrintStream err = new PrintStream(output.err, true, StandardCharsets.UTF_8);
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        System.setOut(out);
        System.setErr(err);
        try {
            // Scala's Console keeps streams of its own; the tools that are written in Scala print through it.
            ScalaConsole.withStreams(out, err, () -> call(tool, arguments));
        } catch (Throwable error) {
            err.println(error);
            output.exit(1);
        }
        output.end();
        runShutdownHooks();
        TO_READER.println("=== " + name);
        TO_READER.print(Output.text(output.out, output.outLength));
        if (output.errLength > 0) {
            TO_READER.println("--- stderr");
            TO_READER.print(Output.text(output.err, output.errLength));
        }
        TO_READER.println("--- exit " + output.exitCode);
        TO_READER.flush();
    }

    public static void main(String[] ignored) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw output.exit(code);
        });
        Exit.setHaltProcedure((code, message) -> {
            throw output.exit(code);
        });
        Exit.setShutdownHookAdder((name, hook) -> SHUTDOWN_HOOKS.add(hook));
        BufferedReader steps = new BufferedReader(new InputStreamReader(FROM_READER, StandardCharsets.UTF_8));
        for (String line = steps.readLine(); line != null; line = steps.readLine()) {
            List<String> fields = new ArrayList<>(Arrays.asList(line.split("\t", -1)));
            String[] arguments = fields.subList(3, fields.size()).toArray(new String[0]);
            step(fields.get(0), fields.get(1).replace("\\n", "\n").replace("\\t", "\t"), fields.get(2), arguments);
        }
        Runtime.getRuntime().halt(0);
    }
}
