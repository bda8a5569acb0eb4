// The client cases for Sarama.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	. "barnabas.dev/e2e/clients/cases"
)

type client struct {
	bootstrap, run string
	admin          sarama.ClusterAdmin
}

func config(change ...func(*sarama.Config)) *sarama.Config {
	settings := sarama.NewConfig()
	settings.Version = sarama.MaxVersion
	settings.ClientID = "describer"
	settings.Producer.Idempotent = true
	settings.Producer.RequiredAcks = sarama.WaitForAll
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	settings.Producer.Flush.Frequency = 20 * time.Millisecond
	settings.Net.MaxOpenRequests = 1
	settings.Metadata.RefreshFrequency = 500 * time.Millisecond
	settings.Metadata.AllowAutoTopicCreation = false
	settings.Consumer.Offsets.Initial = sarama.OffsetOldest
	settings.Consumer.Offsets.AutoCommit.Enable = false
	settings.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	settings.Consumer.MaxWaitTime = 100 * time.Millisecond
	for _, each := range change {
		each(settings)
	}
	return settings
}

func (c *client) topic(name string, partitions int32) string {
	full := name + "-" + c.run
	Must(c.admin.CreateTopic(full, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	return full
}

func (c *client) produce(messages []*sarama.ProducerMessage, change ...func(*sarama.Config)) {
	producer := Get(sarama.NewSyncProducer([]string{c.bootstrap}, config(change...)))
	defer producer.Close()
	Must(producer.SendMessages(messages))
}

func (c *client) numbered(topic string, partition int32, start, count int) {
	var messages []*sarama.ProducerMessage
	for n := start; n < start+count; n++ {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: partition, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder(strconv.Itoa(n))})
	}
	c.produce(messages)
}

func (c *client) assigned() sarama.Consumer {
	return Get(sarama.NewConsumer([]string{c.bootstrap}, config()))
}

// open starts reading a partition. Apache Kafka may answer a creation a moment before the broker leads the new partition, and
// Sarama leaves that to its user.
func open(consumer sarama.Consumer, topic string, partition int32, offset int64) sarama.PartitionConsumer {
	var opened sarama.PartitionConsumer
	Await("the broker leads the partition", func() (ready bool) {
		var err error
		opened, err = consumer.ConsumePartition(topic, partition, offset)
		if errors.Is(err, sarama.ErrNotLeaderForPartition) {
			return false
		}
		Must(err)
		return true
	})
	return opened
}

// next is the next count messages of a channel.
func next(messages <-chan *sarama.ConsumerMessage, count int) (came []*sarama.ConsumerMessage) {
	deadline := time.After(Deadline)
	for len(came) < count {
		select {
		case message, open := <-messages:
			Check(open, "the consumer stopped after %d of %d messages", len(came), count)
			came = append(came, message)
		case <-deadline:
			Check(false, "only %d of %d messages came", len(came), count)
		}
	}
	return came
}

func quiet(messages <-chan *sarama.ConsumerMessage, wait time.Duration) {
	select {
	case message := <-messages:
		Check(false, "an unexpected message came: %+v", message)
	case <-time.After(wait):
	}
}

func numbers(messages []*sarama.ConsumerMessage) (values []int) {
	for _, message := range messages {
		values = append(values, Get(strconv.Atoi(string(message.Value))))
	}
	return values
}

