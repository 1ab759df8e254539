package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

func init() { drivers["redis"] = func(o *options) driver { return redisStreams{o} } }

// redisStreams keeps a topic in a stream.
type redisStreams struct{ *options }

const (
	redisReadBytes  = 1 << 20
	redisReadMost   = 5000
	redisBlock      = 50 * time.Millisecond
	redisField      = "v"
	redisReadsAhead = 1
)

func (r redisStreams) readCount() int { return max(1, min(redisReadMost, redisReadBytes/r.size)) }

func (r redisStreams) settings() []string {
	return []string{
		"client " + client("github.com/redis/go-redis/v9"),
		fmt.Sprintf("XADD TOPIC * %s RECORD in pipelines: what came while one was under way is the next", redisField),
		fmt.Sprintf("%d records queued or unacknowledged a producer, at most half in a pipeline", r.unacknowledged()),
		fmt.Sprintf("consumer: XREAD COUNT %d BLOCK %d, an answer is asked for while the one before is checked",
			r.readCount(), redisBlock.Milliseconds()),
	}
}

func (r redisStreams) lacks(string) string { return "" }

// create has nothing to do: a stream begins with its first record.
func (r redisStreams) create(ctx context.Context, _ []string) error {
	base := r.connect()
	defer base.Close()
	return base.Ping(ctx).Err()
}

func (r redisStreams) connect() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: r.address, PoolSize: 1, DisableIdentity: true, MaxRetries: -1, ContextTimeoutEnabled: true,
		ReadTimeout: r.patience, WriteTimeout: r.patience,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

type redisProducer struct {
	client *redis.Client
	window *window
	queue  chan addressed
	done   chan struct{}
}

func (r redisStreams) producer(ctx context.Context) (producer, error) {
	most := r.unacknowledged()
	p := &redisProducer{r.connect(), newWindow(ctx, most), make(chan addressed, most), make(chan struct{})}
	if err := p.client.Ping(ctx).Err(); err != nil {
		p.client.Close()
		return nil, err
	}
	go p.run(ctx, max(1, most/2))
	return p, nil
}

// run sends a pipeline at a time, so that the records stay in order.
func (p *redisProducer) run(ctx context.Context, most int) {
	defer close(p.done)
	batch := make([]addressed, 0, most)
	for {
		batch = gather(p.queue, batch[:0])
		if len(batch) == 0 {
			return
		}
		_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, one := range batch {
				pipe.Do(ctx, "XADD", one.topic, "*", redisField, one.value)
			}
			return nil
		})
		if err != nil {
			p.window.fail(err)
		}
		p.window.release(len(batch))
	}
}

func (p *redisProducer) send(topic string, value []byte) error {
	if err := p.window.acquire(); err != nil {
		return err
	}
	p.queue <- addressed{topic, value}
	return nil
}

func (p *redisProducer) flush() error { return p.window.drained() }

func (p *redisProducer) close() {
	p.window.stop()
	close(p.queue)
	p.client.Close()
	<-p.done
}

// A redisConsumer reads ahead by one answer.
type redisConsumer struct {
	client  *redis.Client
	stop    context.CancelFunc
	answers chan []redis.XStream
	failed  error // before answers is closed
}

func (r redisStreams) consumer(ctx context.Context, topics []string) (consumer, error) {
	ctx, stop := context.WithCancel(ctx)
	c := &redisConsumer{client: r.connect(), stop: stop, answers: make(chan []redis.XStream, redisReadsAhead)}
	go c.run(ctx, topics, int64(r.readCount()))
	return c, nil
}

func (c *redisConsumer) run(ctx context.Context, topics []string, count int64) {
	defer close(c.answers)
	after, place := make([]string, len(topics)), map[string]int{}
	for i, topic := range topics {
		after[i], place[topic] = "0", i
	}
	for {
		words := append(append([]string{}, topics...), after...)
		answer, err := c.client.XRead(ctx, &redis.XReadArgs{Streams: words, Count: count, Block: redisBlock}).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			c.failed = err
			return
		}
		for _, stream := range answer {
			after[place[stream.Stream]] = stream.Messages[len(stream.Messages)-1].ID
		}
		select {
		case c.answers <- answer:
		case <-ctx.Done():
			c.failed = ctx.Err()
			return
		}
	}
}

func (c *redisConsumer) next(ctx context.Context, each func([]byte)) error {
	select {
	case answer, open := <-c.answers:
		if !open {
			return c.failed
		}
		for _, stream := range answer {
			for _, message := range stream.Messages {
				value, _ := message.Values[redisField].(string)
				each([]byte(value))
			}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *redisConsumer) close() {
	c.stop()
	c.client.Close()
	for range c.answers {
	}
}
