import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.requests.*;

/**
 * Writes the rows of golden.def: messages as the Java client has them, every field that the version
 * takes at a value of its own; on standard error the headers of frame_test.c.
 *
 * java -cp kafka-clients-4.4.0.jar:slf4j-api-1.7.36.jar Golden.java
 */
public class Golden {
    static final int[] KEYS = {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 29, 32,
                               33, 35, 37, 42, 44, 46, 47, 60, 61, 75};
    static final Map<String, Set<String>> owners = new TreeMap<>(); // field -> Class.field, each that was seen
    static Set<String> left;                                        // those that this version does not take
    static int next;

    static List<Method> setters(Class<?> type) {
        List<Method> found = new ArrayList<>();
        for (Method m : type.getDeclaredMethods())
            if (m.getName().startsWith("set") && m.getParameterCount() == 1 && m.getReturnType() == type
                && !m.getName().equals("setNext") && !m.getName().equals("setPrev"))
                found.add(m);
        found.sort(Comparator.comparing(Method::getName));
        return found;
    }

    @SuppressWarnings("unchecked")
    static Object value(Class<?> type, Type generic) throws Exception {
        int n = ++next;
        if (type == boolean.class) return true;
        if (type == byte.class) return (byte) n;
        if (type == short.class) return (short) (0x100 + n);
        if (type == int.class) return 0x10000 + n;
        if (type == long.class) return 0x100000000L + n;
        if (type == double.class) return n + 0.5;
        if (type == String.class) return "s" + n;
        if (type == Uuid.class) return new Uuid(n, ~(long) n);
        if (type == byte[].class) return new byte[] {(byte) n, 0, (byte) 0xff};
        if (type == ByteBuffer.class) return ByteBuffer.wrap(new byte[] {(byte) n, 1});
        if (BaseRecords.class.isAssignableFrom(type))
            return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {1, 2, 3, (byte) n}));
        if (Collection.class.isAssignableFrom(type)) {
            Collection<Object> list = type == List.class ? new ArrayList<>()
                : (Collection<Object>) type.getDeclaredConstructor().newInstance();
            Type element = generic instanceof ParameterizedType p ? p.getActualTypeArguments()[0]
                : ((ParameterizedType) type.getGenericSuperclass()).getActualTypeArguments()[0];
            for (int i = 0; i < 2; i++) list.add(box((Class<?>) element));
            return list;
        }
        return fill(type.getDeclaredConstructor().newInstance());
    }

    static Object box(Class<?> type) throws Exception {
        if (type == Integer.class) return value(int.class, null);
        if (type == Short.class) return value(short.class, null);
        if (type == Byte.class) return value(byte.class, null);
        if (type == Long.class) return value(long.class, null);
        return value(type, type);
    }

    static Object fill(Object message) throws Exception {
        for (Method m : setters(message.getClass())) {
            String field = Character.toLowerCase(m.getName().charAt(3)) + m.getName().substring(4);
            String whole = message.getClass().getName() + "." + field;
            owners.computeIfAbsent(field, k -> new TreeSet<>()).add(whole);
            if (!left.contains(whole))
                m.invoke(message, value(m.getParameterTypes()[0], m.getGenericParameterTypes()[0]));
        }
        return message;
    }

    static String write(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return hex(buffer);
    }

    static String hex(ByteBuffer buffer) {
        return HexFormat.of().formatHex(buffer.array());
    }

    /** The name of the field that this version does not take, or null. */
    static String refused(Class<?> type, short version, String[] out) throws Exception {
        next = 0;
        try {
            out[0] = write((Message) fill(type.getDeclaredConstructor().newInstance()), version);
            return null;
        } catch (UnsupportedVersionException e) {
            return e.getMessage().replaceAll(".*(?:non-default |the )(\\w+) at version.*", "$1");
        }
    }

    /** The first owner of the field without which its name is no longer complained of; else all. */
    static void leaveOut(Class<?> type, short version, String field) throws Exception {
        for (String owner : owners.get(field)) {
            if (!left.add(owner)) continue;
            if (!field.equals(refused(type, version, new String[1]))) return;
            left.remove(owner);
        }
        left.addAll(owners.get(field));
    }

    static void emit(Class<?> type, int first, int last) throws Exception {
        owners.clear();
        String name = type.getSimpleName().replaceAll("Data$", "").replaceAll("([a-z])([A-Z])", "$1_$2").toLowerCase();
        for (int version = first; version <= last; version++) {
            left = new HashSet<>();
            String[] out = new String[1];
            for (String field; (field = refused(type, (short) version, out)) != null;)
                leaveOut(type, (short) version, field);
            System.out.printf("GOLDEN(%s, %d, \"%s\")%n", name, version, out[0]);
        }
    }

    public static void main(String[] args) throws Exception {
        for (int key : KEYS) {
            ApiMessageType type = ApiMessageType.fromApiKey((short) key);
            for (ApiMessage m : new ApiMessage[] {type.newRequest(), type.newResponse()})
                emit(m.getClass(), m.lowestSupportedVersion(), m.highestSupportedVersion());
        }
        emit(ConsumerProtocolSubscription.class, 0, 3);
        emit(ConsumerProtocolAssignment.class, 0, 3);
        for (short[] pair : new short[][] {{0, 8}, {0, 9}, {18, 0}, {18, 3}, {47, 0}}) {
            ApiKeys key = ApiKeys.forId(pair[0]);
            for (String client : new String[] {"a client", "", null}) {
                RequestHeader header = new RequestHeader(key, pair[1], client, 0x01020304);
                System.err.printf("    {%d, %d, %s, \"%s\",%n     \"%s\"},%n", pair[0], pair[1],
                    client == null ? "NULL" : "\"" + client + "\"",
                    write(header.data(), key.requestHeaderVersion(pair[1])),
                    write(header.toResponseHeader().data(), key.responseHeaderVersion(pair[1])));
            }
        }
    }
}
