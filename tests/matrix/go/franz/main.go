// The commands of ../../README.md with franz-go.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"matrix/repl"
)

type client struct {
	broker string
	admin  *kadm.Client
	member *member
}

// How old what a client knows of topics may be.
const metadataAge = 10 * time.Millisecond

func main() {
	broker := os.Args[1]
	base, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.MetadataMinAge(metadataAge))
	if err != nil {
		panic(err)
	}
	repl.Run((&client{broker: broker, admin: kadm.NewClient(base)}).obey)
}

func (c *client) obey(command *repl.Command) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	topic, group := command.Topic, command.Group
	switch command.Do {
	case "produce":
		return c.produce(ctx, command)
	case "consume":
		return c.consume(ctx, command)
	case "join":
		return nil, c.join(command)
	case "leave":
		c.member.leave()
		return nil, nil
	case "create":
		configs := map[string]*string{}
		for name, value := range command.Configs {
			configs[name] = kadm.StringPtr(value)
		}
		_, err := c.admin.CreateTopic(ctx, command.Partitions, -1, configs, topic)
		return nil, err
	case "drop":
		_, err := c.admin.DeleteTopic(ctx, topic)
		return nil, err
	case "grow":
		grown, err := c.admin.UpdatePartitions(ctx, int(command.Partitions), topic)
		return nil, first(err, grown.Error)
	case "topics":
		time.Sleep(2 * metadataAge) // it would answer from what it heard before a topic went
		found, err := c.admin.ListTopics(ctx)
		return found.Names(), err
	case "describe":
		return c.partitions(ctx, topic)
	case "configs":
		return c.configs(ctx, topic)
	case "alter":
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: command.Name, Value: &command.Value}
		done, err := c.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)
		for _, one := range done {
			err = first(err, func() error { return one.Err })
		}
		return nil, err
	case "offsets":
		return c.offsets(ctx, topic, repl.Position(command.At))
	case "delete_records":
		var offsets kadm.Offsets
		offsets.AddOffset(topic, *command.Partition, command.Before, -1)
		done, err := c.admin.DeleteRecords(ctx, offsets)
		return nil, first(err, done.Error)
	case "commit":
		var offsets kadm.Offsets
		for partition, offset := range command.Offsets {
			offsets.AddOffset(topic, partition, offset, -1)
		}
		done, err := c.admin.CommitOffsets(ctx, group, offsets)
		return nil, first(err, done.Error)
	case "committed":
		found, err := c.admin.FetchOffsets(ctx, group)
		offsets := map[int32]int64{}
		found.Each(func(one kadm.OffsetResponse) { offsets[one.Partition] = one.At })
		return offsets, err
	case "groups":
		found, err := c.admin.ListGroups(ctx)
		return found.Groups(), err
	case "describe_group":
		found, err := c.admin.DescribeGroups(ctx, group)
		if err != nil {
			return nil, err
		}
		return map[string]any{"state": found[group].State, "members": len(found[group].Members)}, found[group].Err
	case "delete_group":
		_, err := c.admin.DeleteGroup(ctx, group)
		return nil, err
	}
	return nil, fmt.Errorf("no such command: %s", command.Do)
}

func first(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

func (c *client) produce(ctx context.Context, command *repl.Command) (any, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	acks := map[int]kgo.Acks{0: kgo.NoAck(), 1: kgo.LeaderAck(), -1: kgo.AllISRAcks()}
	options := []kgo.Opt{
		kgo.SeedBrokers(c.broker), kgo.ProducerBatchCompression(codecs[command.Codec]),
		kgo.RequiredAcks(acks[command.Acks]), kgo.ProducerLinger(5 * time.Millisecond),
		kgo.UnknownTopicRetries(20), kgo.MetadataMinAge(metadataAge)}
	if !command.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	if command.Create {
		options = append(options, kgo.AllowAutoTopicCreation())
	}
	if command.Partition != nil {
		options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	producer, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var records []*kgo.Record
	for _, given := range command.Records {
		record := &kgo.Record{Topic: command.Topic, Key: given.Key, Value: given.Value}
		if command.Partition != nil {
			record.Partition = *command.Partition
		}
		if given.Timestamp != 0 {
			record.Timestamp = time.UnixMilli(given.Timestamp)
		}
		given.Each(func(name string, value []byte) {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: value})
		})
		records = append(records, record)
	}
	results := producer.ProduceSync(ctx, records...)
	places := [][2]int64{}
	for _, one := range results {
		places = append(places, [2]int64{int64(one.Record.Partition), one.Record.Offset})
	}
	return places, results.FirstErr()
}

