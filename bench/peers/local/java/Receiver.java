import org.HdrHistogram.Histogram;

/** Checks records as they come, and takes their times. */
final class Receiver implements Transport.Sink {
    private static final long PATIENCE = 30_000_000_000L;
    final Histogram times = Peer.histogram();
    private final Options options;
    private final Transport transport;
    private final boolean timed;
    private long next;

    Receiver(Options options, Transport transport, boolean timed) {
        this.options = options;
        this.transport = transport;
        this.timed = timed;
    }

    @Override
    public void take(byte[] record, int length) {
        long due = Records.check(record, length, options.size, next);
        if (timed && next >= options.warm) {
            times.recordValue(Math.max(0, System.nanoTime() - due));
        }
        next++;
    }

    /** Returns when all records before number `end` came. */
    void receive(long end) {
        long since = 0;
        for (int idle = 1; next < end; idle++) {
            long before = next;
            transport.poll(this);
            if (next != before) {
                idle = 0;
                since = 0;
            } else if (idle % (1 << 20) == 0) {
                long now = System.nanoTime();
                since = since == 0 ? now : since;
                if (now - since > PATIENCE) {
                    throw new IllegalStateException("no record came for 30 seconds");
                }
            } else {
                Thread.onSpinWait();
            }
        }
    }
}
