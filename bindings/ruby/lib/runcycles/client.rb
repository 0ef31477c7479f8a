# frozen_string_literal: true

module Cycles
  # Asks one authority. Any number of threads may share it.
  class Client
    # A client of a remote authority: `base_url`, `api_key` and, as needed,
    # `tenant`, `journal_dir`, … (docs/connecting.md); times are seconds. Nothing
    # is sent yet. `clock` is for tests (Testing::Clock).
    def self.new(clock: nil, **settings)
      wrap(Native.make(:client, :client_new, Documents.config(settings), clock&.native))
    end

    # A client set up by the environment: CYCLES_BASE_URL, CYCLES_API_KEY,
    # CYCLES_TENANT, … (docs/connecting.md).
    def self.from_env(prefix = "CYCLES_")
      wrap(Native.make(:client, :client_from_env, prefix))
    end

    # A client with an authority of its own, in process. `seed` is the document of
    # `cycles serve --seed`, as YAML or a Hash (docs/seed.md); the short form is
    # `budgets: { "tenant:acme" => "$1.00" }`, with text or amounts. Calls that name
    # no tenant spend the first one's, by name.
    def self.embedded(seed = nil, budgets: nil, clock: nil, **settings)
      seed = Documents.seed(seed, budgets)
      wrap(Native.make(:client, :client_embedded, seed, Documents.config(settings), clock&.native))
    end

    # Dresses a native client.
    def self.wrap(native)
      client = allocate
      client.send(:initialize, native)
      client
    end
    private_class_method :wrap

    def initialize(native)
      @native = native
    end
    private :initialize

    # Reserves, runs the block, and commits what it cost.
    #
    # That is the hold's `actual` where the block sets it, else `actual`, an
    # Integer in the estimate's unit, an Amount, or whatever calculates one from
    # the block's result; else the estimate.
    #
    # Where the reserve is refused the block does not run, and the error says why
    # (BudgetExceededError, …). A block that raises gives the hold back, unless it
    # has set `actual`; its error is raised as it is. Once the block has ended its
    # value is answered whatever settling says.
    def with(actual: nil, **call, &work)
      raise ArgumentError, "with takes a block" unless work

      Guarded.run(reserve(**call), actual, &work)
    end

    # Holds budget, to be committed or released by hand.
    def reserve(**call)
      Hold.reserve(@native, Documents.call(**call))
    end

    # What reserving would be answered now; nothing is held.
    def evaluate(**call)
      Hold.reserve(@native, Documents.call(**call).merge(dry_run: true))
    end

    # Holds budget for a stream, runs the block, and commits what flowed; a block
    # that raises aborts. Without a block the stream is answered, to be finished or
    # aborted by hand.
    #
    # `on_limit` says what happens when the hold is used up: "cut", "extend" by
    # `extend_by`, or "finish". `cost` calculates from a Usage what it costs;
    # without it tokens cost themselves where the unit is TOKENS.
    def stream(on_limit: nil, extend_by: nil, cost: nil, **call, &work)
      options = { on_limit: on_limit, extend_by: extend_by }.compact
      stream = Stream.reserve(@native, Documents.call(**call), options, cost)
      work ? stream.run(&work) : stream
    end

    # Sends a low-level call: create_reservation, commit, release, extend, decide,
    # create_event, get_balances, list_reservations or get_reservation. A refusal
    # is a Response; so is no answer, with status -1. An idempotency key is added
    # where the body has none.
    def send_request(operation, reservation_id: nil, query: nil, body: nil)
      query = (query || {}).map { |name, value| [name.to_s, value.to_s] }
      document = { operation: operation, reservation_id: reservation_id, query: query, body: body }.compact
      Response.new(Native.run(:client_send, @native, Native.encode("the request", document)))
    end

    # The protocol's nine operations, as they are: bodies and queries in the wire's words.
    def create_reservation(body)
      send_request("create_reservation", body: body)
    end

    def commit(reservation_id, body)
      send_request("commit", reservation_id: reservation_id, body: body)
    end

    def release(reservation_id, body = {})
      send_request("release", reservation_id: reservation_id, body: body)
    end

    def extend_reservation(reservation_id, body)
      send_request("extend", reservation_id: reservation_id, body: body)
    end

    def decide(body)
      send_request("decide", body: body)
    end

    def create_event(body)
      send_request("create_event", body: body)
    end

    def balances(**query)
      send_request("get_balances", query: query)
    end

    def reservations(**query)
      send_request("list_reservations", query: query)
    end

    def reservation(reservation_id)
      send_request("get_reservation", reservation_id: reservation_id)
    end

    # Lets further calls carry another key of the same tenant; retained
    # settlements are tried again with it.
    def api_key=(key)
      Native.call(:client_set_api_key, @native, key)
    end

    # Waits for settlements in the background, at most `timeout` seconds; answers
    # how many are left.
    def flush(timeout: 10)
      Integer(Native.run(:client_flush, @native, Documents.milliseconds(:timeout, timeout)))
    end

    # Refuses further calls and waits for settlements, at most `timeout` seconds;
    # answers how many are left, which the journal keeps.
    def close(timeout: 10)
      Integer(Native.run(:client_close, @native, Documents.milliseconds(:timeout, timeout)))
    end

    # How the settlement journal stands; nil without one.
    def journal_stats
      JSON.parse(Native.text(:client_journal_stats, @native))
    end

    # Waits until something has happened in the background and answers it.
    def notifications
      JSON.parse(Native.run(:client_notifications, @native)).map { |document| Notification.new(document) }
    end
  end
end