func show(record *kgo.Record, event string) repl.Record {
	headers := [][]any{}
	for _, header := range record.Headers {
		headers = append(headers, repl.Header(header.Key, header.Value))
	}
	return repl.Record{Partition: record.Partition, Offset: record.Offset, Timestamp: record.Timestamp.UnixMilli(),
		Key: record.Key, Value: record.Value, Headers: headers, Event: event}
}

func (c *client) consume(ctx context.Context, command *repl.Command) (any, error) {
	// Looked up first, so that "end" means the end at the event.
	offsets, err := c.offsets(ctx, command.Topic, repl.Position(command.From))
	if err != nil {
		return nil, err
	}
	places := map[int32]kgo.Offset{}
	for partition, offset := range offsets {
		places[partition] = kgo.NewOffset().At(offset)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.broker),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{command.Topic: places}))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	repl.Say(map[string]string{"event": "ready"})
	records := []repl.Record{}
	for len(records) < command.Count {
		fetched := consumer.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			return nil, fmt.Errorf("%d records came, then: %w", len(records), err)
		}
		fetched.EachRecord(func(record *kgo.Record) {
			if len(records) < command.Count {
				records = append(records, show(record, ""))
			}
		})
	}
	return records, nil
}

// A group's member, which polls in a goroutine of its own.
type member struct {
	client *kgo.Client
	stop   context.CancelFunc
	ended  chan struct{}
	held   map[int32]bool
}

func (m *member) tell() {
	var partitions []int32
	for partition := range m.held {
		partitions = append(partitions, partition)
	}
	repl.Assigned(partitions)
}

func (c *client) join(command *repl.Command) error {
	m := &member{ended: make(chan struct{}), held: map[int32]bool{}}
	added := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		for _, partition := range partitions[command.Topic] {
			m.held[partition] = true
		}
		m.tell()
	}
	taken := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		for _, partition := range partitions[command.Topic] {
			delete(m.held, partition)
		}
		m.tell()
	}
	var err error
	m.client, err = kgo.NewClient(kgo.SeedBrokers(c.broker), kgo.ConsumerGroup(command.Group),
		kgo.ConsumeTopics(command.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(3*time.Second), kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(added), kgo.OnPartitionsRevoked(taken), kgo.OnPartitionsLost(taken))
	if err != nil {
		return err
	}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	go m.poll(ctx)
	c.member = m
	return nil
}

func (m *member) poll(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		m.client.PollFetches(ctx).EachRecord(func(record *kgo.Record) { repl.Say(show(record, "record")) })
		// A commit that a rebalance refuses is made by whoever reads these records again.
		if err := m.client.CommitUncommittedOffsets(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "commit:", err)
		}
		m.client.AllowRebalance()
	}
}

func (m *member) leave() {
	m.stop()
	<-m.ended
	m.client.CloseAllowingRebalance()
}

func (c *client) partitions(ctx context.Context, topic string) ([]int32, error) {
	found, err := c.admin.ListTopics(ctx, topic)
	if err != nil {
		return nil, err
	}
	return found[topic].Partitions.Numbers(), found[topic].Err
}

func (c *client) configs(ctx context.Context, topic string) (any, error) {
	found, err := c.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	resource, err := found.On(topic, nil)
	values := map[string]string{}
	for _, config := range resource.Configs {
		values[config.Key] = config.MaybeValue()
	}
	return values, first(err, func() error { return resource.Err })
}

func (c *client) offsets(ctx context.Context, topic string, at int64) (map[int32]int64, error) {
	list := map[int64]func(context.Context, ...string) (kadm.ListedOffsets, error){
		-2: c.admin.ListStartOffsets, -1: c.admin.ListEndOffsets}[at]
	if list == nil {
		list = func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return c.admin.ListOffsetsAfterMilli(ctx, at, topics...)
		}
	}
	found, err := list(ctx, topic)
	offsets := map[int32]int64{}
	found.Each(func(one kadm.ListedOffset) { offsets[one.Partition] = one.Offset })
	return offsets, first(err, found.Error)
}
