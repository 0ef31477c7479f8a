package cycles

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/runcycles/cycles/bindings/go/internal/native"
)

// Config sets up a client. Only BaseURL and APIKey are required; what is left
// out has the defaults of docs/connecting.md.
type Config struct {
	BaseURL string `json:"base_url,omitempty"`
	APIKey  string `json:"api_key,omitempty"`
	// The subject's levels, for calls that leave them out.
	Tenant    string `json:"tenant,omitempty"`
	Workspace string `json:"workspace,omitempty"`
	App       string `json:"app,omitempty"`
	Workflow  string `json:"workflow,omitempty"`
	Agent     string `json:"agent,omitempty"`
	Toolset   string `json:"toolset,omitempty"`

	// JournalDir is where spends are written down before they are sent.
	JournalDir string `json:"journal_dir,omitempty"`
	// NoJournal keeps them in memory only.
	NoJournal bool `json:"-"`
	// JournalSync is "power" (unless set) or "process".
	JournalSync string `json:"journal_sync,omitempty"`
	// Nested says who pays for calls inside calls; [NestedOwn] unless set.
	Nested Nested `json:"nested,omitempty"`
	// Settlement is "inline" (unless set) or "background".
	Settlement string `json:"settlement,omitempty"`
	// OnUnreachable is "deny" (unless set), "allow" or "allow_up_to:AMOUNT:UNIT".
	OnUnreachable string `json:"on_unreachable,omitempty"`
	// HeartbeatPolicy is "warn" (unless set), "fail_on_finalize" or "cancel", which
	// cancels the context of work whose lease is lost.
	HeartbeatPolicy string `json:"heartbeat_policy,omitempty"`
	// CAFile holds certificates of a private authority, as PEM.
	CAFile string `json:"ca_file,omitempty"`

	ConnectTimeout time.Duration `json:"-"`
	ReadTimeout    time.Duration `json:"-"`
	// CallTimeout bounds a call with its repeats.
	CallTimeout time.Duration `json:"-"`
}

func (c Config) document() (string, error) {
	type plain Config
	document := struct {
		plain
		JournalEnabled   *bool  `json:"journal_enabled,omitempty"`
		ConnectTimeoutMs *int64 `json:"connect_timeout_ms,omitempty"`
		ReadTimeoutMs    *int64 `json:"read_timeout_ms,omitempty"`
		CallTimeoutMs    *int64 `json:"call_timeout_ms,omitempty"`
	}{
		plain: plain(c), ConnectTimeoutMs: milliseconds(c.ConnectTimeout),
		ReadTimeoutMs: milliseconds(c.ReadTimeout), CallTimeoutMs: milliseconds(c.CallTimeout),
	}
	if c.NoJournal {
		document.JournalEnabled = new(bool)
	}
	return encoded("config", document)
}

// Client asks one authority.
type Client struct{ native *native.Client }

// New makes a client of a remote authority. Nothing is sent yet.
func New(config Config) (*Client, error) { return NewAt(config, nil) }

// NewAt is [New] on a clock of the native side; only this module's packages can
// have one.
func NewAt(config Config, clock *native.Clock) (*Client, error) {
	document, err := config.document()
	if err != nil {
		return nil, err
	}
	return made(native.NewClient(document, clock))
}

// FromEnv makes a client set up by the environment: CYCLES_BASE_URL,
// CYCLES_API_KEY, CYCLES_TENANT, … (docs/connecting.md).
func FromEnv() (*Client, error) { return made(native.ClientFromEnv("")) }

// Embedded makes a client with an authority of its own, in process, that holds
// seed, such as [Budgets].
func Embedded(seed Seed) (*Client, error) { return EmbeddedWith(seed, Config{}) }

// EmbeddedWith is [Embedded] with a configuration.
func EmbeddedWith(seed Seed, config Config) (*Client, error) {
	if seed == nil {
		return nil, &Error{Kind: KindValidation, Message: "seed is nil; give budgets, like Budgets{\"tenant:acme\": Tokens(1000)}"}
	}
	text, err := seed.Document()
	if err != nil {
		return nil, err
	}
	document, err := config.document()
	if err != nil {
		return nil, err
	}
	return made(native.EmbeddedClient(text, document, nil))
}

// OfNative dresses a client of the native side; only this module's packages can
// have one.
func OfNative(client *native.Client) *Client { return &Client{client} }

