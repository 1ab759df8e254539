// The commands of ../../README.md with sarama.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"

	"matrix/repl"
)

type client struct {
	brokers []string
	base    sarama.Client
	admin   sarama.ClusterAdmin
	member  *member
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Retry.Max = 1
	config.Metadata.RefreshFrequency = time.Second
	return config
}

func main() {
	brokers := []string{os.Args[1]}
	base, err := sarama.NewClient(brokers, settings())
	if err != nil {
		panic(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(base)
	if err != nil {
		panic(err)
	}
	repl.Run((&client{brokers: brokers, base: base, admin: admin}).obey)
}

func (c *client) obey(command *repl.Command) (any, error) {
	topic, group := command.Topic, command.Group
	switch command.Do {
	case "produce":
		return c.produce(command)
	case "consume":
		return c.consume(command)
	case "join":
		return nil, c.join(command)
	case "leave":
		return nil, c.member.leave()
	case "create":
		configs := map[string]*string{}
		for name, value := range command.Configs {
			configs[name] = &value
		}
		detail := sarama.TopicDetail{NumPartitions: command.Partitions, ReplicationFactor: -1, ConfigEntries: configs}
		return nil, c.admin.CreateTopic(topic, &detail, false)
	case "drop":
		return nil, c.admin.DeleteTopic(topic)
	case "grow":
		return nil, c.admin.CreatePartitions(topic, command.Partitions, nil, false)
	case "topics":
		found, err := c.admin.ListTopics()
		return names(found), err
	case "describe":
		return c.partitions(topic)
	case "configs":
		found, err := c.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
		values := map[string]string{}
		for _, entry := range found {
			values[entry.Name] = entry.Value
		}
		return values, err
	case "alter":
		change := map[string]sarama.IncrementalAlterConfigsEntry{
			command.Name: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &command.Value}}
		return nil, c.admin.IncrementalAlterConfig(sarama.TopicResource, topic, change, false)
	case "offsets":
		return c.offsets(topic, repl.Position(command.At))
	case "delete_records":
		return nil, c.admin.DeleteRecords(topic, map[int32]int64{*command.Partition: command.Before})
	case "commit":
		return nil, c.commit(command)
	case "committed":
		found, err := c.admin.ListConsumerGroupOffsets(group, nil)
		offsets := map[int32]int64{}
		if err == nil {
			for partition, block := range found.Blocks[topic] {
				offsets[partition] = block.Offset
			}
		}
		return offsets, err
	case "groups":
		found, err := c.admin.ListConsumerGroups()
		return names(found), err
	case "describe_group":
		found, err := c.admin.DescribeConsumerGroups([]string{group})
		if err != nil {
			return nil, err
		}
		return map[string]any{"state": found[0].State, "members": len(found[0].Members)}, nil
	case "delete_group":
		return nil, c.admin.DeleteConsumerGroup(group)
	}
	return nil, fmt.Errorf("no such command: %s", command.Do)
}

func names[V any](found map[string]V) []string {
	list := []string{}
	for name := range found {
		list = append(list, name)
	}
	return list
}

func (c *client) produce(command *repl.Command) (any, error) {
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}
	config := settings()
	config.Metadata.AllowAutoTopicCreation = command.Create
	config.Metadata.Retry.Max = 3
	config.Producer.Compression = codecs[command.Codec]
	config.Producer.RequiredAcks = sarama.RequiredAcks(command.Acks)
	config.Producer.Return.Successes = true
	config.Producer.MaxMessageBytes = 1000000
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	if command.Idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	if command.Partition != nil {
		config.Producer.Partitioner = sarama.NewManualPartitioner
	}
	producer, err := sarama.NewSyncProducer(c.brokers, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for _, given := range command.Records {
		message := &sarama.ProducerMessage{Topic: command.Topic}
		if command.Partition != nil {
			message.Partition = *command.Partition
		}
		if given.Key != nil {
			message.Key = sarama.ByteEncoder(given.Key)
		}
		if given.Value != nil {
			message.Value = sarama.ByteEncoder(given.Value)
		}
		if given.Timestamp != 0 {
			message.Timestamp = time.UnixMilli(given.Timestamp)
		}
		given.Each(func(name string, value []byte) {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(name), Value: value})
		})
		messages = append(messages, message)
	}
	if err := producer.SendMessages(messages); err != nil {
		var all sarama.ProducerErrors
		if errors.As(err, &all) {
			err = all[0].Err
		}
		return nil, err
	}
	places := [][2]int64{}
	for _, message := range messages {
		places = append(places, [2]int64{int64(message.Partition), message.Offset})
	}
	return places, nil
}

