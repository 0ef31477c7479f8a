# frozen_string_literal: true

require "json"

module Cycles
  # Calls the C ABI: converts texts, raises errors, waits for tasks. It decides nothing.
  module Native
    # How long a thread waits in one go, in milliseconds: so late does it notice that it was interrupted.
    TICK_MS = 50

    # A handle of the library, freed when nobody has it any more. A forked child
    # leaves its copies alone: they are the parent's.
    class Handle < FFI::AutoPointer
      # Made here: one that a handle makes would know the handle, and keep it for ever.
      FREE = %i[client guard parent stream server clock].to_h do |kind|
        free = Library.method(:"#{kind}_free")
        [kind, ->(address) { free.call(address) unless Native.forked? }]
      end.freeze

      def initialize(pointer, kind)
        super(pointer, FREE.fetch(kind))
      end
    end

    class << self
      # Whether this process was forked from the one in which the library works.
      def forked?
        !@owner.nil? && @owner != Process.pid
      end

      # Calls a function that answers or fails.
      def call(name, *arguments)
        own!
        ask(name, *arguments)
      end

      # Calls a function that needs nothing of what a fork leaves behind.
      def ask(name, *arguments)
        report = FFI::MemoryPointer.new(:pointer)
        answer = Library.public_send(name, *arguments, report)
        told = report.read_pointer
        raise Error.of(JSON.parse(take(told))) unless told.null?

        answer
      rescue ArgumentError, TypeError, RangeError => e
        raise unfit(name, e)
      end

      # Calls a function that answers a handle; nil where it answers none.
      def make(kind, name, *arguments)
        pointer = call(name, *arguments)
        pointer.null? ? nil : Handle.new(pointer, kind)
      end

      # Calls a function that answers text.
      def text(name, *arguments)
        take(call(name, *arguments))
      end

      # Starts a task, which is given to `await`.
      def start(name, *arguments)
        own!
        Library.public_send(name, *arguments)
      rescue ArgumentError, TypeError, RangeError => e
        raise unfit(name, e)
      end

      # Waits for a task and answers its text. Where the thread is interrupted the
      # task is cancelled; a settlement goes on all the same.
      def await(task)
        wait(task) unless Library.task_wait(task, 0)
        text(:task_result, task)
      ensure
        Library.task_free(task) unless forked?
      end

      # Starts a task and waits for it.
      def run(name, *arguments)
        await(start(name, *arguments))
      end

      # A JSON text; what does not encode is refused, naming `what`.
      def encode(what, document)
        JSON.generate(document)
      rescue JSON::GeneratorError, JSON::NestingError, EncodingError => e
        raise ValidationError, "#{what} does not encode as JSON: #{e.message}"
      end

      private

      # The library has threads once it is used, and a fork does not take them along.
      def own!
        @owner ||= Process.pid
        return if @owner == Process.pid

        raise ForkedError, <<~TEXT.tr("\n", " ").strip
          Cycles was used before this process was forked, and its threads stayed behind: make the client in each
          worker, for instance in puma's on_worker_boot, and use none before created_in_pid=#{@owner} pid=#{Process.pid}
        TEXT
      end

      def take(pointer)
        return nil if pointer.null?

        pointer.read_string.force_encoding(Encoding::UTF_8)
      ensure
        Library.string_free(pointer)
      end

      def wait(task)
        return tick(task) unless Fiber.current_scheduler

        # Waiting in here would hold up every fiber of the thread.
        waiter = Thread.new { tick(task) }
        begin
          waiter.join
        ensure
          # The task must not be freed while somebody waits for it.
          waiter.kill.join
        end
      end

      def tick(task)
        nil until Library.task_wait_meanwhile(task, TICK_MS)
      end

      def unfit(name, error)
        ValidationError.new("#{name.to_s.tr('_', ' ')}: #{error.message}")
      end
    end
  end
end
