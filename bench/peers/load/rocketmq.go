package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	rocketconsumer "github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	rocketproducer "github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

func init() {
	drivers["rocketmq"] = func(o *options) driver {
		rlog.SetLogLevel("fatal") // what fails is returned as well
		return rocketMQ{o}
	}
}

// rocketMQ keeps a topic in one queue, which is what has an order.
type rocketMQ struct{ *options }

const (
	rocketBatchBytes   = 1 << 20 // the broker takes 4 MiB
	rocketPullMost     = 1024    // the broker gives 32 where nothing else is set
	rocketPullsAhead   = 1
	rocketTopicsAtOnce = 32
	rocketRetry        = 5 * time.Millisecond
	rocketBusy         = "CODE: 2," // the broker did not take it
	rocketGroup        = "load"
	rocketUncompressed = 1 << 30
	rocketRoute        = 105      // a request for the brokers of a topic
	rocketAnyTopic     = "TBW102" // what each broker registers that makes topics by itself
)

var rocketClients atomic.Int64

// rocketInstance is a name that no other client has; equal ones would share a connection.
func rocketInstance() string { return fmt.Sprintf("load-%d", rocketClients.Add(1)) }

// rocketTopic is the name there, which may have no dot.
func rocketTopic(topic string) string { return strings.ReplaceAll(topic, ".", "_") }

func (r rocketMQ) batchMost() int {
	return max(1, min(r.unacknowledged()/2, rocketBatchBytes/r.size))
}

func (r rocketMQ) settings() []string {
	return []string{
		"client " + client("github.com/apache/rocketmq-client-go/v2"),
		"topics of one queue, no compression",
		"SendSync in batches: what came while one was under way is the next, since SendAsync keeps no order",
		fmt.Sprintf("%d records queued or unacknowledged a producer, up to %d in a batch; a batch that the broker refuses "+
			"as too busy is sent again", r.unacknowledged(), r.batchMost()),
		fmt.Sprintf("consumer: PullFrom of up to %d records (the broker gives up to 32), the next pull is under way while "+
			"records are checked", rocketPullMost),
	}
}

func (r rocketMQ) lacks(string) string { return "" }

func (r rocketMQ) resolver() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{r.address})
}

func (r rocketMQ) create(ctx context.Context, topics []string) error {
	broker, err := r.broker(ctx)
	if err != nil {
		return err
	}
	tool, err := admin.NewAdmin(admin.WithResolver(r.resolver()))
	if err != nil {
		return err
	}
	defer tool.Close()
	for _, topic := range topics {
		if err := r.createOne(ctx, tool, broker, rocketTopic(topic)); err != nil {
			return err
		}
	}
	return nil
}

// createOne returns when the name server knows the topic; the client does not look at the broker's answer.
func (r rocketMQ) createOne(ctx context.Context, tool admin.Admin, broker, topic string) error {
	limited, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	err := tool.CreateTopic(limited, admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(broker),
		admin.WithReadQueueNums(1), admin.WithWriteQueueNums(1))
	for err == nil {
		queues, missing := tool.FetchPublishMessageQueues(limited, topic)
		if missing == nil && len(queues) == 1 {
			return nil
		}
		if missing == nil && len(queues) > 1 {
			return fmt.Errorf("topic %s has %d queues", topic, len(queues))
		}
		if err = limited.Err(); err != nil {
			return errors.Join(err, missing)
		}
		time.Sleep(rocketRetry)
	}
	return err
}

type rocketProducer struct {
	client   rocketmq.Producer
	stop     context.CancelFunc
	window   *window
	queue    chan addressed
	done     chan struct{}
	patience time.Duration
}

func (r rocketMQ) producer(ctx context.Context) (producer, error) {
	base, err := rocketmq.NewProducer(rocketproducer.WithNsResolver(r.resolver()),
		rocketproducer.WithInstanceName(rocketInstance()), rocketproducer.WithGroupName(rocketGroup),
		rocketproducer.WithRetry(0), rocketproducer.WithSendMsgTimeout(r.patience),
		rocketproducer.WithCompressMsgBodyOverHowmuch(rocketUncompressed))
	if err == nil {
		err = base.Start()
	}
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	most := r.unacknowledged()
	p := &rocketProducer{base, stop, newWindow(ctx, most), make(chan addressed, most), make(chan struct{}), r.patience}
	go p.run(ctx, r.batchMost())
	return p, nil
}

// run has one batch of a topic under way, so that the records stay in order.
func (p *rocketProducer) run(ctx context.Context, most int) {
	defer close(p.done)
	gathered := make([]addressed, 0, most)
	for {
		gathered = gather(p.queue, gathered[:0])
		if len(gathered) == 0 {
			return
		}
		batches := map[string][]*primitive.Message{}
		for _, one := range gathered {
			batches[one.topic] = append(batches[one.topic], primitive.NewMessage(rocketTopic(one.topic), one.value))
		}
		var all sync.WaitGroup
		places := make(chan struct{}, rocketTopicsAtOnce)
		for _, batch := range batches {
			places <- struct{}{}
			all.Go(func() {
				if err := p.sendBatch(ctx, batch); err != nil {
					p.window.fail(err)
				}
				<-places
			})
		}
		all.Wait()
		p.window.release(len(gathered))
	}
}

