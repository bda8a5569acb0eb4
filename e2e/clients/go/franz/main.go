// The client cases for franz-go: its own client, and kadm for administration.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	. "barnabas.dev/e2e/clients/cases"
)

type client struct {
	bootstrap, run string
	admin          *kadm.Client
}

func (c *client) open(options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{kgo.SeedBrokers(c.bootstrap), kgo.MetadataMinAge(100 * time.Millisecond), kgo.MetadataMaxAge(500 * time.Millisecond), kgo.FetchMaxWait(500 * time.Millisecond)}
	return Get(kgo.NewClient(append(base, options...)...))
}

func within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (c *client) topic(name string, partitions int32) string {
	full := name + "-" + c.run
	Must(Get(c.admin.CreateTopic(within(), partitions, 1, nil, full)).Err)
	return full
}

func (c *client) produce(records []*kgo.Record, options ...kgo.Opt) {
	producer := c.open(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20*time.Millisecond))...)
	defer producer.Close()
	Must(producer.ProduceSync(within(), records...).FirstErr())
}

func (c *client) numbered(topic string, partition int32, start, count int) {
	var records []*kgo.Record
	for n := start; n < start+count; n++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(strconv.Itoa(n))})
	}
	c.produce(records)
}

func (c *client) member(group string, topic string, options ...kgo.Opt) *kgo.Client {
	return c.open(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.SessionTimeout(10*time.Second))...)
}

func (c *client) assigned(topic string, offsets map[int32]kgo.Offset) *kgo.Client {
	return c.open(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
}

// read is the next count records; a topic that is not there yet is waited for.
func read(consumer *kgo.Client, count int) (records []*kgo.Record) {
	ctx := within()
	for len(records) < count {
		fetches := consumer.PollRecords(ctx, count-len(records))
		fetches.EachError(func(topic string, partition int32, err error) {
			Check(errors.Is(err, kerr.UnknownTopicOrPartition), "only %d of %d records came: %s-%d: %v", len(records), count, topic, partition, err)
		})
		records = append(records, fetches.Records()...)
	}
	return records
}

func quiet(consumer *kgo.Client, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	for ctx.Err() == nil {
		Check(len(consumer.PollFetches(ctx).Records()) == 0, "an unexpected record came")
	}
}

func numbers(records []*kgo.Record) (values []int) {
	for _, record := range records {
		values = append(values, Get(strconv.Atoi(string(record.Value))))
	}
	return values
}

func (c *client) produceCodec(name string) {
	codec := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[name]
	topic := c.topic("produce-"+name, 1)
	var records []*kgo.Record
	for n := range 500 {
		records = append(records, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key-%d", n), Value: Payload(n)})
	}
	c.produce(records, kgo.ProducerBatchCompression(codec))
	consumer := c.assigned(topic, map[int32]kgo.Offset{0: kgo.NewOffset().AtStart()})
	defer consumer.Close()
	for n, record := range read(consumer, 500) {
		Check(record.Offset == int64(n), "offset %d instead of %d", record.Offset, n)
		Check(string(record.Key) == fmt.Sprintf("key-%d", n), "the key of %d differs", n)
		Check(bytes.Equal(record.Value, Payload(n)), "the value of %d differs", n)
	}
	quiet(consumer, 300*time.Millisecond)
}

func (c *client) headers() {
	topic := c.topic("headers", 1)
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte{}}, {Key: "a", Value: []byte("2")}, {Key: "c"}, {Key: "a", Value: []byte("1")}}
	c.produce([]*kgo.Record{{Topic: topic, Value: []byte("v"), Headers: headers}})
	consumer := c.assigned(topic, map[int32]kgo.Offset{0: kgo.NewOffset().AtStart()})
	defer consumer.Close()
	came := read(consumer, 1)[0].Headers
	Check(len(came) == len(headers), "%d headers came", len(came))
	for i, header := range came {
		same := header.Key == headers[i].Key && bytes.Equal(header.Value, headers[i].Value) && (header.Value == nil) == (headers[i].Value == nil)
		Check(same, "header %d came back as %+v", i, header)
	}
}

func (c *client) assignAtStoredOffset() {
	topic, group := c.topic("assign", 1), "assign-"+c.run
	c.numbered(topic, 0, 0, 100)
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 40, 0)
	Must(c.admin.CommitAllOffsets(within(), group, offsets))
	stored := Get(c.admin.FetchOffsets(within(), group))
	Must(stored.Error())
	consumer := c.open(kgo.ConsumePartitions(stored.KOffsets()))
	defer consumer.Close()
	Check(InOrder(numbers(read(consumer, 60)), 40, 100), "not the records 40 to 99")
	again := c.assigned(topic, map[int32]kgo.Offset{0: kgo.NewOffset().At(97)})
	defer again.Close()
	Check(InOrder(numbers(read(again, 3)), 97, 100), "an assigned offset is not where reading starts")
}

