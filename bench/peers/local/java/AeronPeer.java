import io.aeron.Aeron;
import io.aeron.ExclusivePublication;
import io.aeron.Publication;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.BufferClaim;
import io.aeron.logbuffer.FragmentHandler;

/**
 * Aeron IPC. The media driver is embedded in the receiver's process, one thread that backs off to sleeping when
 * it is idle; the records pass through shared memory in /dev/shm without it. Terms are allocated and touched
 * before.
 */
final class AeronPeer implements Transport {
    private static final String CHANNEL = "aeron:ipc";
    private static final int STREAM = 1;
    private static final int FRAGMENTS = 32;
    private final String folder;
    private final byte[] record = new byte[Records.LARGEST];
    private final BufferClaim claim = new BufferClaim();
    private MediaDriver driver;
    private Aeron aeron;
    private Subscription subscription;
    private ExclusivePublication publication;
    private FragmentHandler handler;
    private Sink sink;

    AeronPeer(Options options) {
        long owner = options.receiver != 0 ? options.receiver : ProcessHandle.current().pid();
        folder = "/dev/shm/maplog-peer-aeron-" + owner;
    }

    @Override
    public boolean persistent() {
        return false;
    }

    @Override
    public boolean oneProcess() {
        return false;
    }

    @Override
    public void openReceiver() {
        driver = MediaDriver.launch(new MediaDriver.Context().aeronDirectoryName(folder)
            .threadingMode(ThreadingMode.SHARED).termBufferSparseFile(false).dirDeleteOnStart(true)
            .dirDeleteOnShutdown(true));
        aeron = connect();
        subscription = aeron.addSubscription(CHANNEL, STREAM);
        handler = (buffer, offset, length, header) -> {
            buffer.getBytes(offset, record, 0, length);
            sink.take(record, length);
        };
    }

    private Aeron connect() {
        return Aeron.connect(new Aeron.Context().aeronDirectoryName(folder).preTouchMappedMemory(true));
    }

    @Override
    public void openSender() {
        aeron = connect();
        publication = aeron.addExclusivePublication(CHANNEL, STREAM);
        while (!publication.isConnected()) {
            Thread.onSpinWait();
        }
    }

    @Override
    public void send(byte[] bytes) {
        long position;
        while ((position = publication.tryClaim(bytes.length, claim)) <= 0) {
            if (position != Publication.BACK_PRESSURED && position != Publication.ADMIN_ACTION) {
                throw new IllegalStateException("aeron: " + Publication.errorString(position));
            }
            Thread.onSpinWait();
        }
        claim.buffer().putBytes(claim.offset(), bytes);
        claim.commit();
    }

    @Override
    public void poll(Sink into) {
        sink = into;
        subscription.poll(handler, FRAGMENTS);
    }

    @Override
    public void replay() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        aeron.close();
        if (driver != null) {
            driver.close();
        }
    }
}
