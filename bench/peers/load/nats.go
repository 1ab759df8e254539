package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func init() { drivers["nats"] = func(o *options) driver { return jetStream{o} } }

// jetStream keeps a topic in a stream with its files; topics T.0, T.1, ... are subjects of one stream T, as
// its users would do it.
type jetStream struct{ *options }

const (
	natsPullBytes = 1 << 20
	natsPullMost  = 5000
	natsHandOver  = 1024
)

func (j jetStream) pullMost() int { return max(2, min(natsPullMost, natsPullBytes/j.size)) }

func (j jetStream) settings() []string {
	return []string{
		"client " + client("github.com/nats-io/nats.go"),
		"stream: file storage, one replica, limits retention, nothing else set; topics T.i are subjects of stream T",
		fmt.Sprintf("PublishAsync, %d unacknowledged a producer", j.unacknowledged()),
		fmt.Sprintf("consumer: ordered consumer (no acknowledgements), up to %d records pulled ahead", j.pullMost()),
	}
}

func (j jetStream) lacks(string) string { return "" }

func (j jetStream) connect(options ...jetstream.JetStreamOpt) (*nats.Conn, jetstream.JetStream, error) {
	connection, err := nats.Connect("nats://"+j.address, nats.NoReconnect())
	if err != nil {
		return nil, nil, err
	}
	stream, err := jetstream.New(connection, options...)
	if err != nil {
		connection.Close()
	}
	return connection, stream, err
}

// streamOf is the stream of a topic.
func streamOf(topic string) string {
	name, _, _ := strings.Cut(topic, ".")
	return name
}

func (j jetStream) create(ctx context.Context, topics []string) error {
	connection, streams, err := j.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	name := streamOf(topics[0])
	_, err = streams.CreateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{name, name + ".*"}, Storage: jetstream.FileStorage, Replicas: 1,
	})
	return err
}

type natsProducer struct {
	connection *nats.Conn
	streams    jetstream.JetStream
	ctx        context.Context
	patience   time.Duration
	lock       sync.Mutex
	failed     error
}

func (j jetStream) producer(ctx context.Context) (producer, error) {
	p := &natsProducer{ctx: ctx, patience: j.patience}
	var err error
	p.connection, p.streams, err = j.connect(
		jetstream.WithPublishAsyncMaxPending(j.unacknowledged()), jetstream.WithPublishAsyncTimeout(j.patience),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { p.fail(err) }))
	return p, err
}

func (p *natsProducer) fail(err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.failed == nil {
		p.failed = err
	}
}

func (p *natsProducer) failure() error {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.failed
}

func (p *natsProducer) send(topic string, value []byte) error {
	_, err := p.streams.PublishAsync(topic, value, jetstream.WithStallWait(p.patience))
	return errors.Join(err, p.failure())
}

func (p *natsProducer) flush() error {
	select {
	case <-p.streams.PublishAsyncComplete():
		return p.failure()
	case <-p.connection.StatusChanged(nats.CLOSED):
		return errors.Join(errors.New("the connection ended"), p.failure())
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *natsProducer) close() { p.connection.Close() }

type natsConsumer struct {
	connection *nats.Conn
	reading    jetstream.ConsumeContext
	messages   chan jetstream.Msg
	failed     chan error
	closed     chan struct{}
}

func (j jetStream) consumer(ctx context.Context, topics []string) (consumer, error) {
	connection, streams, err := j.connect()
	if err != nil {
		return nil, err
	}
	c := &natsConsumer{connection: connection, messages: make(chan jetstream.Msg, natsHandOver),
		failed: make(chan error, 1), closed: make(chan struct{})}
	subjects := topics
	if len(topics) > 1 {
		subjects = []string{streamOf(topics[0]) + ".*"}
	}
	made, err := streams.OrderedConsumer(ctx, streamOf(topics[0]),
		jetstream.OrderedConsumerConfig{FilterSubjects: subjects})
	if err == nil {
		c.reading, err = made.Consume(c.take, jetstream.PullMaxMessages(j.pullMost()),
			jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { c.fail(err) }))
	}
	if err != nil {
		connection.Close()
		return nil, err
	}
	return c, nil
}

func (c *natsConsumer) take(message jetstream.Msg) {
	select {
	case c.messages <- message:
	case <-c.closed:
	}
}

func (c *natsConsumer) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

func (c *natsConsumer) next(ctx context.Context, each func([]byte)) error {
	select {
	case message := <-c.messages:
		each(message.Data())
	case err := <-c.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	for range len(c.messages) {
		each((<-c.messages).Data())
	}
	return nil
}

func (c *natsConsumer) close() {
	close(c.closed)
	c.reading.Stop()
	c.connection.Close()
}