// counted gives options that keep track of how many partitions a member holds.
func counted(held *int) []kgo.Opt {
	change := func(sign int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			for _, some := range partitions {
				*held += sign * len(some)
			}
		}
	}
	// Rebalances are blocked while not polling, so that the callbacks run only inside a poll.
	return []kgo.Opt{kgo.OnPartitionsAssigned(change(1)), kgo.OnPartitionsRevoked(change(-1)), kgo.OnPartitionsLost(change(-1)), kgo.BlockRebalanceOnPoll()}
}

func (c *client) groupSharesPartitions() {
	topic, group := c.topic("shares", 4), "shares-"+c.run
	held := [2]int{}
	first, second := c.member(group, topic, counted(&held[0])...), c.member(group, topic, counted(&held[1])...)
	defer second.CloseAllowingRebalance()
	defer first.CloseAllowingRebalance()
	step := func(member *kgo.Client) []*kgo.Record {
		member.AllowRebalance()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		return member.PollFetches(ctx).Records()
	}
	Await("each member holds two partitions", func() bool {
		step(first)
		step(second)
		return held == [2]int{2, 2}
	})
	for partition := range 4 {
		c.numbered(topic, int32(partition), partition*25, 25)
	}
	values := append(numbers(read(first, 50)), numbers(read(second, 50))...)
	Check(SameNumbers(values, 0, 100), "the members did not get each record once")
	first.AllowRebalance()
	second.AllowRebalance()
	Must(first.CommitUncommittedOffsets(within()))
	Must(second.CommitUncommittedOffsets(within()))
	first.CloseAllowingRebalance()
	Await("the remaining member holds all partitions", func() bool {
		Check(len(step(second)) == 0, "a committed record came again")
		return held[1] == 4
	})
}

func (c *client) commitAndResume() {
	topic, group := c.topic("resume", 1), "resume-"+c.run
	c.numbered(topic, 0, 0, 100)
	consumer := c.member(group, topic)
	read(consumer, 60)
	Must(consumer.CommitUncommittedOffsets(within()))
	consumer.Close()
	consumer = c.member(group, topic)
	defer consumer.Close()
	Check(InOrder(numbers(read(consumer, 40)), 60, 100), "did not resume at 60")
	committed, _ := Get(c.admin.FetchOffsets(within(), group)).Lookup(topic, 0)
	Check(committed.At == 60, "the committed offset is %d", committed.At)
}

func (c *client) publishSubscribe() {
	topic := c.topic("publish", 2)
	c.numbered(topic, 0, 0, 50)
	c.numbered(topic, 1, 50, 50)
	for n := range 2 {
		consumer := c.member(fmt.Sprintf("publish-%d-%s", n, c.run), topic)
		Check(SameNumbers(numbers(read(consumer, 100)), 0, 100), "a group did not get every record once")
		consumer.Close()
	}
}

func (c *client) pauseResume() {
	topic := c.topic("pause", 2)
	start := kgo.NewOffset().AtStart()
	consumer := c.assigned(topic, map[int32]kgo.Offset{0: start, 1: start})
	defer consumer.Close()
	paused := map[string][]int32{topic: {1}}
	consumer.PauseFetchPartitions(paused)
	c.numbered(topic, 1, 0, 50)
	c.numbered(topic, 0, 0, 50)
	for _, record := range read(consumer, 50) {
		Check(record.Partition == 0, "a paused partition delivered")
	}
	quiet(consumer, time.Second)
	consumer.ResumeFetchPartitions(paused)
	Check(InOrder(numbers(read(consumer, 50)), 0, 50), "resumed, not all came")
}

func (c *client) createTopicByName() {
	name := "by-name-" + c.run
	created := Get(c.admin.CreateTopic(within(), -1, -1, nil, name))
	Must(created.Err)
	Check(created.NumPartitions == 3 && created.ReplicationFactor == 1, "the reply says %d partitions, %d replicas", created.NumPartitions, created.ReplicationFactor)
	retention := created.Configs["retention.ms"].Value
	Check(retention != nil && *retention == "604800000", "the reply's retention.ms is not the default")
	metadata := Get(c.admin.Metadata(within(), name)).Topics[name]
	Check(len(metadata.Partitions) == 3 && metadata.ID == created.ID, "the topic is %+v", metadata)
	_, err := c.admin.CreateTopic(within(), -1, -1, nil, name)
	Check(errors.Is(err, kerr.TopicAlreadyExists), "again: %v", err)
	_, err = c.admin.CreateTopic(within(), 1, 1, nil, "no spaces allowed")
	Check(errors.Is(err, kerr.InvalidTopicException), "a bad name: %v", err)
}