// member is one member of a consumer group; its messages come through an unbuffered channel, so that what was not taken
// was not delivered.
type member struct {
	group    sarama.ConsumerGroup
	messages chan *sarama.ConsumerMessage
	held     atomic.Int32
	session  atomic.Pointer[sarama.ConsumerGroupSession]
	stop     context.CancelFunc
	stopped  chan struct{}
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	held := 0
	for _, partitions := range session.Claims() {
		held += len(partitions)
	}
	m.session.Store(&session)
	m.held.Store(int32(held))
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.held.Store(0)
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			select {
			case m.messages <- message:
			case <-session.Context().Done():
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (c *client) join(group, topic string) *member {
	ctx, stop := context.WithCancel(context.Background())
	m := &member{messages: make(chan *sarama.ConsumerMessage), stop: stop, stopped: make(chan struct{})}
	m.group = Get(sarama.NewConsumerGroup([]string{c.bootstrap}, group, config()))
	go func() {
		defer close(m.stopped)
		// Consume returns at every rebalance, and with an error while the topic does not exist.
		for ctx.Err() == nil {
			if m.group.Consume(ctx, []string{topic}, m) != nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) commit(messages []*sarama.ConsumerMessage) {
	session := *m.session.Load()
	for _, message := range messages {
		session.MarkMessage(message, "")
	}
	session.Commit()
}

func (m *member) leave() {
	m.stop()
	<-m.stopped
	m.group.Close()
}

func (c *client) committed(group, topic string, partition int32) int64 {
	reply := Get(c.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {partition}}))
	return reply.GetBlock(topic, partition).Offset
}

func (c *client) produceCodec(name string) {
	codec := map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}[name]
	topic := c.topic("produce-"+name, 1)
	var messages []*sarama.ProducerMessage
	for n := range 500 {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprintf("key-%d", n)), Value: sarama.ByteEncoder(Payload(n))})
	}
	c.produce(messages, func(settings *sarama.Config) { settings.Producer.Compression = codec })
	consumer := c.assigned()
	defer consumer.Close()
	partition := open(consumer, topic, 0, sarama.OffsetOldest)
	defer partition.Close()
	for n, message := range next(partition.Messages(), 500) {
		Check(message.Offset == int64(n), "offset %d instead of %d", message.Offset, n)
		Check(string(message.Key) == fmt.Sprintf("key-%d", n), "the key of %d differs", n)
		Check(bytes.Equal(message.Value, Payload(n)), "the value of %d differs", n)
	}
	quiet(partition.Messages(), 300*time.Millisecond)
}

func (c *client) headers() {
	topic := c.topic("headers", 1)
	headers := []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: []byte{}}, {Key: []byte("a"), Value: []byte("2")},
		{Key: []byte("c")}, {Key: []byte("a"), Value: []byte("1")}}
	c.produce([]*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder("v"), Headers: headers}})
	consumer := c.assigned()
	defer consumer.Close()
	partition := open(consumer, topic, 0, sarama.OffsetOldest)
	defer partition.Close()
	came := next(partition.Messages(), 1)[0].Headers
	Check(len(came) == len(headers), "%d headers came", len(came))
	for i, header := range came {
		same := bytes.Equal(header.Key, headers[i].Key) && bytes.Equal(header.Value, headers[i].Value)
		Check(same, "header %d came back as %+v", i, header)
	}
}

func (c *client) assignAtStoredOffset() {
	topic, group := c.topic("assign", 1), "assign-"+c.run
	c.numbered(topic, 0, 0, 100)
	connection := Get(sarama.NewClient([]string{c.bootstrap}, config()))
	defer connection.Close()
	writer := Get(sarama.NewOffsetManagerFromClient(group, connection))
	partitionWriter := Get(writer.ManagePartition(topic, 0))
	partitionWriter.MarkOffset(40, "noted")
	writer.Commit()
	partitionWriter.AsyncClose()
	Must(writer.Close())
	reader := Get(sarama.NewOffsetManagerFromClient(group, connection))
	defer reader.Close()
	stored := Get(reader.ManagePartition(topic, 0))
	defer stored.AsyncClose()
	offset, metadata := stored.NextOffset()
	Check(offset == 40 && metadata == "noted", "the stored offset is %d, %q", offset, metadata)
	consumer := c.assigned()
	defer consumer.Close()
	partition := open(consumer, topic, 0, offset)
	Check(InOrder(numbers(next(partition.Messages(), 60)), 40, 100), "not the records 40 to 99")
	Must(partition.Close())
	partition = open(consumer, topic, 0, 97)
	defer partition.Close()
	Check(InOrder(numbers(next(partition.Messages(), 3)), 97, 100), "an assigned offset is not where reading starts")
}

func (c *client) groupSharesPartitions() {
	topic, group := c.topic("shares", 4), "shares-"+c.run
	first, second := c.join(group, topic), c.join(group, topic)
	defer second.leave()
	Await("each member holds two partitions", func() bool { return first.held.Load() == 2 && second.held.Load() == 2 })
	for partition := range 4 {
		c.numbered(topic, int32(partition), partition*25, 25)
	}
	firsts, seconds := next(first.messages, 50), next(second.messages, 50)
	Check(SameNumbers(append(numbers(firsts), numbers(seconds)...), 0, 100), "the members did not get each record once")
	first.commit(firsts)
	second.commit(seconds)
	first.leave()
	Await("the remaining member holds all partitions", func() bool { return second.held.Load() == 4 })
	quiet(second.messages, 300*time.Millisecond)
}