func show(message *sarama.ConsumerMessage, event string) repl.Record {
	headers := [][]any{}
	for _, header := range message.Headers {
		headers = append(headers, repl.Header(string(header.Key), header.Value))
	}
	return repl.Record{Partition: message.Partition, Offset: message.Offset, Timestamp: message.Timestamp.UnixMilli(),
		Key: message.Key, Value: message.Value, Headers: headers, Event: event}
}

func (c *client) consume(command *repl.Command) (any, error) {
	places, err := c.offsets(command.Topic, repl.Position(command.From))
	if err != nil {
		return nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(c.base)
	if err != nil {
		return nil, err
	}
	messages := make(chan *sarama.ConsumerMessage)
	done := make(chan struct{})
	defer close(done)
	for partition, offset := range places {
		reader, err := consumer.ConsumePartition(command.Topic, partition, offset)
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		go func() {
			for message := range reader.Messages() {
				select {
				case messages <- message:
				case <-done:
				}
			}
		}()
	}
	repl.Say(map[string]string{"event": "ready"})
	records := []repl.Record{}
	late := time.After(30 * time.Second)
	for len(records) < command.Count {
		select {
		case message := <-messages:
			records = append(records, show(message, ""))
		case <-late:
			return nil, fmt.Errorf("only %d records came", len(records))
		}
	}
	return records, nil
}

// A group's member; sarama calls Setup at each assignment and ConsumeClaim for each partition.
type member struct {
	group sarama.ConsumerGroup
	stop  context.CancelFunc
	ended chan struct{}
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	var partitions []int32
	for _, held := range session.Claims() {
		partitions = append(partitions, held...)
	}
	repl.Assigned(partitions)
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			repl.Say(show(message, "record"))
			session.MarkMessage(message, "")
			session.Commit()
		case <-session.Context().Done():
			return nil
		}
	}
}

func (c *client) join(command *repl.Command) error {
	config := settings()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 3 * time.Second
	config.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	group, err := sarama.NewConsumerGroup(c.brokers, command.Group, config)
	if err != nil {
		return err
	}
	m := &member{group: group, ended: make(chan struct{})}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{command.Topic}, m); err != nil {
				fmt.Fprintln(os.Stderr, "consume:", err)
			}
		}
	}()
	c.member = m
	return nil
}

func (m *member) leave() error {
	m.stop()
	<-m.ended
	return m.group.Close()
}

func (c *client) partitions(topic string) ([]int32, error) {
	found, err := c.admin.DescribeTopics([]string{topic})
	if err != nil {
		return nil, err
	}
	if found[0].Err != sarama.ErrNoError {
		return nil, found[0].Err
	}
	numbers := make([]int32, len(found[0].Partitions))
	for _, partition := range found[0].Partitions {
		numbers[partition.ID] = partition.ID
	}
	return numbers, nil
}

func (c *client) offsets(topic string, at int64) (map[int32]int64, error) {
	partitions, err := c.partitions(topic)
	if err == nil {
		err = c.base.RefreshMetadata(topic)
	}
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, partition := range partitions {
		if offsets[partition], err = c.base.GetOffset(topic, partition, at); err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

func (c *client) commit(command *repl.Command) error {
	config := settings()
	config.Consumer.Offsets.AutoCommit.Enable = false
	base, err := sarama.NewClient(c.brokers, config)
	if err != nil {
		return err
	}
	defer base.Close()
	manager, err := sarama.NewOffsetManagerFromClient(command.Group, base)
	if err != nil {
		return err
	}
	for partition, offset := range command.Offsets {
		place, err := manager.ManagePartition(command.Topic, partition)
		if err != nil {
			return err
		}
		place.MarkOffset(offset, "by hand")
		place.AsyncClose()
	}
	manager.Commit()
	return manager.Close()
}
