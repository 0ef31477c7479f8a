// What a guarded call costs in Go. See `cargo xtask bench`.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"slices"
	"strconv"
	"time"

	cycles "github.com/runcycles/cycles/bindings/go"
	"github.com/runcycles/cycles/bindings/go/cyclestest"
)

var seed = cycles.Budgets{"tenant:acme": cycles.Tokens(1_000_000_000)}

type run struct {
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
}

func main() {
	client, err := cycles.Embedded(seed)
	check(err)
	embedded := measure(client)
	server, err := cyclestest.NewServer(seed)
	check(err)
	key, err := server.APIKey("")
	check(err)
	client, err = cycles.New(cycles.Config{BaseURL: server.BaseURL(), APIKey: key, NoJournal: true})
	check(err)
	result := map[string]any{"language": "go", "embedded": embedded, "http": measure(client)}
	check(json.NewEncoder(os.Stdout).Encode(result))
}

// measure answers p50 and p99 of each run; the first run only warms up.
func measure(client *cycles.Client) []run {
	runs, calls := setting("BENCH_RUNS", 5), setting("BENCH_CALLS", 1000)
	call := cycles.Call{Estimate: cycles.Tokens(10), Subject: cycles.Subject{Tenant: "acme"}}
	results := make([]run, 0, runs)
	for range runs + 1 {
		times := make([]time.Duration, 0, calls)
		for range calls {
			start := time.Now()
			_, err := cycles.With(context.Background(), client, call,
				func(context.Context, *cycles.Guard) (struct{}, int64, error) { return struct{}{}, 10, nil })
			check(err)
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		micros := func(of time.Duration) float64 { return float64(of.Nanoseconds()) / 1e3 }
		results = append(results, run{micros(times[calls/2]), micros(times[calls*99/100])})
	}
	return results[1:]
}

func setting(name string, usual int) int {
	value, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return usual
	}
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
