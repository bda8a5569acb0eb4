//! Asks Apache Kafka's own generated classes: reads and writes messages that come in on standard input, and makes messages of its own. Takes one
//! question after the other without waiting for answers to be fetched; knows nothing of ours but the pipe.

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

public final class Oracle {
    /** A class that Kafka generated from a schema. */
    record Kind(Class<?> type, Constructor<?> constructor, Method json, boolean hasRecords) {
        Message make() throws Exception {
            return (Message) constructor.newInstance();
        }

        String describe(Message message, short version) throws Exception {
            JsonNode node = (JsonNode) (hasRecords ? json.invoke(null, message, version, false) : json.invoke(null, message, version));
            return node.toString();
        }
    }

    private static final int UNREAD = 0;
    private static final int UNWRITTEN = 1;
    private static final int WRITTEN = 2;

    private final Map<String, Kind> kinds = new TreeMap<>();
    private final DataInputStream in;
    private final DataOutputStream out;

    private Oracle(DataInputStream in, DataOutputStream out) {
        this.in = in;
        this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
        // Whatever a library prints must not get between the answers.
        System.setOut(new PrintStream(System.err));
        Oracle oracle = new Oracle(new DataInputStream(new BufferedInputStream(System.in, 1 << 16)), out);
        oracle.findKinds();
        oracle.introduce();
        oracle.answer();
    }

    /** Every generated class of the class path, by its schema's name: those for which there is a converter to JSON. */
    private void findKinds() throws Exception {
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (!entry.endsWith(".jar")) {
                continue;
            }
            try (JarFile jar = new JarFile(entry)) {
                for (var file : Collections.list(jar.entries())) {
                    String name = file.getName();
                    if (name.startsWith("org/apache/kafka/") && name.endsWith("JsonConverter.class") && !name.contains("$")) {
                        addKind(name.substring(0, name.length() - "JsonConverter.class".length()).replace('/', '.'));
                    }
                }
            }
        }
    }

    private void addKind(String className) throws Exception {
        Class<?> type = Class.forName(className);
        Class<?> converter = Class.forName(className + "JsonConverter");
        Method json;
        boolean hasRecords = true;
        try {
            json = converter.getMethod("write", type, short.class, boolean.class);
        } catch (NoSuchMethodException none) {
            json = converter.getMethod("write", type, short.class);
            hasRecords = false;
        }
        String name = type.getSimpleName().replaceFirst("(Request|Response|Header)Data$", "$1");
        kinds.put(name, new Kind(type, type.getDeclaredConstructor(), json, hasRecords));
    }

    /** First of all: the names of the schemas and their versions. */
    private void introduce() throws Exception {
        out.writeInt(kinds.size());
        for (var entry : kinds.entrySet()) {
            Message message = entry.getValue().make();
            out.writeUTF(entry.getKey());
            out.writeShort(message.lowestSupportedVersion());
            out.writeShort(message.highestSupportedVersion());
        }
        out.flush();
    }

    private void answer() throws Exception {
        while (true) {
            if (in.available() == 0) {
                out.flush();
            }
            int question = in.read();
            switch (question) {
                case 'R' -> recode();
                case 'M' -> make();
                case -1 -> {
                    out.flush();
                    return;
                }
                default -> throw new IOException("no question begins with " + question);
            }
        }
    }

    /** Reads a message in one version, writes it in another. */
    private void recode() throws Exception {
        String name = in.readUTF();
        short readVersion = in.readShort();
        short writeVersion = in.readShort();
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        Kind kind = kinds.get(name);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        Message message = kind.make();
        try {
            message.read(new ByteBufferAccessor(buffer), readVersion);
        } catch (Exception | StackOverflowError error) {
            fail(UNREAD, 0, error);
            return;
        }
        write(kind, message, writeVersion, buffer.remaining());
    }

    /** Makes a message of Kafka's from a seed, and makes sure that Kafka itself reads back what it wrote. */
    private void make() throws Exception {
        String name = in.readUTF();
        short version = in.readShort();
        long seed = in.readLong();
        Kind kind = kinds.get(name);
        Message message = (Message) new Maker(seed).message(kind.type(), version);
        Message again = kind.make();
        again.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes(message, version))), version);
        if (!again.equals(message)) {
            fail(UNREAD, 0, new IOException("Kafka does not read back what it wrote: " + message + " and " + again));
            return;
        }
        write(kind, message, version, 0);
    }

    private void write(Kind kind, Message message, short version, int rest) throws IOException {
        byte[] bytes;
        String json;
        try {
            bytes = bytes(message, version);
            json = kind.describe(message, version);
        } catch (Exception error) {
            fail(UNWRITTEN, rest, error);
            return;
        }
        succeed(rest, bytes, json);
    }

    private static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException("the size is not what was written");
        }
        return buffer.array();
    }

    private void succeed(int rest, byte[] bytes, String json) throws IOException {
        out.writeByte(WRITTEN);
        out.writeInt(rest);
        writeBlock(bytes);
        writeBlock(json.getBytes(StandardCharsets.UTF_8));
    }

    private void fail(int status, int rest, Throwable error) throws IOException {
        Throwable cause = error instanceof InvocationTargetException ? error.getCause() : error;
        out.writeByte(status);
        out.writeInt(rest);
        writeBlock(String.valueOf(cause).getBytes(StandardCharsets.UTF_8));
        writeBlock(new byte[0]);
    }

    private void writeBlock(byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
