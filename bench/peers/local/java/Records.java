import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A record: its number, the time when it was due, and bytes out of a fixed noise that follow from its number. */
final class Records {
    static final int HEADER = 16;
    static final int LARGEST = 64 << 10;
    private static final int PLACES = 4096;
    private static final VarHandle LONG =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final byte[] NOISE = noise();

    private Records() {
    }

    private static byte[] noise() {
        byte[] made = new byte[PLACES + LARGEST];
        long state = 0x9e3779b97f4a7c15L;
        for (int i = 0; i < made.length; i++) {
            state ^= state << 13;
            state ^= state >>> 7;
            state ^= state << 17;
            made[i] = (byte) (state >> 32);
        }
        return made;
    }

    static void fill(byte[] record, long number, long due) {
        LONG.set(record, 0, number);
        LONG.set(record, 8, due);
        System.arraycopy(NOISE, (int) (number % PLACES), record, HEADER, record.length - HEADER);
    }

    /** Checks a record and returns when it was due. */
    static long check(byte[] record, int length, int size, long number) {
        if (length != size) {
            throw new IllegalStateException("record " + number + " has " + length + " bytes");
        }
        long found = (long) LONG.get(record, 0);
        if (found != number) {
            throw new IllegalStateException("record " + found + " came, not " + number);
        }
        int from = (int) (number % PLACES);
        if (!Arrays.equals(record, HEADER, size, NOISE, from, from + size - HEADER)) {
            throw new IllegalStateException("record " + number + " has other bytes than were sent");
        }
        return (long) LONG.get(record, 8);
    }
}
