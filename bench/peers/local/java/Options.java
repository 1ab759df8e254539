import java.nio.file.Path;

/** The words of the command line: PEER throughput|latency --NAME VALUE... */
final class Options {
    final String peer;
    final String mode;
    int size = 100;
    long count = 1_000_000;
    long warm;
    double rate = 100_000;
    String profile = "default";
    Path directory;
    int senderCpu = 0;
    int receiverCpu = 1;
    /** Of the process that receives; 0: this is it. */
    long receiver;

    Options(String[] words) {
        if (words.length < 2 || words.length % 2 != 0 || !words[1].matches("throughput|latency")) {
            throw new IllegalArgumentException("usage: PEER throughput|latency --size N --count N --directory D"
                + " [--warm N] [--rate R] [--profile P] [--cpus SENDER,RECEIVER]");
        }
        peer = words[0];
        mode = words[1];
        for (int i = 2; i < words.length; i += 2) {
            set(words[i], words[i + 1]);
        }
        if (size < Records.HEADER || size > Records.LARGEST || count < 1 || rate <= 0 || directory == null) {
            throw new IllegalArgumentException("--size is " + Records.HEADER + " to " + Records.LARGEST
                + ", --count and --rate are above 0, --directory is there");
        }
    }

    private void set(String name, String value) {
        switch (name) {
            case "--size" -> size = Integer.parseInt(value);
            case "--count" -> count = Long.parseLong(value);
            case "--warm" -> warm = Long.parseLong(value);
            case "--rate" -> rate = Double.parseDouble(value);
            case "--profile" -> profile = value;
            case "--directory" -> directory = Path.of(value);
            case "--receiver" -> receiver = Long.parseLong(value);
            case "--cpus" -> {
                String[] cpus = value.split(",");
                senderCpu = Integer.parseInt(cpus[0]);
                receiverCpu = Integer.parseInt(cpus[1]);
            }
            default -> throw new IllegalArgumentException("unknown option " + name);
        }
    }

    boolean latency() {
        return mode.equals("latency");
    }

    long all() {
        return warm + count;
    }
}