func made(client *native.Client, err error) (*Client, error) {
	if err != nil {
		return nil, typed(err)
	}
	return &Client{client}, nil
}

// Response is the authority's answer to a low-level call; a refusal is one too.
type Response struct {
	// Status is the HTTP status, and -1 where no answer came.
	Status int
	// Body is the answer as received.
	Body json.RawMessage
	// Header has names in lower case.
	Header map[string]string
	// ErrorMessage says why no answer came.
	ErrorMessage string
}

// OK says whether the authority did what was asked.
func (r *Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Request is a low-level call, in the wire's words.
type Request struct {
	// Operation is create_reservation, commit, release, extend, decide,
	// create_event, get_balances, list_reservations or get_reservation.
	Operation     string
	ReservationID string
	Query         map[string]string
	// Body is anything that encodes as JSON; an idempotency key is added where it
	// has none.
	Body any
}

// Send sends a low-level call. A refusal is a [Response]; so is no answer, with
// status -1. The error is for what could not be sent at all.
func (c *Client) Send(ctx context.Context, request Request) (*Response, error) {
	query := make([][2]string, 0, len(request.Query))
	for name, value := range request.Query {
		query = append(query, [2]string{name, value})
	}
	document, err := encoded("request", struct {
		Operation     string      `json:"operation"`
		ReservationID string      `json:"reservation_id,omitempty"`
		Query         [][2]string `json:"query"`
		Body          any         `json:"body,omitempty"`
	}{request.Operation, request.ReservationID, query, request.Body})
	if err != nil {
		return nil, err
	}
	text, err := c.native.Send(ctx, document)
	if err != nil {
		return nil, typed(err)
	}
	var answer struct {
		Status       int         `json:"status"`
		Body         string      `json:"body"`
		Headers      [][2]string `json:"headers"`
		ErrorMessage string      `json:"error_message"`
	}
	if err := decode(text, &answer); err != nil {
		return nil, err
	}
	header := make(map[string]string, len(answer.Headers))
	for _, field := range answer.Headers {
		header[field[0]] = field[1]
	}
	return &Response{answer.Status, json.RawMessage(answer.Body), header, answer.ErrorMessage}, nil
}

// SetAPIKey lets further calls carry another key of the same tenant. Settlements
// that were refused for the old one are tried again.
func (c *Client) SetAPIKey(key string) error { return typed(c.native.SetAPIKey(key)) }

// Flush waits for settlements in the background, at most timeout; answers how
// many are left.
func (c *Client) Flush(ctx context.Context, timeout time.Duration) (int, error) {
	left, err := native.Number(c.native.Flush(ctx, uint64(max(timeout.Milliseconds(), 0))))
	return left, typed(err)
}

// Close refuses further calls and waits for settlements, at most timeout; answers
// how many are left, which the journal keeps. A second call does nothing.
func (c *Client) Close(ctx context.Context, timeout time.Duration) (int, error) {
	left, err := native.Number(c.native.Close(ctx, uint64(max(timeout.Milliseconds(), 0))))
	return left, typed(err)
}

// JournalStats says how the settlement journal stands, as JSON; null without one.
func (c *Client) JournalStats() (json.RawMessage, error) {
	stats, err := c.native.JournalStats()
	return json.RawMessage(stats), typed(err)
}

// Notification is something that happened in the background
// (docs/observability.md has its fields by kind).
type Notification struct {
	Kind          string `json:"kind"`
	ReservationID string `json:"reservation_id"`
	Disposition   string `json:"disposition"`
	Outcome       string `json:"outcome"`
	Reason        string `json:"reason"`
	File          string `json:"file"`
	Count         uint64 `json:"count"`
	Err           *Error `json:"error"`
}

// Notifications waits until something has happened in the background and answers
// it. The error is the context's, or says that the client is closed.
func (c *Client) Notifications(ctx context.Context) ([]Notification, error) {
	text, err := c.native.Notifications(ctx)
	if err != nil {
		return nil, typed(err)
	}
	var batch []Notification
	return batch, decode(text, &batch)
}

func encoded(what string, document any) (string, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return "", &Error{Kind: KindValidation, Message: fmt.Sprintf("%s does not encode as JSON: %v", what, err)}
	}
	return string(text), nil
}

func decode(text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return &Error{Kind: KindInternal, Message: fmt.Sprintf("the core's answer cannot be read: %v", err)}
	}
	return nil
}
