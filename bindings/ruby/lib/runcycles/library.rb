# frozen_string_literal: true

require "ffi"

module Cycles
  # The C ABI (`bindings/c/include/cycles.h`), as it stands.
  module Library
    extend FFI::Library

    # Where the library is: in this package, or where CYCLES_LIBRARY says.
    def self.path
      ENV.fetch("CYCLES_LIBRARY") { File.join(__dir__, FFI.map_library_name("cycles")) }
    end

    begin
      ffi_lib path
    rescue LoadError => e
      raise LibraryError, <<~TEXT.tr("\n", " ").strip
        the native library of Cycles for #{FFI::Platform::NAME} cannot be loaded path=#{path}:
        install the gem that was built for this platform, or let CYCLES_LIBRARY name a libcycles built for it
        (#{e.message.lines.first&.strip})
      TEXT
    end

    # Texts that the library answers are pointers, since they have to be freed.
    TEXT = :pointer
    ERROR = :pointer

    {
      usd_microcents: [%i[string], :int64],
      client_new: [%i[string pointer], :pointer],
      client_from_env: [%i[string], :pointer],
      client_embedded: [%i[string string pointer], :pointer],
      client_set_api_key: [%i[pointer string], :bool],
      client_journal_stats: [%i[pointer], TEXT],
      guard_new: [%i[pointer string pointer], :pointer],
      guard_context: [%i[pointer], TEXT],
      guard_parent: [%i[pointer], :pointer],
      stream_new: [%i[pointer string string pointer], :pointer],
      stream_context: [%i[pointer], TEXT],
      stream_parent: [%i[pointer], :pointer],
      stream_count: [%i[pointer string], :bool],
      server_base_url: [%i[pointer], TEXT],
      server_api_key: [%i[pointer string], TEXT],
      server_client: [%i[pointer string string string], :pointer],
      server_inject: [%i[pointer string], :bool],
      server_pending_faults: [%i[pointer], TEXT],
      server_count: [%i[pointer string], :int64],
      server_budget: [%i[pointer string string], TEXT],
      task_result: [%i[pointer], TEXT]
    }.each { |name, (takes, gives)| attach_function name, :"cycles_#{name}", [*takes, ERROR], gives }

    # Those that wait for others: the other threads of Ruby go on meanwhile.
    {
      server_start: [%i[string pointer], :pointer],
      server_shutdown: [%i[pointer], :bool]
    }.each { |name, (takes, gives)| attach_function name, :"cycles_#{name}", [*takes, ERROR], gives, blocking: true }

    # What comes to a task, or cannot fail.
    {
      client_send: [%i[pointer string], :pointer],
      client_flush: [%i[pointer uint64], :pointer],
      client_close: [%i[pointer uint64], :pointer],
      client_notifications: [%i[pointer], :pointer],
      guard_reserve: [%i[pointer], :pointer],
      guard_commit: [%i[pointer string], :pointer],
      guard_release: [%i[pointer string], :pointer],
      guard_lost: [%i[pointer], :pointer],
      guard_abandon: [%i[pointer], :pointer],
      stream_reserve: [%i[pointer], :pointer],
      stream_proceed: [%i[pointer string], :pointer],
      stream_finish: [%i[pointer string], :pointer],
      stream_abort: [%i[pointer string string], :pointer],
      server_wait_for: [%i[pointer string size_t uint64], :pointer],
      server_wait_for_faults: [%i[pointer string uint64], :pointer],
      clock_new: [%i[int64], :pointer],
      clock_advance: [%i[pointer uint64], :void],
      clock_now_ms: [%i[pointer], :int64],
      task_wait: [%i[pointer int64], :bool],
      task_free: [%i[pointer], :void],
      client_free: [%i[pointer], :void],
      guard_free: [%i[pointer], :void],
      parent_free: [%i[pointer], :void],
      stream_free: [%i[pointer], :void],
      server_free: [%i[pointer], :void],
      clock_free: [%i[pointer], :void],
      string_free: [%i[pointer], :void]
    }.each { |name, (takes, gives)| attach_function name, :"cycles_#{name}", takes, gives }

    attach_function :task_wait_meanwhile, :cycles_task_wait, %i[pointer int64], :bool, blocking: true
  end
end
