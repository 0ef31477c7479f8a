# frozen_string_literal: true

module Cycles
  VERSION = "0.6.0"
end