func (c *client) commitAndResume() {
	topic, group := c.topic("resume", 1), "resume-"+c.run
	c.numbered(topic, 0, 0, 100)
	consumer := c.join(group, topic)
	consumer.commit(next(consumer.messages, 60))
	consumer.leave()
	consumer = c.join(group, topic)
	defer consumer.leave()
	Check(InOrder(numbers(next(consumer.messages, 40)), 60, 100), "did not resume at 60")
	Check(c.committed(group, topic, 0) == 60, "the committed offset is %d", c.committed(group, topic, 0))
}

func (c *client) publishSubscribe() {
	topic := c.topic("publish", 2)
	c.numbered(topic, 0, 0, 50)
	c.numbered(topic, 1, 50, 50)
	for n := range 2 {
		consumer := c.join(fmt.Sprintf("publish-%d-%s", n, c.run), topic)
		Check(SameNumbers(numbers(next(consumer.messages, 100)), 0, 100), "a group did not get every record once")
		consumer.leave()
	}
}

func (c *client) pauseResume() {
	topic := c.topic("pause", 2)
	consumer := c.assigned()
	defer consumer.Close()
	other := open(consumer, topic, 0, sarama.OffsetOldest)
	defer other.Close()
	paused := open(consumer, topic, 1, sarama.OffsetOldest)
	defer paused.Close()
	paused.Pause()
	// A fetch that was under way when the partition was paused is still delivered: let it run out before there is anything to get.
	quiet(paused.Messages(), 500*time.Millisecond)
	c.numbered(topic, 1, 0, 50)
	c.numbered(topic, 0, 0, 50)
	next(other.Messages(), 50)
	quiet(paused.Messages(), time.Second)
	paused.Resume()
	Check(InOrder(numbers(next(paused.Messages(), 50)), 0, 50), "resumed, not all came")
}

func (c *client) createTopicByName() {
	name := "by-name-" + c.run
	byName := &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1}
	// Only the bare request shows the reply's echo of what the broker chose.
	request := sarama.NewCreateTopicsRequest(sarama.MaxVersion, map[string]*sarama.TopicDetail{name: byName}, Deadline, false)
	reply := Get(Get(c.admin.Controller()).CreateTopics(request))
	Check(reply.TopicErrors[name].Err == sarama.ErrNoError, "the error is %v", reply.TopicErrors[name].Err)
	echo := reply.TopicResults[name]
	Check(echo.NumPartitions == 3 && echo.ReplicationFactor == 1, "the reply says %d partitions, %d replicas", echo.NumPartitions, echo.ReplicationFactor)
	retention := echo.Configs["retention.ms"]
	Check(retention != nil && retention.Value != nil && *retention.Value == "604800000", "the reply's retention.ms is not the default")
	Check(len(Get(c.admin.DescribeTopics([]string{name}))[0].Partitions) == 3, "not 3 partitions")
	err := c.admin.CreateTopic(name, byName, false)
	Check(errors.Is(err, sarama.ErrTopicAlreadyExists), "again: %v", err)
	err = c.admin.CreateTopic("no spaces allowed", byName, false)
	Check(errors.Is(err, sarama.ErrInvalidTopic), "a bad name: %v", err)
}

func (c *client) growPartitions() {
	topic, group := c.topic("grow", 1), "grow-"+c.run
	consumer := c.join(group, topic)
	defer consumer.leave()
	c.numbered(topic, 0, 0, 10)
	consumer.commit(next(consumer.messages, 10))
	Must(c.admin.CreatePartitions(topic, 3, nil, false))
	c.numbered(topic, 1, 10, 10)
	c.numbered(topic, 2, 20, 10)
	Check(SameNumbers(numbers(next(consumer.messages, 20)), 10, 30), "not the records of the new partitions")
	Check(consumer.held.Load() == 3, "the member holds %d partitions", consumer.held.Load())
}

