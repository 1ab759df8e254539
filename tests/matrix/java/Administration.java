import com.fasterxml.jackson.databind.JsonNode;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;

/** What only the newest AdminClient asks, a command a call. */
public class Administration implements Repl.Commands {
    private final Admin admin;

    public static void main(String[] arguments) throws Exception {
        Repl.run(new Administration(arguments[0]));
    }

    Administration(String broker) {
        Properties settings = new Properties();
        settings.setProperty("bootstrap.servers", broker);
        admin = Admin.create(settings);
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }

    @Override
    public Object run(JsonNode command) throws Exception {
        String topic = command.path("topic").asText();
        String group = command.path("group").asText();
        TopicPartition partition = new TopicPartition(topic, command.path("partition").asInt());
        switch (command.get("do").asText()) {
        case "cluster": return cluster();
        case "describe": return describe(topic);
        case "describe_id": return describeId(topic);
        case "config": return config(command);
        case "change": return change(command);
        case "offset": return offset(partition, command.get("at").asText());
        case "log_dirs": return logDirs();
        case "producers": return producers(partition);
        case "commits": return commits(group);
        case "alter_commit":
            return get(admin.alterConsumerGroupOffsets(group,
                Map.of(partition, new org.apache.kafka.clients.consumer.OffsetAndMetadata(
                    command.get("offset").asLong(), Optional.of(0), command.get("metadata").asText()))).all());
        case "delete_commit": return get(admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all());
        case "group": return group(group);
        case "remove_member":
            return get(admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(
                List.of(new MemberToRemove(command.get("instance").asText())))).all());
        case "group_states":
            Map<String, String> states = new HashMap<>();
            get(admin.listGroups().all()).forEach(each -> states.put(each.groupId(), each.groupState().get().toString()));
            return states;
        case "reassignments": return get(admin.listPartitionReassignments().reassignments()).size();
        case "acls": return get(admin.describeAcls(AclBindingFilter.ANY).values()).size();
        case "features": return get(admin.describeFeatures().featureMetadata()).supportedFeatures().keySet();
        default: throw new IllegalArgumentException(command.get("do").asText());
        }
    }

    private Object cluster() throws Exception {
        DescribeClusterResult found = admin.describeCluster();
        return Map.of("id", get(found.clusterId()), "controller", get(found.controller()).id(),
                      "nodes", get(found.nodes()).stream().map(node -> node.id()).toArray());
    }

    /** By DescribeTopicPartitions; partitions a page at most, so that it has to ask again. */
    private Object describe(String topic) throws Exception {
        var options = new DescribeTopicsOptions().partitionSizeLimitPerResponse(2);
        TopicDescription found = get(admin.describeTopics(List.of(topic), options).allTopicNames()).get(topic);
        return Map.of("id", found.topicId().toString(),
                      "partitions", found.partitions().stream().map(each -> each.partition()).toArray(),
                      "leaders", found.partitions().stream().map(each -> each.leader().id()).toArray());
    }

    private Object describeId(String topic) throws Exception {
        var id = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).topicId();
        return get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id).name();
    }

    private static ConfigResource resource(JsonNode command) {
        return new ConfigResource(ConfigResource.Type.valueOf(command.get("type").asText()),
                                  command.get("name").asText());
    }

    private Object config(JsonNode command) throws Exception {
        var options = new DescribeConfigsOptions().includeSynonyms(true);
        ConfigEntry entry = get(admin.describeConfigs(List.of(resource(command)), options).all())
            .get(resource(command)).get(command.get("key").asText());
        return Map.of("value", entry.value(), "source", entry.source().toString(), "type", entry.type().toString(),
                      "read_only", entry.isReadOnly(), "synonyms", entry.synonyms().size());
    }

    private Object change(JsonNode command) throws Exception {
        var entry = new ConfigEntry(command.get("key").asText(), command.path("value").asText());
        var change = new AlterConfigOp(entry, AlterConfigOp.OpType.valueOf(command.get("how").asText()));
        var options = new AlterConfigsOptions().validateOnly(command.path("only_check").asBoolean());
        return get(admin.incrementalAlterConfigs(Map.of(resource(command), List.of(change)), options).all());
    }

    private Object offset(TopicPartition partition, String at) throws Exception {
        OffsetSpec spec = at.equals("max") ? OffsetSpec.maxTimestamp() : at.equals("begin") ? OffsetSpec.earliest()
            : at.equals("end") ? OffsetSpec.latest() : OffsetSpec.forTimestamp(Long.parseLong(at));
        var found = get(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition));
        return new long[] {found.offset(), found.timestamp()};
    }

    private Object logDirs() throws Exception {
        Map<String, Long> sizes = new HashMap<>();
        for (LogDirDescription each : get(admin.describeLogDirs(List.of(1)).allDescriptions()).get(1).values())
            each.replicaInfos().forEach((where, info) -> sizes.put(where.toString(), info.size()));
        return sizes;
    }

    private Object producers(TopicPartition partition) throws Exception {
        return get(admin.describeProducers(List.of(partition)).partitionResult(partition)).activeProducers().stream()
            .map(each -> new long[] {each.producerId(), each.producerEpoch(), each.lastSequence()}).toArray();
    }

    private Object commits(String group) throws Exception {
        Map<String, Object> found = new HashMap<>();
        get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).forEach(
            (where, commit) -> found.put(where.toString(), new Object[] {commit.offset(), commit.metadata()}));
        return found;
    }

    private Object group(String group) throws Exception {
        ConsumerGroupDescription found = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
        List<Object> members = new ArrayList<>();
        for (MemberDescription member : found.members())
            members.add(Map.of("instance", member.groupInstanceId().orElse(""), "host", member.host(), "partitions",
                member.assignment().topicPartitions().stream().map(TopicPartition::partition).sorted().toArray()));
        return Map.of("state", found.groupState().toString(), "assignor", found.partitionAssignor(), "members", members);
    }
}
