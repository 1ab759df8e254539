import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;

/** The commands of ../README.md with Apache Kafka's Java client; compiles from version 2.8 on. */
public class Client implements Repl.Commands {
    private static final Duration POLL = Duration.ofMillis(100);
    private final String broker;
    private final Admin admin;
    private Member member;

    public static void main(String[] arguments) throws Exception {
        Repl.run(new Client(arguments[0]));
    }

    Client(String broker) {
        this.broker = broker;
        Properties settings = new Properties();
        settings.setProperty("bootstrap.servers", broker);
        admin = Admin.create(settings);
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.setProperty("bootstrap.servers", broker);
        settings.setProperty("key.serializer", ByteArraySerializer.class.getName());
        settings.setProperty("value.serializer", ByteArraySerializer.class.getName());
        settings.setProperty("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.setProperty("value.deserializer", ByteArrayDeserializer.class.getName());
        settings.setProperty("allow.auto.create.topics", "false");
        settings.setProperty("enable.auto.commit", "false");
        settings.setProperty("auto.offset.reset", "earliest");
        settings.setProperty("session.timeout.ms", "3000");
        settings.setProperty("heartbeat.interval.ms", "200");
        return settings;
    }

    /** The command's "settings" are the client's own and go before all others. */
    private static Properties with(Properties settings, JsonNode command) {
        command.path("settings").fields().forEachRemaining(
            each -> settings.setProperty(each.getKey(), each.getValue().asText()));
        return settings;
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }

    @Override
    public Object run(JsonNode command) throws Exception {
        String topic = command.path("topic").asText();
        String group = command.path("group").asText();
        switch (command.get("do").asText()) {
        case "produce": return produce(command);
        case "consume": return consume(command);
        case "join": member = new Member(command); return null;
        case "leave": member.leave(); return null;
        case "create": return create(command);
        case "drop": return get(admin.deleteTopics(List.of(topic)).all());
        case "grow":
            int partitions = command.get("partitions").asInt();
            return get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(partitions))).all());
        case "topics": return get(admin.listTopics().names());
        case "describe": return partitions(topic).stream().map(TopicPartition::partition).toArray();
        case "configs": return configs(topic);
        case "alter":
            ConfigEntry entry = new ConfigEntry(command.get("name").asText(), command.get("value").asText());
            return get(admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic),
                List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET)))).all());
        case "offsets": return offsets(topic, command.get("at"));
        case "delete_records":
            return get(admin.deleteRecords(Map.of(
                new TopicPartition(topic, command.get("partition").asInt()),
                RecordsToDelete.beforeOffset(command.get("before").asLong()))).all());
        case "commit": return commit(command);
        case "committed": return committed(group, topic);
        case "groups":
            return get(admin.listConsumerGroups().all()).stream().map(ConsumerGroupListing::groupId).toArray();
        case "describe_group":
            ConsumerGroupDescription found = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
            return Map.of("state", found.state().toString(), "members", found.members().size());
        case "delete_group": return get(admin.deleteConsumerGroups(List.of(group)).all());
        default: throw new IllegalArgumentException(command.get("do").asText());
        }
    }

    private static byte[] bytes(JsonNode field) {
        return field == null || field.isNull() ? null : Base64.getDecoder().decode(field.asText());
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }

    private Object produce(JsonNode command) throws Exception {
        Properties settings = settings();
        settings.setProperty("compression.type", command.get("codec").asText());
        settings.setProperty("acks", command.get("acks").asText());
        settings.setProperty("enable.idempotence", String.valueOf(command.path("idempotent").asBoolean()));
        settings.setProperty("linger.ms", "5");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (Producer<byte[], byte[]> producer = new KafkaProducer<>(with(settings, command))) {
            if (settings.containsKey("transactional.id"))
                producer.initTransactions();
            for (JsonNode each : command.get("records")) {
                var made = new ProducerRecord<>(command.get("topic").asText(), number(command.get("partition")),
                    each.has("timestamp") ? each.get("timestamp").asLong() : null,
                    bytes(each.get("key")), bytes(each.get("value")));
                for (JsonNode header : each.path("headers"))
                    made.headers().add(header.get(0).asText(), bytes(header.get(1)));
                sent.add(producer.send(made));
            }
        }
        List<long[]> places = new ArrayList<>();
        for (Future<RecordMetadata> each : sent)
            places.add(new long[] {each.get().partition(), each.get().offset()});
        return places;
    }

    private static Integer number(JsonNode field) {
        return field == null || field.isNull() ? null : field.asInt();
    }

    private List<TopicPartition> partitions(String topic) {
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings())) {
            return partitions(consumer, topic);
        }
    }

    private static List<TopicPartition> partitions(Consumer<?, ?> consumer, String topic) {
        var found = consumer.partitionsFor(topic);
        if (found == null || found.isEmpty())
            throw new UnknownTopicOrPartitionException(topic);
        List<TopicPartition> all = new ArrayList<>();
        found.forEach(each -> all.add(new TopicPartition(topic, each.partition())));
        all.sort(Comparator.comparing(TopicPartition::partition));
        return all;
    }

    private Object consume(JsonNode command) throws Exception {
        List<Object> records = new ArrayList<>();
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings())) {
            List<TopicPartition> all = partitions(consumer, command.get("topic").asText());
            consumer.assign(all);
            JsonNode from = command.get("from");
            if (from.isNumber()) {
                Map<TopicPartition, Long> times = new HashMap<>();
                all.forEach(each -> times.put(each, from.asLong()));
                consumer.offsetsForTimes(times).forEach((where, found) -> consumer.seek(where, found.offset()));
            } else if (from.asText().equals("begin")) {
                consumer.seekToBeginning(all);
            } else {
                consumer.seekToEnd(all);
            }
            all.forEach(consumer::position); // looked up now, not at the first poll
            Repl.say(Map.of("event", "ready"));
            long deadline = System.currentTimeMillis() + 30000;
            while (records.size() < command.get("count").asInt()) {
                if (System.currentTimeMillis() > deadline)
                    throw new IllegalStateException("only " + records.size() + " records came");
                for (ConsumerRecord<byte[], byte[]> each : consumer.poll(POLL))
                    if (records.size() < command.get("count").asInt())
                        records.add(describe(each));
            }
        }
        return records;
    }

    private static Map<String, Object> describe(ConsumerRecord<byte[], byte[]> record) {
        List<String[]> headers = new ArrayList<>();
        for (Header header : record.headers())
            headers.add(new String[] {header.key(), text(header.value())});
        Map<String, Object> made = new HashMap<>();
        made.put("partition", record.partition());
        made.put("offset", record.offset());
        made.put("timestamp", record.timestamp());
        made.put("key", text(record.key()));
        made.put("value", text(record.value()));
        made.put("headers", headers);
        return made;
    }

    /** A group's member on a thread of its own. */
    private class Member extends Thread implements ConsumerRebalanceListener {
        private final Consumer<byte[], byte[]> consumer;

        Member(JsonNode command) {
            Properties settings = settings();
            settings.setProperty("group.id", command.get("group").asText());
            settings.setProperty("metadata.max.age.ms", "1000");
            consumer = new KafkaConsumer<>(with(settings, command));
            consumer.subscribe(List.of(command.get("topic").asText()), this);
            start();
        }

        @Override
        public void run() {
            try {
                for (;;) {
                    for (ConsumerRecord<byte[], byte[]> each : consumer.poll(POLL)) {
                        Map<String, Object> shown = describe(each);
                        shown.put("event", "record");
                        Repl.say(shown);
                    }
                    try {
                        consumer.commitSync();
                    } catch (CommitFailedException | org.apache.kafka.common.errors.RebalanceInProgressException late) {
                        // the next poll takes part in the rebalance
                    }
                }
            } catch (org.apache.kafka.common.errors.WakeupException leave) {
                consumer.close();
            } catch (Exception failure) {
                failure.printStackTrace();
            }
        }

        private void tell() {
            try {
                int[] held = consumer.assignment().stream().mapToInt(TopicPartition::partition).sorted().toArray();
                Repl.say(Map.of("event", "assigned", "partitions", held));
            } catch (java.io.IOException gone) {
                throw new java.io.UncheckedIOException(gone);
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> added) {
            tell();
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> taken) {
            consumer.commitSync();
            try {
                int[] lost = taken.stream().mapToInt(TopicPartition::partition).sorted().toArray();
                Repl.say(Map.of("event", "revoked", "partitions", lost));
            } catch (java.io.IOException gone) {
                throw new java.io.UncheckedIOException(gone);
            }
        }

        void leave() throws InterruptedException {
            consumer.wakeup();
            join();
        }
    }

    private Object create(JsonNode command) throws Exception {
        Map<String, String> configs = new HashMap<>();
        command.path("configs").fields().forEachRemaining(
            each -> configs.put(each.getKey(), each.getValue().asText()));
        NewTopic topic = new NewTopic(command.get("topic").asText(),
            Optional.of(command.get("partitions").asInt()), Optional.empty());
        return get(admin.createTopics(List.of(topic.configs(configs))).all());
    }

    private Object configs(String topic) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Map<String, String> found = new TreeMap<>();
        get(admin.describeConfigs(List.of(resource)).all()).get(resource).entries()
            .forEach(each -> found.put(each.name(), each.value()));
        return found;
    }

    private Object offsets(String topic, JsonNode at) throws Exception {
        OffsetSpec spec = at.isNumber() ? OffsetSpec.forTimestamp(at.asLong())
            : at.asText().equals("begin") ? OffsetSpec.earliest() : OffsetSpec.latest();
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        partitions(topic).forEach(each -> asked.put(each, spec));
        Map<Integer, Long> found = new TreeMap<>();
        get(admin.listOffsets(asked).all()).forEach((where, offset) -> found.put(where.partition(), offset.offset()));
        return found;
    }

    private Object commit(JsonNode command) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        command.get("offsets").fields().forEachRemaining(each -> offsets.put(
            new TopicPartition(command.get("topic").asText(), Integer.parseInt(each.getKey())),
            new OffsetAndMetadata(each.getValue().asLong(), "by hand")));
        return get(admin.alterConsumerGroupOffsets(command.get("group").asText(), offsets).all());
    }

    private Object committed(String group, String topic) throws Exception {
        Map<Integer, Long> found = new TreeMap<>();
        get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).forEach((where, offset) -> {
            if (where.topic().equals(topic))
                found.put(where.partition(), offset.offset());
        });
        return found;
    }
}
