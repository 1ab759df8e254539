import net.openhft.affinity.Affinity;
import org.HdrHistogram.Histogram;

/** Sends all records: as fast as it goes, or on a schedule that does not wait for those before. */
final class Sender implements Runnable {
    private static final double[] POINTS = {50, 90, 99, 99.9, 100};
    private final Options options;
    private final Transport transport;
    private final Meeting meeting;
    private final byte[] record;

    Sender(Options options, Transport transport, Meeting meeting) {
        this.options = options;
        this.transport = transport;
        this.meeting = meeting;
        record = new byte[options.size];
    }

    @Override
    public void run() {
        try {
            Affinity.setAffinity(options.senderCpu);
            transport.openSender();
            meeting.meet();
            if (options.latency()) {
                sendOnSchedule();
            } else {
                send(0, options.warm);
                meeting.await(Meeting.WARM);
                meeting.set(Meeting.BEGUN, System.nanoTime());
                send(options.warm, options.all());
            }
            meeting.await(Meeting.DONE);
        } catch (Throwable failure) {
            Peer.fail(failure);
        }
    }

    private void send(long from, long to) {
        for (long i = from; i < to; i++) {
            Records.fill(record, i, 0);
            transport.send(record);
        }
    }

    private void sendOnSchedule() {
        Histogram late = Peer.histogram();
        double interval = 1e9 / options.rate;
        long start = System.nanoTime() + 1_000_000;
        for (long i = 0; i < options.all(); i++) {
            long due = start + (long) (i * interval);
            long now = System.nanoTime();
            while (now < due) {
                Thread.onSpinWait();
                now = System.nanoTime();
            }
            Records.fill(record, i, due);
            transport.send(record);
            if (i >= options.warm) {
                late.recordValue(now - due);
            }
            if (i == options.warm) {
                meeting.set(Meeting.BEGUN, due);
            }
        }
        for (int i = 0; i < POINTS.length; i++) {
            meeting.set(Meeting.LATE + 8 * i, late.getValueAtPercentile(POINTS[i]));
        }
    }
}