func (p *rocketProducer) sendBatch(ctx context.Context, batch []*primitive.Message) error {
	for limit := time.Now().Add(p.patience); ; {
		found, err := p.client.SendSync(ctx, batch...)
		if err == nil && found.Status != primitive.SendOK {
			return fmt.Errorf("the broker answered with status %d", found.Status)
		}
		if err == nil || !strings.HasPrefix(err.Error(), rocketBusy) || time.Now().After(limit) {
			return err
		}
		time.Sleep(rocketRetry)
	}
}

func (p *rocketProducer) send(topic string, value []byte) error {
	if err := p.window.acquire(); err != nil {
		return err
	}
	p.queue <- addressed{topic, value}
	return nil
}

func (p *rocketProducer) flush() error { return p.window.drained() }

func (p *rocketProducer) close() {
	p.window.stop()
	close(p.queue)
	p.stop()
	<-p.done
	p.client.Shutdown()
}

// A rocketConsumer has one pull for each topic under way.
type rocketConsumer struct {
	client  rocketmq.PullConsumer
	answers chan []*primitive.MessageExt
	failed  chan error
	closed  chan struct{}
}

func (r rocketMQ) consumer(_ context.Context, topics []string) (consumer, error) {
	instance := rocketInstance()
	base, err := rocketmq.NewPullConsumer(rocketconsumer.WithNsResolver(r.resolver()),
		rocketconsumer.WithInstance(instance), rocketconsumer.WithGroupName(instance))
	if err != nil {
		return nil, err
	}
	first := rocketTopic(topics[0])
	if err := base.Assign(first, nil); err != nil { // no queues, else it would read them by itself as well
		return nil, err
	}
	if err := base.Start(); err != nil {
		return nil, err
	}
	queues, err := base.GetTopicRouteInfo(first)
	if err == nil && len(queues) != 1 {
		err = fmt.Errorf("topic %s has %d queues", first, len(queues))
	}
	if err != nil {
		base.Shutdown()
		return nil, err
	}
	c := &rocketConsumer{base, make(chan []*primitive.MessageExt, rocketPullsAhead), make(chan error, 1), make(chan struct{})}
	for _, topic := range topics {
		go c.run(primitive.MessageQueue{Topic: rocketTopic(topic), BrokerName: queues[0].BrokerName})
	}
	return c, nil
}

// run may end seconds after close, since a pull cannot be taken back; the broker answers it within 20.
func (c *rocketConsumer) run(queue primitive.MessageQueue) {
	for after := int64(0); ; {
		answer, err := c.client.PullFrom(context.Background(), &queue, after, rocketPullMost)
		if err == nil && answer.Status == primitive.PullOffsetIllegal {
			err = fmt.Errorf("%s has no offset %d", queue.Topic, after)
		}
		if err != nil {
			select {
			case c.failed <- err:
			default:
			}
			return
		}
		after = answer.NextBeginOffset
		select {
		case <-c.closed:
			return
		default:
		}
		if answer.Status != primitive.PullFound {
			continue
		}
		select {
		case c.answers <- answer.GetMessageExts():
		case <-c.closed:
			return
		}
	}
}

func (c *rocketConsumer) next(ctx context.Context, each func([]byte)) error {
	select {
	case answer := <-c.answers:
		for _, message := range answer {
			each(message.Body)
		}
		return nil
	case err := <-c.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *rocketConsumer) close() {
	close(c.closed)
	c.client.Shutdown()
}

// broker asks the name server where the broker is, until one has registered: the client makes topics only by
// an address, which it does not tell.
func (r rocketMQ) broker(ctx context.Context) (string, error) {
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	limit := time.Now().Add(r.patience)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(limit) {
		limit = earlier
	}
	if err := connection.SetDeadline(limit); err != nil {
		return "", err
	}
	for {
		if found, err := rocketAsk(connection); found != "" || err != nil {
			return found, err
		}
		time.Sleep(rocketRetry)
	}
}

// rocketAsk is "" where the name server knows no broker yet.
func rocketAsk(connection net.Conn) (string, error) {
	header, err := json.Marshal(map[string]any{"code": rocketRoute, "language": "GO", "version": 0, "opaque": 1,
		"flag": 0, "extFields": map[string]string{"topic": rocketAnyTopic, "acceptStandardJsonOnly": "true"}})
	if err != nil {
		return "", err
	}
	request := binary.BigEndian.AppendUint32(nil, uint32(4+len(header)))
	request = binary.BigEndian.AppendUint32(request, uint32(len(header)))
	if _, err := connection.Write(append(request, header...)); err != nil {
		return "", err
	}
	var sizes [2]uint32
	if err := binary.Read(connection, binary.BigEndian, &sizes); err != nil {
		return "", err
	}
	length := sizes[1] & 0xFFFFFF
	if sizes[0] > rocketBatchBytes || length+4 > sizes[0] {
		return "", errors.New("the name server's answer cannot be read")
	}
	answer := make([]byte, sizes[0]-4)
	if _, err := io.ReadFull(connection, answer); err != nil || length == sizes[0]-4 {
		return "", err
	}
	var route struct {
		Brokers []struct {
			Addresses map[string]string `json:"brokerAddrs"`
		} `json:"brokerDatas"`
	}
	if err := json.Unmarshal(answer[length:], &route); err != nil {
		return "", fmt.Errorf("the name server's answer: %w", err)
	}
	if len(route.Brokers) != 1 {
		return "", nil
	}
	return route.Brokers[0].Addresses["0"], nil
}
