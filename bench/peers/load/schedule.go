package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// A schedule is open-loop: record i is due at start + i/rate, however late those before it were.
type schedule struct {
	start time.Time
	rate  float64
}

func (s schedule) due(i int64) time.Time {
	return s.start.Add(time.Duration(float64(i) / s.rate * float64(time.Second)))
}

// sleepUntil is exact to some ten microseconds where the runtime's timers may be a millisecond late. The
// calling goroutine must have its thread to itself (exactSleep).
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		request := unix.NsecToTimespec(int64(left))
		unix.Nanosleep(&request, nil)
	}
}

// exactSleep takes the kernel's slack of 50 us from the sleeps of this thread.
func exactSleep() error { return unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }
