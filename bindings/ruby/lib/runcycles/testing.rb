# frozen_string_literal: true

require_relative "../runcycles"

module Cycles
  # A real authority for tests: an HTTP server on a free port over a fresh engine,
  # with faults and a clock that the test moves.
  #
  #   Cycles::Testing::Server.start(budgets: { "tenant:acme" => Cycles.tokens(1000) }) do |server|
  #     client = server.client
  #   end
  module Testing
    # A clock that moves only when told. A server's clients share it.
    class Clock
      # For servers and clients.
      attr_reader :native

      def initialize(start_ms = 1_800_000_000_000)
        @native = Native::Handle.new(Native.start(:clock_new, start_ms), :clock)
      end

      # Moves the time forward by so many seconds, and wakes whoever waited for a moment up to it.
      def advance(seconds)
        Native.start(:clock_advance, @native, Documents.milliseconds(:seconds, seconds))
        self
      end

      # The time, Unix time in milliseconds.
      def now_ms
        Native.start(:clock_now_ms, @native)
      end
    end

    # What a budget holds now.
    Budget = Struct.new(:allocated, :remaining, :reserved, :spent, :debt, :overdraft_limit, :is_over_limit, :status)

    # An authority for one test.
    class Server
      # Those that run: one of which only the address is kept goes on.
      RUNNING = {} # rubocop:disable Style/MutableConstant
      private_constant :RUNNING

      # How long a test waits for what has to come, in seconds.
      PATIENCE = 5

      # Starts a server that holds `seed` (YAML or a Hash, docs/seed.md), or `budgets` as for
      # Client.embedded. With a block it is stopped afterwards.
      def self.start(seed = nil, budgets: nil, clock: nil)
        server = new(Documents.seed(seed, budgets), clock)
        return server unless block_given?

        begin
          answer = yield server
        rescue Exception # rubocop:disable Lint/RescueException
          # What the test says comes first.
          server.discard
          raise
        end
        server.stop
        answer
      end

      def initialize(seed, clock)
        @native = Native.make(:server, :server_start, seed, clock&.native)
        RUNNING[self] = true
      end
      private_class_method :new

      # Where it listens.
      def base_url
        Native.text(:server_base_url, @native)
      end

      # The secret of the seed's key called `name`, or of its first.
      def api_key(name = nil)
        Native.text(:server_api_key, @native, name&.to_s)
      end

      # A client for this server, on its clock, with the key called `key`, or the
      # first. `in_process` reaches the very same engine without HTTP.
      def client(key: nil, in_process: false, **settings)
        transport = in_process ? "local" : "http"
        config = Documents.config(settings)
        Client.send(:wrap, Native.make(:client, :server_client, @native, key&.to_s, transport, config))
      end

      # Lets coming calls of `operation` go wrong: drop_before, drop_after, delay,
      # status or malformed, with `times`, `skip` and the kind's own fields (docs/testing.md).
      def inject(operation, kind, **fields)
        fault = { operation: operation, kind: kind, **fields }
        Native.call(:server_inject, @native, Native.encode("the fault", fault))
        self
      end

      # The faults that have not fired.
      def pending_faults
        JSON.parse(Native.text(:server_pending_faults, @native))
      end

      # How often the authority has answered `operation` successfully.
      def count(operation)
        Native.call(:server_count, @native, operation.to_s)
      end

      # Waits until it has answered `operation` successfully `count` times in all.
      def wait_for(operation, count, timeout: PATIENCE)
        Native.run(:server_wait_for, @native, operation.to_s, count, Documents.milliseconds(:timeout, timeout))
        self
      end

      # Waits until all faults of `operation` have fired.
      def wait_for_faults(operation, timeout: PATIENCE)
        Native.run(:server_wait_for_faults, @native, operation.to_s, Documents.milliseconds(:timeout, timeout))
        self
      end

      # What the budget of `scope` in `unit` holds now.
      def budget(scope, unit = TOKENS)
        document = JSON.parse(Native.text(:server_budget, @native, scope, unit.to_s))
        Budget.new(*document.values_at(*Budget.members.map(&:to_s)))
      end

      # Stops listening; raises what broke the protocol's contract, if something did.
      def stop
        Native.call(:server_shutdown, @native) if RUNNING.delete(self)
      end

      # Stops listening, whatever broke.
      def discard
        stop
      rescue Error
        nil
      end
    end
  end
end
