// A process that spends, for tests that kill it (`../README.md`).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"time"

	cycles "github.com/runcycles/cycles/bindings/go"
)

func main() {
	config := cycles.Config{
		BaseURL: os.Args[1], APIKey: os.Args[2], Tenant: "acme", JournalDir: os.Args[3],
		OnUnreachable: "allow", ReadTimeout: time.Minute,
	}
	client, err := cycles.New(config)
	check(err)
	if os.Args[4] == "endless" {
		spend(client, func(guard *cycles.Guard) {
			fmt.Printf("{\"running\":%q}\n", guard.ReservationID)
			select {}
		})
	}
	calls, err := strconv.Atoi(os.Args[4])
	check(err)
	for range calls {
		spend(client, func(*cycles.Guard) {})
	}
	left, err := client.Flush(context.Background(), time.Minute)
	check(err)
	journal, err := client.JournalStats()
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"left": left, "journal": journal}))
	_, err = io.ReadAll(os.Stdin)
	check(err)
}

func spend(client *cycles.Client, work func(*cycles.Guard)) {
	call := cycles.Call{Estimate: cycles.Tokens(5), Action: cycles.Action{Kind: "llm", Name: "m"}}
	_, err := cycles.With(context.Background(), client, call,
		func(_ context.Context, guard *cycles.Guard) (struct{}, int64, error) {
			work(guard)
			return struct{}{}, 5, nil
		})
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
