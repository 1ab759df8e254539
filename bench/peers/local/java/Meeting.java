import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Words that sender and receiver share, a cache line each, in a file. */
final class Meeting {
    static final int READY = 0;
    static final int WARM = 64;
    static final int DONE = 128;
    static final int BEGUN = 192;
    /** Five of them: p50, p90, p99, p99.9 and the largest lateness of the sender. */
    static final int LATE = 256;
    private static final int BYTES = 4096;
    private static final VarHandle WORD =
        MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());
    private final ByteBuffer words;

    Meeting(Path file) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ,
            StandardOpenOption.WRITE)) {
            words = channel.map(FileChannel.MapMode.READ_WRITE, 0, BYTES);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    long get(int word) {
        return (long) WORD.getAcquire(words, word);
    }

    void set(int word, long value) {
        WORD.setRelease(words, word, value);
    }

    void await(int word) {
        while (get(word) == 0) {
            Thread.onSpinWait();
        }
    }

    /** Returns when both sides are here. */
    void meet() throws InterruptedException {
        WORD.getAndAdd(words, READY, 1L);
        while (get(READY) < 2) {
            Thread.sleep(1);
        }
    }
}
