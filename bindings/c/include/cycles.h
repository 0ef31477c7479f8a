// Cycles for C. Generated from bindings/c/src by its tests/header.rs; do not edit.
//
// Documents cross as JSON text in the wire's snake_case, UTF-8 and ending in a
// zero byte. A `char *` that a function answers is the caller's, and freed with
// cycles_string_free; a `const char *` is only read during the call.
//
// A function that can fail has a last argument `char **error`. Where it answers
// NULL or false, `*error` is a report in JSON: kind, message, code, status,
// request_id, trace_id, retry_after_ms, details. It may be NULL for those who do
// not want to know.
//
// What has to wait is a cycles_task. Any thread may use any handle; a handle
// must not be freed while another thread uses it.

#ifndef CYCLES_H
#define CYCLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A client of an authority, remote or in process.
typedef struct cycles_client cycles_client;

// A clock for tests, which moves only when told.
typedef struct cycles_clock cycles_clock;

// Budget held for one piece of work; freed unsettled, it is given back.
typedef struct cycles_guard cycles_guard;

// The call that further ones are made inside of.
typedef struct cycles_parent cycles_parent;

// An authority for one test, reachable over HTTP on a free port and in process.
typedef struct cycles_server cycles_server;

// Budget held for a stream; freed unsettled, what was counted is committed and
// the rest given back.
typedef struct cycles_stream cycles_stream;

// Something that is under way.
typedef struct cycles_task cycles_task;