func (c *client) deleteRecords() {
	topic := c.topic("delete", 1)
	c.numbered(topic, 0, 0, 100)
	Must(c.admin.DeleteRecords(topic, map[int32]int64{0: 30}))
	connection := Get(sarama.NewClient([]string{c.bootstrap}, config()))
	defer connection.Close()
	Check(Get(connection.GetOffset(topic, 0, sarama.OffsetOldest)) == 30, "the earliest offset is not 30")
	Check(Get(connection.GetOffset(topic, 0, sarama.OffsetNewest)) == 100, "the end is not 100")
	consumer := c.assigned()
	defer consumer.Close()
	// Sarama leaves the choice of where to go on to its user: below the earliest offset it says so.
	_, err := consumer.ConsumePartition(topic, 0, 5)
	Check(errors.Is(err, sarama.ErrOffsetOutOfRange), "reading below the earliest offset: %v", err)
	partition := open(consumer, topic, 0, sarama.OffsetOldest)
	defer partition.Close()
	Check(InOrder(numbers(next(partition.Messages(), 70)), 30, 100), "reading from the earliest does not start at 30")
}

func (c *client) describeGroups() {
	topic, group := c.topic("describe", 2), "describe-"+c.run
	consumer := c.join(group, topic)
	c.numbered(topic, 0, 0, 1)
	consumer.commit(next(consumer.messages, 1))
	_, listed := Get(c.admin.ListConsumerGroups())[group]
	Check(listed, "a live group is not listed")
	described := Get(c.admin.DescribeConsumerGroups([]string{group}))[0]
	Check(described.State == "Stable", "the state is %s", described.State)
	Check(len(described.Members) == 1, "%d members", len(described.Members))
	for _, member := range described.Members {
		Check(member.ClientId == "describer", "the client id is %s", member.ClientId)
		partitions := Get(member.GetMemberAssignment()).Topics[topic]
		slices.Sort(partitions)
		Check(slices.Equal(partitions, []int32{0, 1}), "the assignment is %v", partitions)
	}
	consumer.leave()
	described = Get(c.admin.DescribeConsumerGroups([]string{group}))[0]
	Check(described.State == "Empty" && len(described.Members) == 0, "left, the state is %s", described.State)
	Must(c.admin.DeleteConsumerGroup(group))
	_, listed = Get(c.admin.ListConsumerGroups())[group]
	Check(!listed, "a deleted group is still listed")
}

func (c *client) consumerBeforeTopic() {
	consumer := c.join("before-"+c.run, "before-"+c.run)
	defer consumer.leave()
	quiet(consumer.messages, time.Second)
	c.numbered(c.topic("before", 1), 0, 0, 10)
	Check(InOrder(numbers(next(consumer.messages, 10)), 0, 10), "not the ten records in order")
}

func (c *client) offsetForTime() {
	topic := c.topic("time", 1)
	var messages []*sarama.ProducerMessage
	for n := range 10 {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("v"), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(n)*1000)})
	}
	c.produce(messages)
	connection := Get(sarama.NewClient([]string{c.bootstrap}, config()))
	defer connection.Close()
	at := func(timestamp int64) int64 { return Get(connection.GetOffset(topic, 0, timestamp)) }
	Check(at(1_700_000_003_500) == 4, "the offset is %d instead of 4", at(1_700_000_003_500))
	Check(at(1_700_000_004_000) == 4, "an exact timestamp does not find its record")
	Check(at(1_700_000_010_000) == -1, "a time after the last record finds %d", at(1_700_000_010_000))
}

func main() {
	Main(func(bootstrap, run string) []Case {
		c := &client{bootstrap: bootstrap, run: run}
		c.admin = Get(sarama.NewClusterAdmin([]string{bootstrap}, config()))
		var all []Case
		for _, codec := range Codecs {
			all = append(all, Case{Name: "produce-" + codec, Run: func() { c.produceCodec(codec) }})
		}
		return append(all, []Case{
			{Name: "headers", Run: c.headers},
			{Name: "assign-at-stored-offset", Run: c.assignAtStoredOffset},
			{Name: "group-shares-partitions", Run: c.groupSharesPartitions},
			{Name: "commit-and-resume", Run: c.commitAndResume},
			{Name: "publish-subscribe", Run: c.publishSubscribe},
			{Name: "pause-resume", Run: c.pauseResume},
			{Name: "create-topic-by-name", Run: c.createTopicByName},
			{Name: "grow-partitions", Run: c.growPartitions},
			{Name: "delete-records", Run: c.deleteRecords},
			{Name: "describe-groups", Run: c.describeGroups},
			{Name: "consumer-before-topic", Run: c.consumerBeforeTopic},
			{Name: "offset-for-time", Run: c.offsetForTime},
		}...)
	})
}
