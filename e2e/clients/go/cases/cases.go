// Package cases runs named cases and prints one line for each; it knows no client. A case fails by a failed Check or Must,
// or by any panic; every case is reported, none ends the run.
package cases

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"time"
)

// Deadline is how long anything awaited may take.
const Deadline = 30 * time.Second

// Codecs of the produce cases, by Kafka's names.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Case is one line of the result.
type Case struct {
	Name string
	Run  func()
}

type failure string

// Check fails the case unless the condition holds.
func Check(condition bool, format string, arguments ...any) {
	if !condition {
		panic(failure(fmt.Sprintf(format, arguments...)))
	}
}

// Must fails the case on an error.
func Must(err error) {
	if err != nil {
		panic(failure(err.Error()))
	}
}

// Get is the value of a call that must succeed.
func Get[T any](value T, err error) T {
	Must(err)
	return value
}

// Payload is bytes that differ per record, 0 to 2,000 of them, half of them compressible.
func Payload(number int) []byte {
	payload := make([]byte, number*37%2001)
	rand.New(rand.NewSource(int64(number))).Read(payload[:len(payload)/2])
	copy(payload[len(payload)/2:], bytes.Repeat([]byte("w"), len(payload)))
	return payload
}

// SameNumbers tells whether the values are exactly start to end, in any order.
func SameNumbers(values []int, start, end int) bool {
	sorted := slices.Sorted(slices.Values(values))
	return InOrder(sorted, start, end)
}

// InOrder tells whether the values are exactly start to end, in order.
func InOrder(values []int, start, end int) bool {
	if len(values) != end-start {
		return false
	}
	for i, value := range values {
		if value != start+i {
			return false
		}
	}
	return true
}

// Await polls a condition until it holds.
func Await(what string, condition func() bool) {
	deadline := time.Now().Add(Deadline)
	for !condition() {
		Check(time.Now().Before(deadline), "%s: not within %s", what, Deadline)
		time.Sleep(20 * time.Millisecond)
	}
}

// Main is the program: --bootstrap and --only, one line per case, exit code 1 when one failed.
func Main(all func(bootstrap, run string) []Case) {
	bootstrap := flag.String("bootstrap", "", "address of a broker")
	only := flag.String("only", "", "one case")
	flag.Parse()
	run := fmt.Sprintf("%08x", rand.Uint32())
	failed := false
	for _, each := range all(*bootstrap, run) {
		if *only != "" && *only != each.Name {
			continue
		}
		started := time.Now()
		status, detail := outcome(each.Run)
		failed = failed || status == "FAIL"
		fmt.Printf("%s %s %.2f %s\n", status, each.Name, time.Since(started).Seconds(), detail)
	}
	if failed {
		os.Exit(1)
	}
}

func outcome(run func()) (status, detail string) {
	defer func() {
		if cause := recover(); cause != nil {
			status, detail = "FAIL", strings.ReplaceAll(fmt.Sprint(cause), "\n", " ")
		}
	}()
	run()
	return "ok", ""
}