// Called once, on any thread. It must not block, nor call this library with the
// task that has ended: it hands on that there is a result.
typedef void (*cycles_done)(void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A decimal amount of US dollars, like "0.02", in microcents, exactly; -1 and an
// error where it is not one.
//
// # Safety
// `dollars` is NULL or ends in a zero byte; `error` is NULL or may be written to.
int64_t cycles_usd_microcents(const char *dollars, char **error);

// A client of the remote authority that `config` names: base_url, api_key and,
// as needed, tenant, journal_dir, … (docs/connecting.md). `clock` may be NULL:
// the machine's.
//
// # Safety
// Texts end in a zero byte; `clock` is NULL or not freed; `error` is NULL or may
// be written to.
cycles_client *cycles_client_new(const char *config, const cycles_clock *clock, char **error);

// A client set up by environment variables that begin with `prefix`, CYCLES_
// where it is NULL. Times whose name carries no unit are milliseconds.
//
// # Safety
// Texts end in a zero byte; `error` is NULL or may be written to.
cycles_client *cycles_client_from_env(const char *prefix, char **error);

// A client with an authority of its own, in process, holding `seed` (YAML or
// JSON, docs/seed.md). `config` may be NULL, and `clock` too: the machine's.
//
// # Safety
// As [`cycles_client_new`].
cycles_client *cycles_client_embedded(const char *seed,
                                      const char *config,
                                      const cycles_clock *clock,
                                      char **error);

// Sends `request` in wire form: {operation, reservation_id?, query? as pairs of
// texts, body?}. The task comes to {status, body, headers, error_message}; a
// refusal is an answer, and no answer is one of status -1.
//
// # Safety
// `client` is NULL or not freed; texts end in a zero byte.
cycles_task *cycles_client_send(const cycles_client *client, const char *request);

// Waits for settlements in the background, at most `timeout_ms` milliseconds.
// The task comes to how many are left.
//
// # Safety
// `client` is NULL or not freed.
cycles_task *cycles_client_flush(const cycles_client *client, uint64_t timeout_ms);

// Refuses further calls and waits for settlements, at most `timeout_ms`
// milliseconds. The task comes to how many are left; the journal keeps those.
//
// # Safety
// `client` is NULL or not freed.
cycles_task *cycles_client_close(const cycles_client *client, uint64_t timeout_ms);

// Further calls carry another key of the same tenant; retained settlements are
// tried again with it.
//
// # Safety
// As [`cycles_client_send`]; `error` is NULL or may be written to.
bool cycles_client_set_api_key(const cycles_client *client, const char *api_key, char **error);

// How the settlement journal stands, as JSON; `null` without one.
//
// # Safety
// `client` is NULL or not freed; `error` is NULL or may be written to.
char *cycles_client_journal_stats(const cycles_client *client, char **error);

// What happened in the background (docs/observability.md). The task comes to a
// list as soon as there is something, and fails once the client is freed.
//
// # Safety
// `client` is NULL or not freed.
cycles_task *cycles_client_notifications(const cycles_client *client);

// Frees `client`. What is under way goes on; guards and streams stay usable.
//
// # Safety
// `client` is NULL or not freed, and nobody uses it any more.
void cycles_client_free(cycles_client *client);

// A clock that stands at `start_ms`, Unix time in milliseconds.
cycles_clock *cycles_clock_new(int64_t start_ms);

// Moves the time forward and wakes whoever waited for a moment up to it.
//
// # Safety
// `clock` is NULL or not freed.
void cycles_clock_advance(const cycles_clock *clock, uint64_t ms);

// The time, Unix time in milliseconds; 0 for NULL.
//
// # Safety
// `clock` is NULL or not freed.
int64_t cycles_clock_now_ms(const cycles_clock *clock);

// Frees `clock`; who uses it goes on with it.
//
// # Safety
// `clock` is NULL or not freed, and nobody uses the handle any more.
void cycles_clock_free(cycles_clock *clock);

// A guard for what `request` says: estimate {unit, amount} and, as needed,
// subject, action, ttl_ms, grace_period_ms, overage_policy, dry_run, metadata,
// idempotency_key, nested. It is made inside of `parent`, which may be NULL.
// Nothing is held until it reserves.
//
// # Safety
// Handles are not freed; texts end in a zero byte; `error` is NULL or may be
// written to.
cycles_guard *cycles_guard_new(const cycles_client *client,
                               const char *request,
                               const cycles_parent *parent,
                               char **error);

// Reserves, once. The task comes to the guard's context; where it fails, the
// work must not run.
//
// # Safety
// `guard` is NULL or not freed.
cycles_task *cycles_guard_reserve(const cycles_guard *guard);

// What the work may know of its reservation, as JSON.
//
// # Safety
// `guard` is NULL or not freed; `error` is NULL or may be written to.
char *cycles_guard_context(const cycles_guard *guard, char **error);

// This call, for those inside it; NULL and no error once it has settled.
//
// # Safety
// As [`cycles_guard_context`].
cycles_parent *cycles_guard_parent(const cycles_guard *guard, char **error);

// Commits what `report` says: {actual?, metrics?, metadata?}; NULL is the
// estimate. The task comes to {outcome, response, error}; settling never fails.
//
// # Safety
// `guard` is NULL or not freed; texts end in a zero byte.
cycles_task *cycles_guard_commit(const cycles_guard *guard, const char *report);

// Gives everything back; `reason` may be NULL. The task comes to {outcome,
// response, error}.
//
// # Safety
// As [`cycles_guard_commit`].
cycles_task *cycles_guard_release(const cycles_guard *guard, const char *reason);

// Ends when the lease is lost and heartbeat_policy is cancel: comes to the error
// of the cancelled work, whose guard is to be abandoned. Does not end otherwise;
// free the task once the work is done.
//
// # Safety
// `guard` is NULL or not freed.
cycles_task *cycles_guard_lost(const cycles_guard *guard);

// Gives up work that was cancelled because its lease was lost: what it used is
// not known and not booked.
//
// # Safety
// `guard` is NULL or not freed.
cycles_task *cycles_guard_abandon(const cycles_guard *guard);

// Frees `guard`. Unsettled, it gives its hold back in the background.
//
// # Safety
// `guard` is NULL or not freed, and nobody uses it any more.
void cycles_guard_free(cycles_guard *guard);

// Frees `parent`.
//
// # Safety
// `parent` is NULL or not freed, and nobody uses it any more.
void cycles_parent_free(cycles_parent *parent);

// Starts a server that holds `seed` (YAML or JSON, docs/seed.md). `clock` may be
// NULL: the machine's; its clients share it.
//
// # Safety
// Texts end in a zero byte; `clock` is NULL or not freed; `error` is NULL or may
// be written to.
cycles_server *cycles_server_start(const char *seed, const cycles_clock *clock, char **error);

// Where it listens.
//
// # Safety
// `server` is NULL or not freed; `error` is NULL or may be written to.
char *cycles_server_base_url(const cycles_server *server, char **error);

// The secret of the seed's key called `name`, or of its first where that is NULL.
//
// # Safety
// As [`cycles_server_base_url`]; texts end in a zero byte.
char *cycles_server_api_key(const cycles_server *server, const char *name, char **error);

// A client over `transport`, http or local, with the key called `key`, or the
// first, and with `config`; both may be NULL.
//
// # Safety
// As [`cycles_server_api_key`].
cycles_client *cycles_server_client(const cycles_server *server,
                                    const char *key,
                                    const char *transport,
                                    const char *config,
                                    char **error);

// Lets coming calls go wrong as `fault` says (docs/testing.md).
//
// # Safety
// As [`cycles_server_api_key`].
bool cycles_server_inject(const cycles_server *server, const char *fault, char **error);

// The faults that have not fired, as a JSON list.
//
// # Safety
// As [`cycles_server_base_url`].
char *cycles_server_pending_faults(const cycles_server *server, char **error);

// Waits until `operation` was answered successfully `count` times in all. The
// task fails after `timeout_ms` milliseconds.
//
// # Safety
// `server` is NULL or not freed; texts end in a zero byte.
cycles_task *cycles_server_wait_for(const cycles_server *server,
                                    const char *operation,
                                    size_t count,
                                    uint64_t timeout_ms);

// Waits until all faults of `operation` have fired. The task fails after
// `timeout_ms` milliseconds.
//
// # Safety
// As [`cycles_server_wait_for`].
cycles_task *cycles_server_wait_for_faults(const cycles_server *server,
                                           const char *operation,
                                           uint64_t timeout_ms);

// How often `operation` was answered successfully; -1 and an error for an
// unknown one.
//
// # Safety
// As [`cycles_server_api_key`].
int64_t cycles_server_count(const cycles_server *server, const char *operation, char **error);

// The budget of `scope` in `unit`, as JSON of flat integers.
//
// # Safety
// As [`cycles_server_api_key`].
char *cycles_server_budget(const cycles_server *server,
                           const char *scope,
                           const char *unit,
                           char **error);

// Stops listening once requests under way have ended, and says what in them
// broke the protocol's contract, if something did.
//
// # Safety
// As [`cycles_server_base_url`].
bool cycles_server_shutdown(const cycles_server *server, char **error);

// Frees `server`, which stops it.
//
// # Safety
// `server` is NULL or not freed, and nobody uses it any more.
void cycles_server_free(cycles_server *server);

// A stream for what `request` says, as for cycles_guard_new, watched as
// `options` say: {on_limit?: cut, extend or finish, extend_by?}, or NULL. Nothing
// is held until it reserves.
//
// # Safety
// Handles are NULL or not freed; texts end in a zero byte; `error` is NULL or
// may be written to.
cycles_stream *cycles_stream_new(const cycles_client *client,
                                 const char *request,
                                 const char *options,
                                 const cycles_parent *parent,
                                 char **error);

// Reserves, once. The task comes to the stream's context; where it fails,
// nothing must flow.
//
// # Safety
// `stream` is NULL or not freed.
cycles_task *cycles_stream_reserve(const cycles_stream *stream);

// What its user may know of the stream, as JSON.
//
// # Safety
// `stream` is NULL or not freed; `error` is NULL or may be written to.
char *cycles_stream_context(const cycles_stream *stream, char **error);

// This stream, for the calls inside it; NULL and no error once it has settled.
//
// # Safety
// As [`cycles_stream_context`].
cycles_parent *cycles_stream_parent(const cycles_stream *stream, char **error);

// Notes `usage` so far, for what calls inside the stream may draw, and for the
// case that it is freed before it says more.
//
// # Safety
// `stream` is NULL or not freed; texts end in a zero byte; `error` is NULL or may
// be written to.
bool cycles_stream_count(const cycles_stream *stream, const char *usage, char **error);

// Ends when a lease is lost and heartbeat_policy is cancel: the stream is cut
// then, and the task comes to the error. Does not end otherwise; free the task
// once the stream has ended.
//
// # Safety
// `stream` is NULL or not freed.
cycles_task *cycles_stream_lost(const cycles_stream *stream);

// Whether more output may flow, after `usage` in all: {tokens_input?,
// tokens_output?, actual?, cost?, metrics?, metadata?}. Ask before each piece.
// The task comes to {flow: continue, cut or refused, error}.
//
// # Safety
// `stream` is NULL or not freed; texts end in a zero byte.
cycles_task *cycles_stream_proceed(const cycles_stream *stream, const char *usage);

// The stream has ended: commits `usage`. The task comes to {outcome, response,
// error}; settling never fails.
//
// # Safety
// As [`cycles_stream_proceed`].
cycles_task *cycles_stream_finish(const cycles_stream *stream, const char *usage);

// The stream has failed or is given up: commits `usage` where output was
// produced, and gives everything back where none was. `reason` may be NULL.
//
// # Safety
// As [`cycles_stream_proceed`].
cycles_task *cycles_stream_abort(const cycles_stream *stream,
                                 const char *usage,
                                 const char *reason);

// Frees `stream`. Unsettled, it is aborted in the background.
//
// # Safety
// `stream` is NULL or not freed, and nobody uses it any more.
void cycles_stream_free(cycles_stream *stream);

// Waits until `task` has ended, at most `timeout_ms` milliseconds, or as long as
// it takes where that is negative. Answers whether it has.
//
// # Safety
// `task` is NULL or a task that is not freed.
bool cycles_task_wait(const cycles_task *task, int64_t timeout_ms);

// Calls `done` with `user_data` once, when `task` has ended: on this thread
// where it has already, else on one of the library's. Replaces who was to be
// called before. Once the task is freed nobody is called any more.
//
// # Safety
// `task` is NULL or a task that is not freed; `done` may be called with
// `user_data` on any thread.
void cycles_task_notify(const cycles_task *task, cycles_done done, void *user_data);

// What `task` has come to, once: JSON text, or NULL and an error. Waits for it.
//
// # Safety
// `task` is NULL or a task that is not freed; `error` is NULL or may be written to.
char *cycles_task_result(const cycles_task *task, char **error);

// Frees `task`; where it has not ended it is cancelled. A hold that was being
// taken is given back; a settlement goes on to its end all the same.
//
// # Safety
// `task` is NULL or a task that is not freed, which nobody uses any more.
void cycles_task_free(cycles_task *task);

// Frees a text that a function of this library has answered; NULL is ignored.
//
// # Safety
// `text` is such a text and was not freed before.
void cycles_string_free(char *text);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CYCLES_H */