func (c *client) growPartitions() {
	topic, group := c.topic("grow", 1), "grow-"+c.run
	consumer := c.member(group, topic)
	defer consumer.Close()
	c.numbered(topic, 0, 0, 10)
	read(consumer, 10)
	Must(consumer.CommitUncommittedOffsets(within()))
	Must(Get(c.admin.UpdatePartitions(within(), 3, topic)).Error())
	c.numbered(topic, 1, 10, 10)
	c.numbered(topic, 2, 20, 10)
	Check(SameNumbers(numbers(read(consumer, 20)), 10, 30), "not the records of the new partitions")
}

func (c *client) deleteRecords() {
	topic := c.topic("delete", 1)
	c.numbered(topic, 0, 0, 100)
	var before kadm.Offsets
	before.AddOffset(topic, 0, 30, -1)
	deleted, _ := Get(c.admin.DeleteRecords(within(), before)).Lookup(topic, 0)
	Must(deleted.Err)
	Check(deleted.LowWatermark == 30, "the low watermark is %d", deleted.LowWatermark)
	start, _ := Get(c.admin.ListStartOffsets(within(), topic)).Lookup(topic, 0)
	end, _ := Get(c.admin.ListEndOffsets(within(), topic)).Lookup(topic, 0)
	Check(start.Offset == 30 && end.Offset == 100, "the offsets are %d to %d", start.Offset, end.Offset)
	consumer := c.assigned(topic, map[int32]kgo.Offset{0: kgo.NewOffset().At(5)})
	defer consumer.Close()
	Check(InOrder(numbers(read(consumer, 70)), 30, 100), "reading below 30 does not start at 30")
}

func (c *client) describeGroups() {
	topic, group := c.topic("describe", 2), "describe-"+c.run
	consumer := c.member(group, topic, kgo.ClientID("describer"))
	c.numbered(topic, 0, 0, 1)
	read(consumer, 1)
	Must(consumer.CommitUncommittedOffsets(within()))
	Check(Get(c.admin.ListGroups(within()))[group].Group == group, "a live group is not listed")
	described := Get(c.admin.DescribeGroups(within(), group))[group]
	Check(described.Err == nil && described.State == "Stable", "the state is %s, %v", described.State, described.Err)
	Check(len(described.Members) == 1, "%d members", len(described.Members))
	Check(described.Members[0].ClientID == "describer", "the client id is %s", described.Members[0].ClientID)
	Check(len(described.AssignedPartitions()[topic]) == 2, "the assignment is %v", described.AssignedPartitions())
	consumer.LeaveGroup()
	consumer.Close()
	described = Get(c.admin.DescribeGroups(within(), group))[group]
	Check(described.State == "Empty" && len(described.Members) == 0, "left, the state is %s", described.State)
	Must(Get(c.admin.DeleteGroup(within(), group)).Err)
	Check(Get(c.admin.ListGroups(within()))[group].Group == "", "a deleted group is still listed")
}

func (c *client) consumerBeforeTopic() {
	consumer := c.member("before-"+c.run, "before-"+c.run)
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	consumer.PollFetches(ctx)
	cancel()
	c.numbered(c.topic("before", 1), 0, 0, 10)
	Check(InOrder(numbers(read(consumer, 10)), 0, 10), "not the ten records in order")
}

func (c *client) offsetForTime() {
	topic := c.topic("time", 1)
	var records []*kgo.Record
	for n := range 10 {
		records = append(records, &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(n)*1000)})
	}
	c.produce(records)
	at := func(timestamp int64) kadm.ListedOffset {
		offset, _ := Get(c.admin.ListOffsetsAfterMilli(within(), timestamp, topic)).Lookup(topic, 0)
		Must(offset.Err)
		return offset
	}
	Check(at(1_700_000_003_500).Offset == 4, "the offset is %d instead of 4", at(1_700_000_003_500).Offset)
	Check(at(1_700_000_004_000).Offset == 4, "an exact timestamp does not find its record")
	// Past the last record kadm answers with the end offset; no record has been found then, so there is no timestamp.
	late := at(1_700_000_010_000)
	Check(late.Offset == 10 && late.Timestamp == -1, "a time after the last record finds %+v", late)
}

func main() {
	Main(func(bootstrap, run string) []Case {
		c := &client{bootstrap: bootstrap, run: run}
		c.admin = kadm.NewClient(c.open())
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
