import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;

import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Time;

/**
 * A Kafka broker of one node with its own clients, in one process, because Java starts slowly. It
 * reads commands from standard input, words separated by spaces, and answers each with a line "ok ..."
 * or "error ...".
 */
public class Oracle {
    static final int RECORD_BYTES = 60;
    static KafkaRaftServer server;
    static Admin admin;
    static int port;
    static final List<Producer<byte[], byte[]>> left = new ArrayList<>();

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err); // whatever Kafka prints is no answer
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null; ) {
            try {
                answers.println("ok " + run(line.split(" ")));
            } catch (Throwable failure) {
                failure.printStackTrace();
                answers.println("error " + String.valueOf(failure).replace('\n', ' '));
            }
            answers.flush();
        }
        stop();
        Runtime.getRuntime().halt(0);
    }

    static Object run(String[] word) throws Exception {
        switch (word[0]) {
        case "start": return start(word[1], Integer.parseInt(word[2]), Integer.parseInt(word[3]));
        case "stop": return stop();
        case "create": return create(word);
        case "produce": return produce(word[1], Integer.parseInt(word[2]), word[3],
                                       Integer.parseInt(word[4]), Integer.parseInt(word[5]));
        case "transaction": return transaction(word[1], word[2], Integer.parseInt(word[3]));
        case "consume": return consume(word[1], word[2]);
        case "commit": return commit(word[1], word[2], Long.parseLong(word[3]));
        case "compacted": return compacted(word[1], Integer.parseInt(word[2]));
        default: throw new IllegalArgumentException(word[0]);
        }
    }

    /** Starts a broker on a log directory, which is formatted when it is new. */
    static String start(String directory, int clientPort, int controllerPort) throws Exception {
        port = clientPort;
        Properties settings = new Properties();
        String[][] pairs = {
            {"process.roles", "broker,controller"},
            {"node.id", "1"},
            {"controller.quorum.voters", "1@localhost:" + controllerPort},
            {"listeners", "PLAINTEXT://localhost:" + port + ",CONTROLLER://localhost:" + controllerPort},
            {"controller.listener.names", "CONTROLLER"},
            {"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"},
            {"log.dirs", directory},
            {"offsets.topic.num.partitions", "4"},
            {"offsets.topic.replication.factor", "1"},
            {"transaction.state.log.num.partitions", "1"},
            {"transaction.state.log.replication.factor", "1"},
            {"transaction.state.log.min.isr", "1"},
            {"group.initial.rebalance.delay.ms", "0"},
            {"log.cleaner.backoff.ms", "100"},
            {"log.cleaner.dedupe.buffer.size", "4194304"},
            {"log.cleaner.io.buffer.size", "262144"},
            {"log.segment.delete.delay.ms", "100"},
        };
        for (String[] pair : pairs)
            settings.setProperty(pair[0], pair[1]);
        if (!Files.exists(Path.of(directory, "meta.properties"))) {
            Path file = Files.createTempFile("server", ".properties");
            try (PrintWriter writer = new PrintWriter(file.toFile())) {
                for (String[] pair : pairs)
                    writer.println(pair[0] + "=" + pair[1]);
            }
            int status = kafka.tools.StorageTool.execute(
                new String[] {"format", "-t", "7Jz9bAAARuqZ1gQ3sJcM0w", "-c", file.toString()}, System.err);
            Files.delete(file);
            if (status != 0)
                throw new IllegalStateException("format: " + status);
        }
        server = new KafkaRaftServer(KafkaConfig.fromProps(settings, false), Time.SYSTEM);
        server.startup();
        admin = Admin.create(client());
        admin.describeCluster().nodes().get(60, TimeUnit.SECONDS);
        return "";
    }

    static String stop() {
        if (server == null)
            return "";
        for (Producer<byte[], byte[]> producer : left)
            producer.close(Duration.ZERO); // as if it had died
        left.clear();
        admin.close(Duration.ZERO);
        server.shutdown();
        server.awaitShutdown();
        server = null;
        return "";
    }

    static Properties client() {
        Properties settings = new Properties();
        settings.setProperty("bootstrap.servers", "localhost:" + port);
        settings.setProperty("key.serializer", ByteArraySerializer.class.getName());
        settings.setProperty("value.serializer", ByteArraySerializer.class.getName());
        settings.setProperty("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.setProperty("value.deserializer", ByteArrayDeserializer.class.getName());
        return settings;
    }

    /** create TOPIC PARTITIONS NAME=VALUE... */
    static String create(String[] word) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (int i = 3; i < word.length; i++)
            configs.put(word[i].split("=", 2)[0], word[i].split("=", 2)[1]);
        NewTopic topic = new NewTopic(word[1], Integer.parseInt(word[2]), (short) 1).configs(configs);
        admin.createTopics(List.of(topic)).all().get(60, TimeUnit.SECONDS);
        return "";
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int partition, int number, int keys) {
        byte[] key = keys == 0 ? null : ("key" + number % keys).getBytes(StandardCharsets.UTF_8);
        String text = "value " + number + " ".repeat(number % RECORD_BYTES);
        byte[] value = number % 17 == 16 ? null : text.getBytes(StandardCharsets.UTF_8);
        var made = new ProducerRecord<>(topic, partition, key, value);
        if (number % 5 == 0)
            made.headers().add("h", new byte[] {(byte) number, 0, -1}).add("none", null);
        return made;
    }

    /** COUNT records to one partition; with keys: as many different ones. */
    static Object produce(String topic, int partition, String codec, int count, int keys) throws Exception {
        Properties settings = client();
        settings.setProperty("compression.type", codec);
        settings.setProperty("linger.ms", "5");
        settings.setProperty("batch.size", "4000");
        try (Producer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            for (int i = 0; i < count; i++)
                producer.send(record(topic, partition, i, keys), (done, failure) -> {
                    if (failure != null)
                        failure.printStackTrace();
                });
        }
        return endOf(topic, partition);
    }

    static Object endOf(String topic, int partition) throws Exception {
        var where = new TopicPartition(topic, partition);
        return admin.listOffsets(Map.of(where, OffsetSpec.latest())).all().get(60, TimeUnit.SECONDS).get(where).offset();
    }

    /** Ends one with "commit" or "abort", or leaves it "open". */
    static String transaction(String topic, String end, int count) {
        Properties settings = client();
        settings.setProperty("transactional.id", topic + end + System.nanoTime());
        Producer<byte[], byte[]> producer = new KafkaProducer<>(settings);
        producer.initTransactions();
        producer.beginTransaction();
        for (int i = 0; i < count; i++)
            producer.send(record(topic, 0, i, 3));
        producer.flush();
        if (end.equals("open")) {
            left.add(producer);
            return "";
        }
        if (end.equals("commit"))
            producer.commitTransaction();
        else
            producer.abortTransaction();
        producer.close();
        return "";
    }

    static String hex(byte[] bytes) {
        return bytes == null ? "null" : "x" + HexFormat.of().formatHex(bytes);
    }

    /** Writes every record of the topic to a file, a line each: partition offset timestamp key value headers. */
    static Object consume(String topic, String file) throws Exception {
        Properties settings = client();
        settings.setProperty("check.crcs", "true");
        int count = 0;
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings); PrintWriter writer = new PrintWriter(file)) {
            List<TopicPartition> all = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(found -> all.add(new TopicPartition(topic, found.partition())));
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            long deadline = System.currentTimeMillis() + 60000;
            while (all.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                if (System.currentTimeMillis() > deadline)
                    throw new IllegalStateException("the consumer does not come to the end");
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    StringBuilder headers = new StringBuilder();
                    for (Header header : record.headers())
                        headers.append(' ').append(header.key()).append('=').append(hex(header.value()));
                    writer.println(record.partition() + " " + record.offset() + " " + record.timestamp() + " "
                                   + hex(record.key()) + " " + hex(record.value()) + headers);
                    count++;
                }
            }
        }
        return count;
    }

    static String commit(String group, String topic, long offset) {
        Properties settings = client();
        settings.setProperty("group.id", group);
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(offset, "here")));
        }
        return "";
    }

    /** Waits until compaction left at most so many records. */
    static Object compacted(String topic, int most) throws Exception {
        String file = Files.createTempFile("compacted", "").toString();
        long deadline = System.currentTimeMillis() + 60000;
        for (;;) {
            int count = (Integer) consume(topic, file);
            if (count <= most || System.currentTimeMillis() > deadline) {
                Files.delete(Path.of(file));
                if (count > most)
                    throw new IllegalStateException(count + " records are left");
                return count;
            }
            Thread.sleep(200);
            produce(topic, 0, "none", 1, 1); // an append lets the active segment roll
        }
    }
}
