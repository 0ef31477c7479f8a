// Clients that draw from one budget until it refuses them (`../README.md`).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"

	cycles "github.com/runcycles/cycles/bindings/go"
)

type told struct{ charged, open, refused int64 }

func main() {
	clients, err := strconv.Atoi(os.Getenv("CLIENTS"))
	check(err)
	fmt.Println("ready")
	fmt.Scanln()
	var group sync.WaitGroup
	results := make([]told, clients)
	for number := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			results[number] = draw(int64(number))
		}()
	}
	group.Wait()
	var sum told
	for _, told := range results {
		sum.charged += told.charged
		sum.open += told.open
		sum.refused += told.refused
	}
	report := map[string]any{"language": "go", "charged": sum.charged, "open": sum.open, "refused": sum.refused}
	check(json.NewEncoder(os.Stdout).Encode(report))
}

// draw draws until refused; answers what was charged, left open and refused.
func draw(number int64) told {
	client, err := cycles.FromEnv()
	check(err)
	var sum told
	for call := int64(0); ; call++ {
		amount := 1 + (number*7+call*13)%97
		estimate := cycles.Tokens(amount)
		answer := send(client, "create_reservation", "", map[string]any{
			"subject":  map[string]string{"tenant": "acme"},
			"action":   map[string]string{"kind": "test", "name": "oversubscription"},
			"estimate": estimate,
		})
		if answer.Status == 409 {
			sum.refused = 1
			return sum
		}
		reservation := body(answer)["reservation_id"].(string)
		switch call % 5 {
		case 0:
			sum.open += amount
		case 1:
			body(send(client, "release", reservation, map[string]any{}))
		default:
			actual := map[string]any{"actual": cycles.Tokens(amount - amount%3)}
			committed := body(send(client, "commit", reservation, actual))
			sum.charged += int64(committed["charged"].(map[string]any)["amount"].(float64))
		}
	}
}

func send(client *cycles.Client, operation, reservation string, body any) *cycles.Response {
	request := cycles.Request{Operation: operation, ReservationID: reservation, Body: body}
	answer, err := client.Send(context.Background(), request)
	check(err)
	return answer
}

// body is the answer, which must be a success.
func body(answer *cycles.Response) map[string]any {
	if !answer.OK() {
		log.Fatalf("%d %s %s", answer.Status, answer.Body, answer.ErrorMessage)
	}
	var fields map[string]any
	check(json.Unmarshal(answer.Body, &fields))
	return fields
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
