package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

func init() { drivers["beanstalkd"] = func(o *options) driver { return beanstalk{o} } }

// beanstalk keeps a topic in a tube. It speaks the protocol (doc/protocol.txt of beanstalkd) itself, since
// the client libraries wait for the answer to each put.
type beanstalk struct{ *options }

const (
	beanstalkDepth    = 256
	beanstalkPriority = 1024
	beanstalkSeconds  = 3600 // until a job that was reserved is given to another
	beanstalkBuffer   = 64 << 10
)

func (b beanstalk) settings() []string {
	return []string{
		"client: the protocol itself, puts pipelined",
		fmt.Sprintf("%d puts unanswered a producer", b.unacknowledged()),
		fmt.Sprintf("consumer: reserve and delete, up to %d jobs pipelined while the tube has them; what was read is gone",
			beanstalkDepth),
	}
}

func (b beanstalk) lacks(mode string) string {
	if mode == "fanout" || b.consumers > 1 {
		return "a job is given to one worker and then deleted: no second consumer can read it"
	}
	return ""
}

// create has nothing to do: a tube is there while it has jobs or users.
func (b beanstalk) create(ctx context.Context, _ []string) error {
	c, err := b.connect(ctx)
	if err == nil {
		c.Close()
	}
	return err
}

type beanstalkConnection struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func (b beanstalk) connect(ctx context.Context) (*beanstalkConnection, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", b.address)
	if err != nil {
		return nil, err
	}
	return &beanstalkConnection{c, bufio.NewReaderSize(c, beanstalkBuffer), bufio.NewWriterSize(c, beanstalkBuffer)}, nil
}

// answer is a line; its bytes last until the next one is read.
func (c *beanstalkConnection) answer() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimSuffix(line, []byte("\r\n")), err
}

// expect reads an answer that begins with a word.
func (c *beanstalkConnection) expect(word string) error {
	line, err := c.answer()
	if err == nil && !bytes.HasPrefix(line, []byte(word)) {
		err = fmt.Errorf("beanstalkd answered %q, not %s", line, word)
	}
	return err
}

type beanstalkProducer struct {
	*beanstalkConnection
	window   *window
	queue    chan addressed
	expected chan string // the first words of the answers that are to come
}

func (b beanstalk) producer(ctx context.Context) (producer, error) {
	c, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	most := b.unacknowledged()
	p := &beanstalkProducer{c, newWindow(ctx, most), make(chan addressed, most), make(chan string, 2*most)}
	go p.write(most)
	go p.read()
	return p, nil
}

func (p *beanstalkProducer) write(most int) {
	defer close(p.expected)
	batch := make([]addressed, 0, most)
	tube := ""
	for {
		batch = gather(p.queue, batch[:0])
		if len(batch) == 0 {
			return
		}
		for _, one := range batch {
			if one.topic != tube {
				tube = one.topic
				p.expected <- "USING"
				fmt.Fprintf(p.out, "use %s\r\n", tube)
			}
			p.expected <- "INSERTED"
			p.put(one.value)
		}
		if err := p.out.Flush(); err != nil {
			p.window.fail(err)
			return
		}
	}
}

// put leaves errors to the flush.
func (p *beanstalkProducer) put(value []byte) {
	line := append(p.out.AvailableBuffer(), "put "...)
	line = strconv.AppendInt(line, beanstalkPriority, 10)
	line = append(line, " 0 "...)
	line = strconv.AppendInt(line, beanstalkSeconds, 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, int64(len(value)), 10)
	p.out.Write(append(line, "\r\n"...))
	p.out.Write(value)
	p.out.WriteString("\r\n")
}

func (p *beanstalkProducer) read() {
	for word := range p.expected {
		if err := p.expect(word); err != nil {
			p.window.fail(err)
			for range p.expected {
			}
			return
		}
		if word == "INSERTED" {
			p.window.release(1)
		}
	}
}

func (p *beanstalkProducer) send(topic string, value []byte) error {
	if err := p.window.acquire(); err != nil {
		return err
	}
	p.queue <- addressed{topic, value}
	return nil
}

func (p *beanstalkProducer) flush() error { return p.window.drained() }

func (p *beanstalkProducer) close() {
	p.window.stop()
	close(p.queue)
	p.Close()
}

// A beanstalkConsumer asks for one job and waits for it; while jobs come at once it asks for twice as many
// without waiting, and deletes those before with the same bytes.
type beanstalkConsumer struct {
	*beanstalkConnection
	depth int
	taken []uint64
}

func (b beanstalk) consumer(ctx context.Context, topics []string) (consumer, error) {
	c, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		fmt.Fprintf(c.out, "watch %s\r\n", topic)
	}
	fmt.Fprintf(c.out, "ignore default\r\n")
	err = c.out.Flush()
	for range len(topics) + 1 {
		err = errors.Join(err, c.expect("WATCHING"))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &beanstalkConsumer{c, 1, nil}, nil
}

func (c *beanstalkConsumer) next(ctx context.Context, each func([]byte)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := 0
		if c.depth == 1 {
			wait = 1
		}
		deleted := c.deletes()
		for range c.depth {
			fmt.Fprintf(c.out, "reserve-with-timeout %d\r\n", wait)
		}
		if err := c.out.Flush(); err != nil {
			return err
		}
		if err := c.deletions(deleted); err != nil {
			return err
		}
		got := 0
		for range c.depth {
			one, err := c.reserved(each)
			if err != nil {
				return err
			}
			got += one
		}
		full := got == c.depth
		c.depth = min(2*c.depth, beanstalkDepth)
		if !full {
			c.depth = 1
		}
		if got > 0 {
			return nil
		}
	}
}

// deletes asks for the end of the jobs that were handed on.
func (c *beanstalkConsumer) deletes() int {
	count := len(c.taken)
	for _, id := range c.taken {
		line := append(c.out.AvailableBuffer(), "delete "...)
		line = strconv.AppendUint(line, id, 10)
		c.out.Write(append(line, "\r\n"...))
	}
	c.taken = c.taken[:0]
	return count
}

func (c *beanstalkConsumer) deletions(count int) error {
	for range count {
		if err := c.expect("DELETED"); err != nil {
			return err
		}
	}
	return nil
}

// reserved hands on one job, or none if it was not there in time.
func (c *beanstalkConsumer) reserved(each func([]byte)) (int, error) {
	line, err := c.answer()
	if err != nil {
		return 0, err
	}
	if bytes.Equal(line, []byte("TIMED_OUT")) {
		return 0, nil
	}
	words, _ := bytes.CutPrefix(line, []byte("RESERVED "))
	first, second, _ := bytes.Cut(words, []byte(" "))
	id, wrong := strconv.ParseUint(string(first), 10, 64)
	size, alsoWrong := strconv.Atoi(string(second))
	if wrong != nil || alsoWrong != nil || size > largestRecord {
		return 0, fmt.Errorf("beanstalkd answered %q, not RESERVED", line)
	}
	value := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(c.in, value); err != nil {
		return 0, err
	}
	each(value[:size])
	c.taken = append(c.taken, id)
	return 1, nil
}

// close deletes what the last next handed on.
func (c *beanstalkConsumer) close() {
	count := c.deletes()
	if c.out.Flush() == nil {
		c.deletions(count)
	}
	c.Close()
}
