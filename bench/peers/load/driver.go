package main

import "context"

// A driver speaks to one kind of server. A topic is whatever of that kind keeps records in order.
type driver interface {
	// settings of the client, for those who read the results.
	settings() []string
	// lacks is why this kind of server cannot do a mode, or "".
	lacks(mode string) string
	// create makes the topics; it is none of its business whether they were there.
	create(ctx context.Context, topics []string) error
	producer(ctx context.Context) (producer, error)
	// consumer reads the topics from their start; each consumer is given all records.
	consumer(ctx context.Context, topics []string) (consumer, error)
}

// A producer sends in order, many records before the first is acknowledged, but never more than the window.
type producer interface {
	// send may wait for the window. The bytes are the producer's from here on.
	send(topic string, value []byte) error
	// flush waits until all is acknowledged; the first failure of any record is its error, or one of send's.
	flush() error
	close()
}

// A consumer hands on what has come.
type consumer interface {
	// next waits for at least one record; the bytes are the consumer's again when each has returned.
	next(ctx context.Context, each func(value []byte)) error
	close()
}

var drivers = map[string]func(*options) driver{}

// prepare makes the topics, and the producers with their connections.
func prepare(ctx context.Context, server driver, names []string, producers int) ([]producer, error) {
	if err := server.create(ctx, names); err != nil {
		return nil, err
	}
	var made []producer
	for range producers {
		one, err := server.producer(ctx)
		if err != nil {
			closeAll(made)
			return nil, err
		}
		made = append(made, one)
	}
	return made, nil
}

func closeAll(producers []producer) {
	for _, one := range producers {
		one.close()
	}
}
