import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.RollCycles;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.queue.rollcycles.LargeRollCycles;
import net.openhft.chronicle.wire.DocumentContext;

/**
 * Chronicle Queue, a document of raw bytes a record. Profiles: default; tuned: mappings of 1 GiB, so that none is
 * made while it is measured, and an index entry for each 64th record instead of each 16th or so. Touching pages
 * ahead (pretouch) does nothing in the open edition.
 */
final class ChroniclePeer implements Transport {
    private static final long TUNED_BLOCK = 1L << 30;
    private final ChronicleQueue queue;
    private final byte[] record;
    private ExcerptAppender appender;
    private ExcerptTailer tailer;

    ChroniclePeer(Options options) {
        SingleChronicleQueueBuilder builder =
            SingleChronicleQueueBuilder.single(options.directory.resolve("queue").toFile());
        switch (options.profile) {
            case "default" -> builder.rollCycle(RollCycles.DEFAULT);
            case "tuned" -> builder.rollCycle(LargeRollCycles.LARGE_DAILY).blockSize(TUNED_BLOCK);
            default -> throw new IllegalArgumentException("there is no profile " + options.profile);
        }
        queue = builder.build();
        record = new byte[Records.LARGEST];
    }

    @Override
    public boolean persistent() {
        return true;
    }

    @Override
    public boolean oneProcess() {
        return false;
    }

    @Override
    public void openReceiver() {
        tailer = queue.createTailer();
    }

    @Override
    public void openSender() {
        appender = queue.createAppender();
    }

    @Override
    public void send(byte[] bytes) {
        try (DocumentContext document = appender.writingDocument()) {
            document.wire().bytes().write(bytes);
        }
    }

    @Override
    public void poll(Sink sink) {
        try (DocumentContext document = tailer.readingDocument()) {
            if (document.isPresent()) {
                sink.take(record, document.wire().bytes().read(record));
            }
        }
    }

    @Override
    public void replay() {
        tailer.toStart();
    }

    @Override
    public void close() {
        queue.close();
    }
}
