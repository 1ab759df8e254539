import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.EventPoller;
import com.lmax.disruptor.RingBuffer;

/** LMAX Disruptor: two threads of one process over a ring of arrays that are there before. */
final class DisruptorPeer implements Transport {
    private static final int SLOTS = 8192;
    private final RingBuffer<byte[]> ring;
    private EventPoller<byte[]> poller;
    private EventPoller.Handler<byte[]> handler;
    private Sink sink;

    DisruptorPeer(Options options) {
        ring = RingBuffer.createSingleProducer(() -> new byte[options.size], SLOTS, new BusySpinWaitStrategy());
    }

    @Override
    public boolean persistent() {
        return false;
    }

    @Override
    public boolean oneProcess() {
        return true;
    }

    @Override
    public void openReceiver() {
        poller = ring.newPoller();
        ring.addGatingSequences(poller.getSequence());
        handler = (record, sequence, endOfBatch) -> {
            sink.take(record, record.length);
            return true;
        };
    }

    @Override
    public void openSender() {
    }

    @Override
    public void send(byte[] bytes) {
        long sequence = ring.next();
        System.arraycopy(bytes, 0, ring.get(sequence), 0, bytes.length);
        ring.publish(sequence);
    }

    @Override
    public void poll(Sink into) {
        sink = into;
        try {
            poller.poll(handler);
        } catch (Exception failure) {
            throw new IllegalStateException(failure);
        }
    }

    @Override
    public void replay() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
    }
}
