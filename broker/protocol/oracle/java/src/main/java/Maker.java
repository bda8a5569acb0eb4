//! Makes messages out of nothing but the schemas that Kafka's generated classes carry, from a seed. Sets only what the version has, so that every
//! message can be written.

import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

final class Maker {
    private static final int SHAPES = 5;
    private static final int DEFAULT = 0;
    private static final int NULL = 1;
    private static final int EXTREME = 2;
    private static final int SPARSE = 3;
    /** What a long text counts for among the elements of a message. */
    private static final int LONG_TEXT = 100;
    private static final String[] LETTERS = {"a", "Z", "_", "/", "\"", "\\", "\n", "ß", "ж", "語", "\ud83c\udff0"};

    private final Random random;
    private final int shape;
    /** How many elements the lists of one message may still get. */
    private int elements = 300;

    Maker(long seed) {
        random = new Random(seed);
        shape = (int) (seed % SHAPES);
    }

    Message message(Class<?> type, int version) throws Exception {
        Message message = (Message) type.getDeclaredConstructor().newInstance();
        Schema schema = ((Schema[]) type.getField("SCHEMAS").get(null))[version];
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                for (Field known : tagged.fields().values()) {
                    set(message, known, version);
                }
                addUnknown(message);
            } else {
                set(message, field.def, version);
            }
        }
        return message;
    }

    private void set(Message message, Field field, int version) throws Exception {
        boolean leftAlone = shape == DEFAULT || shape == SPARSE && random.nextInt(3) > 0;
        if (leftAlone && !mustBeSet(message, field)) {
            return;
        }
        Method setter = setter(message.getClass(), field.name);
        if (field.type.isNullable() && (shape == NULL || random.nextInt(5) == 0)) {
            setter.invoke(message, new Object[] {null});
            return;
        }
        Class<?> type = setter.getParameterTypes()[0];
        Object value = Collection.class.isAssignableFrom(type)
            ? list(type, elementType(setter), field.type.arrayElementType().orElseThrow(), version)
            : value(type, field.type, version);
        setter.invoke(message, value);
    }

    /** Null is the default of some fields even in versions that have no null for them. */
    private static boolean mustBeSet(Message message, Field field) throws Exception {
        Method setter = setter(message.getClass(), field.name);
        if (setter.getParameterTypes()[0].isPrimitive() || field.type.isNullable()) {
            return false;
        }
        String getter = setter.getName().substring(3);
        getter = getter.substring(0, 1).toLowerCase(Locale.ROOT) + getter.substring(1);
        return message.getClass().getMethod(getter).invoke(message) == null;
    }

    private static Method setter(Class<?> type, String name) {
        String wanted = "set" + name.replace("_", "");
        for (Method method : type.getMethods()) {
            if (method.getName().equalsIgnoreCase(wanted) && method.getParameterCount() == 1) {
                return method;
            }
        }
        throw new IllegalStateException(type + " has no setter for " + name);
    }

    /** The class of a list's elements: of a List in the setter's type, of Kafka's keyed collections in what they extend. */
    private static Class<?> elementType(Method setter) {
        var type = setter.getGenericParameterTypes()[0];
        if (type instanceof Class<?> collection) {
            type = collection.getGenericSuperclass();
        }
        return (Class<?>) ((ParameterizedType) type).getActualTypeArguments()[0];
    }

    @SuppressWarnings("unchecked")
    private Collection<Object> list(Class<?> collection, Class<?> element, Type type, int version) throws Exception {
        Collection<Object> list = collection.isInterface()
            ? new java.util.ArrayList<>()
            : (Collection<Object>) collection.getDeclaredConstructor().newInstance();
        int count = shape == EXTREME ? new int[] {0, 1, 126, 127, 128}[random.nextInt(5)] : random.nextInt(4);
        if (count > elements) {
            count = 1;
        }
        elements -= count;
        for (int index = 0; index < count; index++) {
            list.add(value(element, type, version));
        }
        return list;
    }

    private Object value(Class<?> type, Type schemaType, int version) throws Exception {
        if (Message.class.isAssignableFrom(type)) {
            return message(type, version);
        }
        return switch (type.getSimpleName()) {
            case "boolean", "Boolean" -> random.nextBoolean();
            case "byte", "Byte" -> (byte) number(Byte.MIN_VALUE, Byte.MAX_VALUE);
            case "short", "Short" -> (short) number(Short.MIN_VALUE, Short.MAX_VALUE);
            case "int", "Integer" -> schemaType == Type.UINT16 ? (int) number(0, 65535) : (int) number(Integer.MIN_VALUE, Integer.MAX_VALUE);
            case "long", "Long" -> schemaType == Type.UNSIGNED_INT32 ? number(0, 4294967295L) : number(Long.MIN_VALUE, Long.MAX_VALUE);
            case "double", "Double" -> shape == EXTREME ? Double.MIN_VALUE : random.nextGaussian() * 1e9;
            case "String" -> text();
            case "Uuid" -> new Uuid(random.nextLong(), random.nextLong());
            case "byte[]" -> bytes();
            case "ByteBuffer" -> ByteBuffer.wrap(bytes());
            case "BaseRecords" -> MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
            default -> throw new IllegalStateException("no values of " + type);
        };
    }

    private long number(long min, long max) {
        return switch (random.nextInt(shape == EXTREME ? 2 : 5)) {
            case 0 -> min;
            case 1 -> max;
            case 2 -> 0;
            // Fits any of the types: the range is at least that of a byte.
            case 3 -> random.nextInt(128);
            default -> min == Long.MIN_VALUE ? random.nextLong() : min + Math.floorMod(random.nextLong(), max - min + 1);
        };
    }

    private int length() {
        if (shape != EXTREME) {
            return random.nextInt(9);
        }
        if (elements > LONG_TEXT && random.nextInt(30) == 0) {
            elements -= LONG_TEXT;
            return 16382 + random.nextInt(3);
        }
        return new int[] {0, 1, 126, 127, 128}[random.nextInt(5)];
    }

    private String text() {
        int length = length();
        StringBuilder text = new StringBuilder();
        for (int bytes = 0; bytes < length; ) {
            String letter = LETTERS[random.nextInt(LETTERS.length)];
            int size = letter.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
            text.append(bytes + size > length ? "b" : letter);
            bytes += bytes + size > length ? 1 : size;
        }
        return text.toString();
    }

    private byte[] bytes() {
        byte[] bytes = new byte[length()];
        random.nextBytes(bytes);
        return bytes;
    }

    /** Tags far above those that Kafka uses, in order. */
    private void addUnknown(Message message) {
        if (shape == DEFAULT || random.nextInt(3) > 0) {
            return;
        }
        List<RawTaggedField> unknown = message.unknownTaggedFields();
        int tag = 1000;
        for (int count = 1 + random.nextInt(3); count > 0; count--) {
            tag += 1 + random.nextInt(100000);
            unknown.add(new RawTaggedField(tag, bytes()));
        }
    }
}
