package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func init() { drivers["kafka"] = func(o *options) driver { return kafka{o} } }

// kafka is for all that speak Kafka's protocol: topics of one partition.
type kafka struct{ *options }

// A server that is still starting is asked again at once, not after a quarter of a second.
const (
	kafkaRetry       = 5 * time.Millisecond
	kafkaMetadataAge = 10 * time.Millisecond
	kafkaTopicTries  = 1000
)

func (k kafka) linger() time.Duration {
	if k.prompt() {
		return 0
	}
	return 10 * time.Millisecond
}

func (k kafka) settings() []string {
	return []string{
		"client " + client("github.com/twmb/franz-go"),
		"acks=all, idempotent (the client's default), one partition, no compression",
		fmt.Sprintf("linger %v (the client's default is 10 ms), batches up to 1 MB, up to 5 requests under way", k.linger()),
		fmt.Sprintf("%d records buffered or unacknowledged a producer; a full window ends the linger", k.unacknowledged()),
		"consumer: a partition by itself, no group; 1 MiB a partition (the client's default), checksums checked",
	}
}

func (k kafka) lacks(string) string { return "" }

func (k kafka) connect(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.address), kgo.MetadataMinAge(kafkaMetadataAge),
		kgo.RetryBackoffFn(func(int) time.Duration { return kafkaRetry }),
	}, more...)...)
}

func (k kafka) create(ctx context.Context, topics []string) error {
	base, err := k.connect()
	if err != nil {
		return err
	}
	defer base.Close()
	made, err := kadm.NewClient(base).CreateTopics(ctx, 1, -1, nil, topics...)
	for _, one := range made {
		if !errors.Is(one.Err, kerr.TopicAlreadyExists) {
			err = errors.Join(err, one.Err)
		}
	}
	return err
}

type kafkaProducer struct {
	client *kgo.Client
	ctx    context.Context
	failed atomic.Pointer[error]
}

func (k kafka) producer(ctx context.Context) (producer, error) {
	base, err := k.connect(kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(k.linger()), kgo.MaxBufferedRecords(k.unacknowledged()),
		kgo.UnknownTopicRetries(kafkaTopicTries),
		kgo.RecordDeliveryTimeout(k.patience), kgo.AllowIdempotentProduceCancellation())
	if err != nil {
		return nil, err
	}
	if err := base.Ping(ctx); err != nil {
		base.Close()
		return nil, err
	}
	return &kafkaProducer{client: base, ctx: ctx}, nil
}

func (p *kafkaProducer) send(topic string, value []byte) error {
	p.client.Produce(p.ctx, &kgo.Record{Topic: topic, Value: value}, p.acknowledged)
	return p.failure()
}

func (p *kafkaProducer) acknowledged(_ *kgo.Record, err error) {
	if err != nil {
		p.failed.CompareAndSwap(nil, &err)
	}
}

func (p *kafkaProducer) failure() error {
	if first := p.failed.Load(); first != nil {
		return *first
	}
	return nil
}

func (p *kafkaProducer) flush() error { return errors.Join(p.client.Flush(p.ctx), p.failure()) }

func (p *kafkaProducer) close() { p.client.Close() }

type kafkaConsumer struct{ client *kgo.Client }

func (k kafka) consumer(_ context.Context, topics []string) (consumer, error) {
	from := map[string]map[int32]kgo.Offset{}
	for _, topic := range topics {
		from[topic] = map[int32]kgo.Offset{0: kgo.NewOffset().AtStart()}
	}
	base, err := k.connect(kgo.ConsumePartitions(from))
	return &kafkaConsumer{base}, err
}

func (c *kafkaConsumer) next(ctx context.Context, each func([]byte)) error {
	fetches := c.client.PollFetches(ctx)
	for _, failed := range fetches.Errors() {
		return failed.Err
	}
	fetches.EachRecord(func(r *kgo.Record) { each(r.Value) })
	return nil
}

func (c *kafkaConsumer) close() { c.client.Close() }
