# frozen_string_literal: true

module Cycles
  # What a stream has used so far. `actual` is what it has cost in all, in the
  # estimate's unit, where the caller knows; it wins over a cost function.
  Usage = Struct.new(:tokens_input, :tokens_output, :actual, :metrics, :metadata)

  # Budget held while output flows: counted, cut or extended at its limit, and
  # settled once however the stream ends. Any thread may count.
  class Stream
    include Reservation

    # Reserves; nothing must flow where that is refused.
    def self.reserve(client, document, options, cost)
      inside = Current.get&.parent
      stream = Native.make(:stream, :stream_new, client, Native.encode("the call", document),
                           Native.encode("the options", options), inside)
      new(stream, Native.run(:stream_reserve, stream), cost)
    end

    def initialize(stream, text, cost)
      @stream = stream
      @text = text
      @cost = cost
      @usage = Usage.new(0, 0)
      @lock = Mutex.new
    end

    # What was used so far; a copy.
    def usage
      @lock.synchronize { @usage.dup }
    end

    # Changes what was used so far.
    def record
      @lock.synchronize { yield @usage }
      self
    end

    # Counts tokens that went in.
    def add_input_tokens(tokens)
      record { |usage| usage.tokens_input += [tokens, 0].max }
    end

    # Counts tokens that came out.
    def add_output_tokens(tokens)
      record { |usage| usage.tokens_output += [tokens, 0].max }
    end

    # Says what the stream has cost so far in all, in the estimate's unit.
    def actual=(amount)
      record { |usage| usage.actual = amount }
    end

    # Whether more output may flow; ask before each piece. Under the limit "extend"
    # this takes the further reservation, and raises why it was refused.
    def proceed?
      answer = JSON.parse(Native.run(:stream_proceed, @stream, report))
      raise Error.of(answer["error"]) if answer["error"]

      answer["flow"] == "continue"
    end

    # Lets the items through as long as the hold lasts; the block counts each
    # before it is handed on. A refused extension ends them too. Nothing is read ahead.
    def watch(items, &count)
      Enumerator.new do |out|
        items.each do |item|
          break unless proceeds?

          count&.call(item)
          out << item
        end
      end.lazy
    end

    # Whether the hold is used up and no more output may flow.
    def cut?
      now["is_cut"]
    end

    def settled?
      now["is_settled"]
    end

    # What the usage so far costs, inner calls that inherit the hold included.
    def used
      Amount.of(now["used"])
    end

    # What is held in all.
    def held
      Amount.of(now["held"])
    end

    # The reservations that hold the budget, in the order they were taken.
    def reservation_ids
      now["reservation_ids"]
    end

    # The stream has ended: commits what was used, the estimate where nothing says
    # what that is.
    def finish
      usage = report
      settle { Native.start(:stream_finish, @stream, usage) }
    end

    # The stream has failed or is given up: commits what flowed; gives everything
    # back where nothing did.
    def abort(reason = nil)
      usage = report
      settle { Native.start(:stream_abort, @stream, usage, reason&.to_s) }
    end

    # Runs the block with calls inside it being inside the stream.
    def within(&block)
      Current.within(self, &block)
    end

    # Runs the block and settles: finished, or aborted where it raises.
    def run
      failure = nil
      within { yield self }
    rescue Exception => e # rubocop:disable Lint/RescueException
      failure = e
      raise
    ensure
      (failure ? abort(failure.class.name) : finish) unless settlement || Native.forked?
    end

    # For calls inside: they draw from what the usage leaves of the hold.
    def parent
      Native.call(:stream_count, @stream, report)
      Native.make(:parent, :stream_parent, @stream)
    end

    private

    def proceeds?
      proceed?
    rescue Error
      false
    end

    # Output has flowed: what does not encode must not keep it from being booked.
    def report
      usage = self.usage
      document = { **usage.to_h, cost: cost(usage) }.compact
      Native.encode("the usage", document)
    rescue ValidationError
      Native.encode("the usage", document.except(:metrics, :metadata))
    end

    # One that raises says nothing: the core goes by the tokens, or by the estimate.
    def cost(usage)
      @cost&.call(usage)
    rescue StandardError => e
      "raised #{e.class}"
    end

    def now
      JSON.parse(Native.text(:stream_context, @stream))
    end
  end
end
