#pragma once
// One runbook over many targets: an execution for each, rate controlled (Targets with TargetParameterName, or
// TargetMaps; MaxConcurrency, MaxErrors). Pure, as machine.hpp.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/automation/machine.hpp"

namespace belay::automation {

struct Child {
  std::string target;
  Status status = Status::Pending;
  std::string execution_id, why;
  document::GivenValues values{};  // of TargetMaps; else the target is the value of TargetParameterName
};
BOOST_DESCRIBE_STRUCT(Child, (), (target, status, execution_id, why, values))

struct FanOut {
  std::uint32_t format = kExecutionFormat;
  std::string target_parameter;
  std::uint32_t concurrency_max = 1, errors_max = 0;
  bool stopped = false;  // the error budget is used up
  bool cancel_wanted = false, complete_wanted = false;
  std::vector<Child> children;
};
BOOST_DESCRIBE_STRUCT(FanOut, (),
                      (format, target_parameter, concurrency_max, errors_max, stopped, cancel_wanted, complete_wanted,
                       children))

// Each target once, in the order given. invalid_argument: TargetParameterName is no parameter of the runbook, a value
// for it was given besides, no target, or MaxConcurrency or MaxErrors is not as SSM writes them ("1" and "0" when
// empty).
Result<FanOut> new_fan_out(const Runbook& runbook, const document::GivenValues& given, std::string target_parameter,
                           const std::vector<std::string>& targets, std::string_view max_concurrency,
                           std::string_view max_errors);

// One execution for each map, which gives it the values of its parameters. Refused likewise: a map that names no
// parameter of the runbook, or one that `given` has.
Result<FanOut> new_fan_out_of_maps(const Runbook& runbook, const document::GivenValues& given,
                                   const std::vector<document::GivenValues>& maps, std::string_view max_concurrency,
                                   std::string_view max_errors);

enum class FanOutEventKind { begin, started, ended, cancel, complete };
struct FanOutEvent {
  FanOutEventKind kind = FanOutEventKind::begin;
  std::size_t child = 0;
  std::string execution_id;         // started
  Status status = Status::Success;  // ended
  std::string why;
};

enum class FanOutActionKind { start, stop };
// start: an execution with the target as the parameter's value; answer with started, later ended. stop: cancel it.
struct FanOutAction {
  FanOutActionKind kind = FanOutActionKind::start;
  std::size_t child = 0;
  bool operator==(const FanOutAction&) const = default;
};
std::vector<FanOutAction> step(FanOut& fan_out, std::span<const FanOutEvent> events);

struct FanOutSummary {
  // Success only where every target's is. Some that failed within MaxErrors: CompletedWithFailure; more: Failed.
  Status status = Status::Pending;
  std::uint32_t total = 0, success = 0, failed = 0, cancelled = 0, timed_out = 0;
};
FanOutSummary summarize(const FanOut& fan_out);

}  // namespace belay::automation
