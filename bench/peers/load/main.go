// load gives every server the same work, through the Go client that its users would pick, and checks that
// what is read is what was written. One JSON object on the standard output; README.md has the modes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnsupported = 3
)

// began is when the process did, as far as it can know.
var began = time.Now()

// A mode does one kind of work and adds what it measured to the results.
type mode func(context.Context, driver, *options, results) error

var modes = map[string]mode{
	"produce": produce,
	"consume": consume,
	"fanout":  consume,
	"latency": latency,
	"catchup": catchup,
	"topics":  topics,
	"first":   first,
}

// results are the members of the object that is printed.
type results map[string]any

func main() {
	options, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(exitUsage)
	}
	os.Exit(run(options))
}

// run prints the results, also those of a failed check: they say what is missing.
func run(o *options) int {
	found := o.describe()
	err := work(o, found)
	lacking := unsupported("")
	code := 0
	switch {
	case errors.As(err, &lacking):
		found["unsupported"] = string(lacking)
		code = exitUnsupported
	case err != nil:
		found["error"] = err.Error()
		fmt.Fprintln(os.Stderr, "load:", err)
		code = exitFailed
	}
	found["client_cpu_seconds"] = cpuSeconds()
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		return exitFailed
	}
	return code
}

func work(o *options, found results) error {
	server := drivers[o.peer](o)
	found["settings"] = server.settings()
	if reason := server.lacks(o.mode); reason != "" {
		return unsupported(reason)
	}
	return modes[o.mode](context.Background(), server, o, found)
}

// unsupported is the reason why a server cannot do what a mode asks for.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// cpuSeconds is what this process used, which tells whether the client was the limit.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return seconds(time.Duration(usage.Utime.Nano() + usage.Stime.Nano()))
}

func seconds(took time.Duration) float64 { return took.Seconds() }
