import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import net.openhft.affinity.Affinity;
import org.HdrHistogram.Histogram;

/**
 * The command line, the load and the checks of every peer that is written in Java: what ../c/harness.c says.
 * The sender is a JVM of its own, but for a peer that lives in one process. Only the two threads that send
 * and receive are pinned; the compiler's and the collector's may run on either CPU.
 */
public final class Peer {
    private static final String[] POINTS = {"p50", "p90", "p99", "p999", "max"};
    private final Options options;
    private final Transport transport;
    private final Meeting meeting;
    private final StringBuilder report = new StringBuilder();

    private Peer(Options options) {
        this.options = options;
        transport = switch (options.peer) {
            case "chronicle" -> new ChroniclePeer(options);
            case "aeron" -> new AeronPeer(options);
            case "disruptor" -> new DisruptorPeer(options);
            default -> throw new IllegalArgumentException("there is no peer " + options.peer);
        };
        meeting = new Meeting(options.directory.resolve("meeting"));
    }

    static Histogram histogram() {
        return new Histogram(3_600_000_000_000L, 3);
    }

    static void fail(Throwable failure) {
        System.err.println("peer: " + failure);
        Runtime.getRuntime().halt(1);
    }

    public static void main(String[] words) {
        try {
            Options options = new Options(words);
            Peer peer = new Peer(options);
            if (options.receiver != 0) {
                ProcessHandle.of(options.receiver).orElseThrow().onExit().thenRun(() -> System.exit(1));
                new Sender(options, peer.transport, peer.meeting).run();
            } else {
                peer.receive(words);
            }
            peer.transport.close();
        } catch (Throwable failure) {
            fail(failure);
        }
        Runtime.getRuntime().halt(0);
    }

    private void receive(String[] words) throws Exception {
        transport.openReceiver();
        Process sender = null;
        if (transport.oneProcess()) {
            new Thread(new Sender(options, transport, meeting), "sender").start();
        } else {
            sender = startSender(words);
        }
        Affinity.setAffinity(options.receiverCpu);
        Receiver receiver = new Receiver(options, transport, options.latency());
        meeting.meet();
        receiver.receive(options.warm);
        meeting.set(Meeting.WARM, 1);
        receiver.receive(options.all());
        double seconds = (System.nanoTime() - meeting.get(Meeting.BEGUN)) / 1e9;
        meeting.set(Meeting.DONE, 1);
        if (sender != null && (!sender.waitFor(30, TimeUnit.SECONDS) || sender.exitValue() != 0)) {
            throw new IllegalStateException("the sender failed");
        }
        report(seconds, receiver);
        Files.delete(options.directory.resolve("meeting"));
    }

    /** The same program with the same options, which ends when this one does. */
    private Process startSender(String[] words) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "Peer"));
        command.addAll(List.of(words));
        command.addAll(List.of("--receiver", Long.toString(ProcessHandle.current().pid())));
        Process sender = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        sender.onExit().thenAccept(ended -> {
            if (ended.exitValue() != 0) {
                fail(new IllegalStateException("the sender failed"));
            }
        });
        return sender;
    }

    private void report(double seconds, Receiver receiver) {
        report.append(String.format(Locale.ROOT, "{\"mode\": \"%s\", \"peer\": \"%s\", \"profile\": \"%s\","
            + " \"persistent\": %b, \"size\": %d, \"warm\": %d, \"records\": %d, \"bytes\": %d, \"seconds\": %.6f,"
            + " \"rate\": %.0f, \"missing\": 0, \"wrong\": 0", options.mode, options.peer, options.profile,
            transport.persistent(), options.size, options.warm, options.count, options.count * options.size, seconds,
            options.count / seconds));
        if (options.latency()) {
            Histogram times = receiver.times;
            addTimes("", new long[] {times.getValueAtPercentile(50), times.getValueAtPercentile(90),
                times.getValueAtPercentile(99), times.getValueAtPercentile(99.9), times.getMaxValue()});
            long[] late = new long[POINTS.length];
            for (int i = 0; i < late.length; i++) {
                late[i] = meeting.get(Meeting.LATE + 8 * i);
            }
            addTimes("late_", late);
        } else if (transport.persistent()) {
            replay();
        }
        System.out.println(report.append("}"));
    }

    private void addTimes(String prefix, long[] nanoseconds) {
        for (int i = 0; i < POINTS.length; i++) {
            report.append(String.format(Locale.ROOT, ", \"%s%s\": %.3f", prefix, POINTS[i], nanoseconds[i] / 1e3));
        }
    }

    private void replay() {
        transport.replay();
        long begun = System.nanoTime();
        new Receiver(options, transport, false).receive(options.all());
        report.append(String.format(Locale.ROOT, ", \"replayed\": %d, \"replay_rate\": %.0f", options.all(),
            options.all() * 1e9 / (System.nanoTime() - begun)));
    }
}
